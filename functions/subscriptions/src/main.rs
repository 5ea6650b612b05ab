//! The Lambda function `subscriptions`.

use lambda_http::{Adapter, Error, lambda_runtime, tower::ServiceExt as _};
use rung_api::Api;
use rung_core::config::{self, Context};

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let context = Context::from_env().await?;
    let api = Api::of(&context).await?;
    let routes = rung_subscriptions::routes(api, context.control(), context.poster()?);
    let http = Adapter::from(rung_api::router(routes));
    lambda_runtime::run(http.map_request(rung_api::readable)).await
}
