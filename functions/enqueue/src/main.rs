//! The Lambda function `enqueue`.

use lambda_http::{Error, run, tracing};
use rung_shared::{api, config::Context};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let context = Context::from_env().await?;
    let api = context.api().await?;
    run(api::router(rung_enqueue::routes(api, context.publisher()))).await
}
