//! Routes, each with its documentation.

use axum::{
    Router,
    handler::Handler,
    routing::{MethodFilter, on},
};
use http::Method;

use super::{Operation, Schemas};

/// A route's documentation.
#[derive(Clone, Copy)]
pub struct Documented {
    pub(super) method: &'static Method,
    pub(super) path: &'static str,
    pub(super) docs: fn(&mut Schemas) -> Operation,
}

/// Routes in the making.
pub struct Routes<S> {
    router: Router<S>,
    documented: Vec<Documented>,
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self {
            router: Router::new(),
            documented: Vec::new(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Answers GET.
    #[must_use]
    pub fn get<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on(MethodFilter::GET, &Method::GET, path, handler, docs)
    }

    /// Answers GET with a page for people or a part of one. Programs do not call it, so the description has no word of it.
    #[must_use]
    pub fn page<T: 'static>(self, path: &'static str, handler: impl Handler<T, S>) -> Self {
        Self {
            router: self.router.route(path, on(MethodFilter::GET, handler)),
            ..self
        }
    }

    /// Answers POST.
    #[must_use]
    pub fn post<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on(MethodFilter::POST, &Method::POST, path, handler, docs)
    }

    /// Answers PUT.
    #[must_use]
    pub fn put<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on(MethodFilter::PUT, &Method::PUT, path, handler, docs)
    }

    /// Answers PATCH.
    #[must_use]
    pub fn patch<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on(MethodFilter::PATCH, &Method::PATCH, path, handler, docs)
    }

    /// Answers DELETE.
    #[must_use]
    pub fn delete<T: 'static>(
        self,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.on(MethodFilter::DELETE, &Method::DELETE, path, handler, docs)
    }

    /// The routes themselves.
    pub fn router(self) -> Router<S> {
        self.router
    }

    /// Their documentation.
    #[must_use]
    pub fn documented(self) -> Vec<Documented> {
        self.documented
    }

    fn on<T: 'static>(
        mut self,
        filter: MethodFilter,
        method: &'static Method,
        path: &'static str,
        handler: impl Handler<T, S>,
        docs: fn(&mut Schemas) -> Operation,
    ) -> Self {
        self.documented.push(Documented { method, path, docs });
        Self {
            router: self.router.route(path, on(filter, handler)),
            documented: self.documented,
        }
    }
}
