//! Calls, each with its handler and its documentation: one list of them makes the router, and the description.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use http::Method;

use super::{Operation, Schemas};

/// A call's documentation.
#[derive(Clone, Copy)]
pub struct Documented {
    pub(super) method: &'static Method,
    pub(super) path: &'static str,
    pub(super) docs: fn(&mut Schemas) -> Operation,
}

/// What takes calls in: a [`Router`] their handlers, a list of [`Documented`] what is said of them. A function of Lambda only routes,
/// so no documentation is linked into it.
pub trait Calls<S>: Sized + Default {
    /// Takes in a call of this method.
    #[must_use]
    fn on<T: 'static>(
        self,
        method: (MethodFilter, &'static Method),
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self;

    /// Answers GET with a page for people or a part of one. Programs do not call it, so the description has no word of it.
    #[must_use]
    fn page<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self;

    /// Answers GET.
    #[must_use]
    fn get<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on((MethodFilter::GET, &Method::GET), path, handler, docs)
    }

    /// Answers POST.
    #[must_use]
    fn post<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on((MethodFilter::POST, &Method::POST), path, handler, docs)
    }

    /// Answers PUT.
    #[must_use]
    fn put<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on((MethodFilter::PUT, &Method::PUT), path, handler, docs)
    }

    /// Answers PATCH.
    #[must_use]
    fn patch<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on((MethodFilter::PATCH, &Method::PATCH), path, handler, docs)
    }

    /// Answers DELETE.
    #[must_use]
    fn delete<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on((MethodFilter::DELETE, &Method::DELETE), path, handler, docs)
    }
}

impl<S: Clone + Send + Sync + 'static> Calls<S> for Router<S> {
    fn on<T: 'static>(
        self,
        (filter, _): (MethodFilter, &'static Method),
        path: &'static str,
        handler: impl Handler<T, S>,
        _: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.route(path, on(filter, handler))
    }

    fn page<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        self.route(path, on(MethodFilter::GET, handler))
    }
}

impl<S> Calls<S> for Vec<Documented> {
    fn on<T: 'static>(
        mut self,
        (_, method): (MethodFilter, &'static Method),
        path: &'static str,
        _: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.push(Documented { method, path, docs });
        self
    }

    fn page<T: 'static>(self, _: &'static str, _: impl Handler<T, S>) -> Self {
        self
    }
}
