//! The Lambda function `sweep`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rung_core::config::{self, Context};
use serde::de::IgnoredAny;

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let sweeper = &Context::from_env().await?.sweeper();
    run(service_fn(async move |_: LambdaEvent<IgnoredAny>| {
        rung_sweep::handle(sweeper).await?;
        Ok::<(), Error>(())
    }))
    .await
}
