//! A webhook's secret: given or made, and rotated.

use axum::{
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, StatusCode};
use rung_api::{
    ApiError, Caller, Code, Detail, Fields, NoQuery, Precondition, answer,
    limits::{OVERLAP_DEFAULT_MS, OVERLAP_MAX_MS},
    read,
};
use rung_base::chance;
use rung_core::{
    domain::{
        Unknown,
        audit::Action,
        id::WebhookId,
        portal::Capability,
        tenant::Scope,
        time::Time,
        webhook::{OldSecret, Secret, TooManySecrets, Webhook},
    },
    limits::OLD_SECRETS,
};
use rung_dialect::{Dialect, KeyPair, SecretFault, check_secret_length};
use rung_json::{Json, limits::REQUEST_BYTES};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{changed, etag, made, shown};
use crate::{Management, Path, once::Once};

/// The kind of signing secret, as named by Standard Webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Signing {
    /// A shared secret.
    V1,
    /// A key pair; receivers have the public key.
    V1a,
}

impl Signing {
    fn read(value: &Json) -> Result<Self, String> {
        match value.as_str() {
            Some("v1") => Ok(Self::V1),
            Some("v1a") => Ok(Self::V1a),
            _ => Err("must be `v1` (a shared secret) or `v1a` (a key pair)".to_owned()),
        }
    }

    /// What a secret signs as: its form says it.
    pub(super) fn of(secret: &Secret) -> Self {
        match KeyPair::parse(secret.expose()) {
            Some(_) => Self::V1a,
            None => Self::V1,
        }
    }

    /// What a webhook of this dialect signs as if nothing else is asked for.
    pub(super) fn default_in(dialect: &Dialect) -> Self {
        if dialect.needs_key_pairs() {
            Self::V1a
        } else {
            Self::V1
        }
    }

    /// A new secret of 32 random bytes, of the form that the dialect asks for.
    pub(super) fn new_secret(self, dialect: &Dialect) -> Secret {
        let seed = chance::bytes::<32>();
        Secret::new(match self {
            Self::V1 => dialect.new_secret(seed),
            Self::V1a => dialect.new_pair(seed).secret(),
        })
    }
}

/// What a request says of a webhook's secret.
pub(super) struct SecretFields {
    pub(super) given: Option<Secret>,
    pub(super) signing: Option<Signing>,
}

impl SecretFields {
    pub(super) fn read(fields: &mut Fields<'_>, dialect: &Dialect) -> Self {
        let given = fields.optional("secret", Ok);
        let given = given.and_then(|value| match secret(value, dialect) {
            Ok(secret) => Some(secret),
            Err(problem) => {
                fields.problem_of(Code::InvalidSecret, "secret", problem);
                None
            }
        });
        let signing = fields.optional("signing", Signing::read);
        match (&given, signing) {
            (_, Some(Signing::V1a)) if !dialect.takes_key_pairs() => {
                let problem = "must be `v1`: key pairs require a dialect whose only signature is `webhook-signature`, or one that signs with them itself";
                fields.problem("signing", problem);
            }
            (_, Some(Signing::V1)) if dialect.needs_key_pairs() => {
                fields.problem(
                    "signing",
                    "must be `v1a`: this dialect signs with key pairs",
                );
            }
            (Some(given), Some(signing)) if Signing::of(given) != signing => {
                let problem = match signing {
                    Signing::V1 => "is a key pair; set `signing` to `v1a` or omit it",
                    Signing::V1a => {
                        "must be `whsk_` and base64 of an Ed25519 seed and its public key, 64 bytes in all"
                    }
                };
                fields.problem_of(Code::InvalidSecret, "secret", problem);
            }
            _ => {}
        }
        Self { given, signing }
    }
}

impl SecretFields {
    /// Notes a problem when another kind of signing is asked for than `present` has, and no secret for it is given: receivers would
    /// have no time to switch.
    pub(super) fn check_against(&self, present: &Secret, fields: &mut Fields<'_>) {
        let is_other = |kind: Signing| kind != Signing::of(present);
        if self.given.is_none() && self.signing.is_some_and(is_other) {
            let problem = "can only be changed with POST /v1/webhooks/{id}/rotate-secret";
            fields.problem("signing", problem);
        }
    }
}

/// Kept exactly as given.
fn secret(value: &Json, dialect: &Dialect) -> Result<Secret, String> {
    let text = value.as_str();
    let text = text.ok_or_else(|| SecretFault::Length.to_string())?;
    match dialect.check_secret(text) {
        Ok(()) => Ok(Secret::new(text.to_owned())),
        Err(fault @ (SecretFault::Length | SecretFault::KeyPair)) => Err(fault.to_string()),
        Err(fault) => Err(format!("{fault}; omit it to have one generated")),
    }
}

