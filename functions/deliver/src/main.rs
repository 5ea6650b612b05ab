//! The Lambda function `deliver`.

use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rung_shared::{
    config::{self, Context},
    limits::HANDLER_RESERVE,
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let deliverer = &Context::from_env().await?.deliverer();
    run(service_fn(async move |event: LambdaEvent<SqsEvent>| {
        let time = left(event.context.deadline()).saturating_sub(HANDLER_RESERVE);
        Ok::<SqsBatchResponse, Error>(rung_deliver::handle(deliverer, event.payload, time).await)
    }))
    .await
}

/// How long until the function is cut off.
#[allow(clippy::disallowed_methods)]
fn left(deadline: SystemTime) -> Duration {
    deadline
        .duration_since(SystemTime::now())
        .unwrap_or_default()
}
