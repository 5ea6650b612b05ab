//! The Lambda function `enqueue`.

use lambda_http::{Error, tracing};
use rung_shared::config::Context;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let context = Context::from_env().await?;
    let api = context.api().await?;
    rung_enqueue::run(api, context.publisher()).await
}
