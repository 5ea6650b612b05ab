//! The Lambda function `subscriptions`.

use lambda_http::{Error, run, tracing};
use rung_shared::{
    api::{self, Api},
    config::{Context, admin_key},
};

#[tokio::main]
async fn main() -> Result<(), Error> {
    tracing::init_default_subscriber();
    let context = Context::from_env().await?;
    let api = Api::of(&context, &admin_key()?);
    run(api::router(rung_subscriptions::routes(
        api,
        context.deliverer(),
    )))
    .await
}
