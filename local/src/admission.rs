//! How many requests publish at once.
//!
//! Whatever is offered, memory stays bounded: a request beyond the bound is answered with 503 and `Retry-After` before its body
//! is read. What is accepted waits on disk, not here.

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use rung_shared::api::{ApiError, Code};
use tokio::sync::Semaphore;

/// Routes that take at most `requests` at once.
pub(crate) fn bounded(routes: Router, requests: usize) -> Router {
    let room = Arc::new(Semaphore::new(requests));
    routes.route_layer(from_fn_with_state(room, admit))
}

async fn admit(State(room): State<Arc<Semaphore>>, request: Request, next: Next) -> Response {
    match room.try_acquire() {
        Ok(_permit) => next.run(request).await,
        Err(_) => ApiError::from(Code::Unavailable).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::StatusCode, routing::post};
    use tokio::sync::Notify;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn beyond_the_bound_is_refused_until_there_is_room() {
        let (entered, leave) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (entered, leave) = (Arc::clone(&entered), Arc::clone(&leave));
            move || async move {
                entered.notify_one();
                leave.notified().await;
            }
        };
        let routes = bounded(Router::new().route("/", post(handler)), 1);
        let call = || {
            let request = Request::post("/").body(Body::empty()).unwrap();
            routes.clone().oneshot(request)
        };
        let first = tokio::spawn(call());
        entered.notified().await;
        let refused = call().await.unwrap();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(refused.headers().contains_key("retry-after"));
        leave.notify_one();
        assert_eq!(first.await.unwrap().unwrap().status(), StatusCode::OK);
        leave.notify_one();
        assert_eq!(call().await.unwrap().status(), StatusCode::OK);
    }
}
