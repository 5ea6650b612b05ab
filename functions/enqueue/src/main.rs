//! The Lambda function `enqueue`.

use lambda_http::Error;
use rung_api::Api;
use rung_core::config::{self, Context};

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let context = Context::from_env().await?;
    let api = Api::of(&context).await?;
    rung_enqueue::run(&context, api).await
}
