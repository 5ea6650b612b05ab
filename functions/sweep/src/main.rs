//! The Lambda function `sweep`.

use lambda_runtime::{Error, LambdaEvent, run, service_fn, tracing};
use rung_shared::config::Context;
use serde::de::IgnoredAny;

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let sweeper = &Context::from_env().await?.sweeper();
    run(service_fn(async move |_: LambdaEvent<IgnoredAny>| {
        rung_sweep::handle(sweeper).await?;
        Ok::<(), Error>(())
    }))
    .await
}
