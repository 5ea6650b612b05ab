//! The management API.
use axum::Router;
use rung_shared::{api::Api, flow::deliver::Deliverer};
/// The routes.
pub fn routes(_: Api, _: Deliverer) -> Router { Router::new() }
