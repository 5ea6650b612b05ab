//! The ownership challenge: a webhook that asks for it gets no events before its endpoint has echoed a token.
//!
//! Until then it is disabled with the reason `unverified`, and what is published counts as missed. Another URL has to be verified
//! anew. Whoever answers need not read the body: the token is in a header, too. It is signed as deliveries are.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::HeaderMap;
use rung_api::{ApiError, Code, Precondition};
use rung_core::{
    domain::{
        audit::Action,
        id::WebhookId,
        webhook::{Disabled, Reason, Webhook},
    },
    egress::named,
};
use rung_json::Json;

use super::{changed, etag, shown};
use crate::{Management, Path, by_hand::ByHand, ids::new_challenge, once::Once};

/// Disables a webhook whose endpoint is not verified (any more).
pub(super) fn demand(webhook: &mut Webhook, now_ms: u64) {
    if webhook.disabled.is_none() {
        webhook.epoch += 1;
    }
    webhook.disabled = Some(Disabled::new(now_ms, Reason::Unverified, Vec::new()));
}

/// Whether a webhook waits for its endpoint to be verified.
pub(super) fn is_demanded(webhook: &Webhook) -> bool {
    let disabled = webhook.disabled.as_ref();
    disabled.is_some_and(|disabled| disabled.reason == Reason::Unverified)
}

/// Posts a token to the endpoint, whether the webhook has a challenge to meet or not, and activates it if it had and the token comes
/// back.
pub(crate) async fn verify(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager_of(&headers, &id).await?;
    let precondition = Precondition::read(&headers)?;
    rung_api::nothing(request).await?;
    if let Some(first) = once
        .claim(&state, &headers, &caller, &Json::empty())
        .await?
    {
        return Ok(first);
    }
    let webhook = state.webhook(&caller, &id).await?;
    precondition.check(Some(&etag(&webhook)))?;
    let demanded = is_demanded(&webhook);
    if demanded {
        state.check_plan(&caller.tenant)?;
    }
    state.admit(&caller, &id, ByHand::Test).await?;
    let record = caller.record(Action::WebhookChallenged, webhook.id.as_str());
    state.api.store.record(&record).await?;
    ask(&state, &webhook).await?;
    if !demanded {
        return shown(&state, &webhook).await;
    }
    let now_ms = state.api.clock.now_ms();
    let action = Action::WebhookVerified;
    let (_, webhook) = changed(&state, &caller, &id, action, |mut present| {
        precondition.check(Some(&etag(&present)))?;
        // Another URL was not asked.
        if present.url == webhook.url && is_demanded(&present) {
            present.disabled = None;
            present.enabled_ms = now_ms;
        }
        Ok(present)
    })
    .await?;
    shown(&state, &webhook).await
}

/// Asks the endpoint to echo a token.
async fn ask(state: &Management, webhook: &Webhook) -> Result<(), ApiError> {
    let dialect = state.api.dialect(&webhook.dialect)?;
    let token = new_challenge();
    let answered = state.poster.challenge(webhook, dialect, &token).await?;
    let problem = match answered {
        Ok(answer)
            if answer.status.is_success()
                && dialect.proves_challenge(&token, &answer.headers, &answer.body) =>
        {
            return Ok(());
        }
        Ok(answer) => format!("the response was {} without it", named(answer.status)),
        Err(failure) => failure.to_string(),
    };
    let message = format!(
        "the endpoint did not return what the challenge of its dialect asks for: {problem}"
    );
    Err(ApiError::new(Code::ChallengeFailed, message))
}
