//! The Lambda function `deliver`.

use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use rung_core::config::{self, Context};
use rung_core::limits::HANDLER_RESERVE;

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let context = Context::from_env().await?;
    let mut deliverer = context.deliverer()?;
    // This function alone tells the operator, so it alone knows SNS.
    let operator = &mut deliverer.control.operator;
    *operator = operator.clone().with_topic(context.operator_topic());
    let deliverer = &deliverer;
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