/// Sees to it that a webhook's secrets can sign in `dialect`, which it is about to speak. Those that were replaced and cannot sign
/// no more.
///
/// # Errors
/// 422 when the secret in force cannot.
pub(super) fn suit(webhook: &mut Webhook, dialect: &Dialect) -> Result<(), ApiError> {
    let signs = |secret: &Secret| dialect.check_secret(secret.expose());
    webhook.old_secrets.retain(|old| signs(&old.secret).is_ok());
    signs(&webhook.secret).map_err(|fault| {
        let problem = format!(
            "{fault}; the webhook's present secret cannot sign in {}: rotate it first, with POST /v1/webhooks/{{id}}/rotate-secret",
            dialect.name
        );
        ApiError::of_field(Code::InvalidSecret, "secret", problem)
    })
}

/// Refuses secrets that are brought along and cannot sign in `dialect`: their receivers would refuse every delivery.
pub(super) fn check_old(old_secrets: &[OldSecret], dialect: &Dialect) -> Result<(), ApiError> {
    let faults = old_secrets.iter().enumerate().filter_map(|(index, old)| {
        let fault = dialect.check_secret(old.secret.expose()).err()?;
        let field = format!("old_secrets[{index}].secret");
        let problem = format!("{fault}; omit it if it signs no more");
        Some(Detail::new(Code::InvalidSecret, field, problem))
    });
    let faults: Vec<_> = faults.collect();
    match faults.is_empty() {
        true => Ok(()),
        false => Err(ApiError::of_fields(Code::InvalidSecret, faults)),
    }
}

/// Notes a problem when a change names another secret than the one that a webhook has. Who may not read the secret does not learn
/// whether it is that one either.
pub(super) fn check_unchanged(
    fields: &mut Fields<'_>,
    dialect: &Dialect,
    present: &Secret,
    caller: &Caller,
) {
    let SecretFields { given, signing } = SecretFields::read(fields, dialect);
    let problem = "can only be changed with POST /v1/webhooks/{id}/rotate-secret";
    let link = caller.key.portal.as_ref();
    let may_know = link.is_none_or(|link| link.allows(Capability::Secrets));
    if given.is_some_and(|given| !may_know || given != *present) {
        fields.problem("secret", problem);
    }
    if signing.is_some_and(|signing| signing != Signing::of(present)) {
        fields.problem("signing", problem);
    }
}

/// Reads secrets that were replaced elsewhere and sign on, oldest first.
pub(super) fn old_secrets(value: &Json) -> Result<Vec<OldSecret>, String> {
    const FORM: &str = "must be a list of objects with `secret`, a text, and `expires_at`, a time";
    let list = value.as_array().ok_or(FORM)?;
    if list.len() > OLD_SECRETS {
        return Err(format!("must be at most {OLD_SECRETS}"));
    }
    let one = |old: &Json| {
        let secret = old.get("secret")?.as_str()?;
        let is_long = check_secret_length(secret).is_err();
        let expires_ms = read::time_ms(old.get("expires_at")?).ok()?;
        (!is_long && old.as_object()?.len() == 2).then(|| OldSecret {
            secret: Secret::new(secret.to_owned()),
            expires_ms,
            unknown: Unknown::new(),
        })
    };
    let old_secrets: Option<Vec<_>> = list.iter().map(one).collect();
    old_secrets.ok_or_else(|| FORM.to_owned())
}

fn overlap_ms(value: &Json) -> Result<u64, String> {
    let ms = value
        .as_unsigned()
        .and_then(|seconds| seconds.checked_mul(1000));
    ms.filter(|ms| *ms <= OVERLAP_MAX_MS).ok_or_else(|| {
        let most = OVERLAP_MAX_MS / 1000;
        format!("must be an integer from 0 to {most}, in seconds")
    })
}

