//! The Lambda function `subscriptions`.

use lambda_http::{Adapter, Error, lambda_runtime, tower::ServiceExt as _};
use rung_shared::{
    api,
    config::{self, Context},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let context = Context::from_env().await?;
    let api = context.api().await?;
    let routes = rung_subscriptions::routes(api, context.deliverer()?);
    let http = Adapter::from(api::router(routes));
    lambda_runtime::run(http.map_request(api::readable)).await
}
