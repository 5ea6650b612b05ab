//! The Lambda function `subscriptions`.

use lambda_http::{Error, run};
use rung_shared::{
    api,
    config::{self, Context},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    config::init_logging();
    let context = Context::from_env().await?;
    let api = context.api().await?;
    run(api::router(rung_subscriptions::routes(
        api,
        context.deliverer(),
    )))
    .await
}