pub(crate) async fn rotate_secret(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state
        .caller_of(&headers, Scope::Manage, Capability::Secrets, &id)
        .await?;
    let precondition = Precondition::read(&headers)?;
    let body = rung_api::empty_or_body(request, REQUEST_BYTES).await?;
    if let Some(first) = once.claim(&state, &headers, &caller, &body).await? {
        return Ok(first);
    }
    let action = Action::WebhookSecretRotated;
    let (_, webhook) = changed(&state, &caller, &id, action, |mut webhook| {
        precondition.check(Some(&etag(&webhook)))?;
        let dialect = state.api.dialect(&webhook.dialect)?;
        let mut fields = Fields::of(&body)?;
        let secrets = SecretFields::read(&mut fields, dialect);
        let overlap_ms = fields.optional("overlap_seconds", overlap_ms);
        fields.finish()?;
        let secret = secrets.given.unwrap_or_else(|| {
            let present = || match Signing::of(&webhook.secret) {
                Signing::V1a if dialect.takes_key_pairs() => Signing::V1a,
                Signing::V1 | Signing::V1a => Signing::default_in(dialect),
            };
            secrets.signing.unwrap_or_else(present).new_secret(dialect)
        });
        webhook
            .rotate_secret(
                secret,
                state.api.clock.wall_ms(),
                overlap_ms.unwrap_or(OVERLAP_DEFAULT_MS),
            )
            .map_err(|TooManySecrets| too_many_secrets())?;
        suit(&mut webhook, dialect)?;
        Ok(webhook)
    })
    .await?;
    made(&state, StatusCode::OK, &webhook).await
}

fn too_many_secrets() -> ApiError {
    let message = format!(
        "{OLD_SECRETS} old secrets are still valid; end the overlap with POST …/rotate-secret/finish or `overlap_seconds` 0"
    );
    ApiError::new(Code::TooManySecrets, message)
}

/// A replaced secret that is still valid.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OldSecret")]
pub(crate) struct OldSecretView<'a> {
    secret: &'a str,
    /// When it ceases to be valid.
    expires_at: Time,
}

/// A webhook's replaced secrets that still sign at `wall_ms`, oldest first.
pub(super) fn valid_old_secrets(webhook: &Webhook, wall_ms: u64) -> Vec<OldSecretView<'_>> {
    let old_secrets = webhook.old_secrets.iter();
    let old_secrets = old_secrets.filter(|old| old.expires_ms > wall_ms);
    let old_secrets = old_secrets.map(|old| OldSecretView {
        secret: old.secret.expose(),
        expires_at: Time::at_ms(old.expires_ms),
    });
    old_secrets.collect()
}

/// What signs, for the operator and portal links that may: to move away with, and for a customer who has lost it.
pub(crate) async fn secret_of(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    _: NoQuery,
) -> Result<Response, ApiError> {
    let caller = state
        .caller_of(&headers, Scope::Admin, Capability::Secrets, &id)
        .await?;
    let webhook = state.webhook(&caller, &id).await?;
    let record = caller.record(Action::WebhookSecretRead, id.as_str());
    state.api.store.record(&record).await?;
    let data = json!({
        "secret": webhook.secret.expose(),
        "old_secrets": valid_old_secrets(&webhook, state.api.clock.wall_ms()),
    });
    Ok(answer(StatusCode::OK, data))
}

pub(crate) async fn finish_rotation(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    once: Once,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state
        .caller_of(&headers, Scope::Manage, Capability::Secrets, &id)
        .await?;
    let precondition = Precondition::read(&headers)?;
    rung_api::nothing(request).await?;
    if let Some(first) = once
        .claim(&state, &headers, &caller, &Json::empty())
        .await?
    {
        return Ok(first);
    }
    let action = Action::WebhookRotationFinished;
    let (_, webhook) = changed(&state, &caller, &id, action, |webhook| {
        precondition.check(Some(&etag(&webhook)))?;
        Ok(Webhook {
            old_secrets: Vec::new(),
            ..webhook
        })
    })
    .await?;
    shown(&state, &webhook).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_dialect::Dialects;

    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn secrets_are_any_text_and_kept_exactly_where_the_dialect_has_an_hmac() {
        let odin = Dialects::builtin().get("odin").unwrap().clone();
        for given in [
            " a b~",
            "a\tb\0",
            "ä",
            &"x".repeat(4_096),
            &"ä".repeat(2_048),
        ] {
            let kept = secret(&Json::String(given.to_owned()), &odin).unwrap();
            assert_eq!(kept.expose(), given);
        }
        for wrong in [
            json(r#""""#),
            json("7"),
            Json::String("x".repeat(4_097)),
            Json::String("ä".repeat(2_049)),
        ] {
            assert!(secret(&wrong, &odin).is_err());
        }
    }

    #[test]
    fn an_overlap_is_whole_seconds_up_to_a_week() {
        assert_eq!(overlap_ms(&json("0")), Ok(0));
        assert_eq!(overlap_ms(&json("604800")), Ok(604_800_000));
        for wrong in ["604801", "-1", "1.5", "\"60\"", "1e400000", "true"] {
            let number = Json::parse(wrong.as_bytes(), 1);
            assert!(
                number.is_err() || overlap_ms(&number.unwrap()).is_err(),
                "{wrong}"
            );
        }
    }
}
