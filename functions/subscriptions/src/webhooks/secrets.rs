//! A webhook's secret: given or made, and rotated.

use axum::{
    extract::{Request, State},
    response::Response,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, StatusCode};
use rung_shared::{
    api::{self, ApiError, Code, Fields, answer},
    chance,
    dialect::{Dialect, KeyPair},
    domain::{
        id::WebhookId,
        webhook::{Secret, TooManySecrets, Webhook},
    },
    json::Json,
    limits::{OLD_SECRETS, OVERLAP_DEFAULT_MS, OVERLAP_MAX_MS, REQUEST_BYTES, SECRET_BYTES},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{changed, shown, view::View};
use crate::{Management, Path};

/// What signs, by the names that Standard Webhooks has for the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Signing {
    /// A secret that both sides share.
    V1,
    /// An Ed25519 key pair, of which receivers have the public half.
    V1a,
}

impl Signing {
    fn read(value: &Json) -> Result<Self, String> {
        match value.as_str() {
            Some("v1") => Ok(Self::V1),
            Some("v1a") => Ok(Self::V1a),
            _ => Err("must be `v1` (a shared secret) or `v1a` (an Ed25519 key pair)".to_owned()),
        }
    }

    /// What a secret signs as: its form says it.
    pub(super) fn of(secret: &Secret) -> Self {
        match KeyPair::parse(secret.expose()) {
            Some(_) => Self::V1a,
            None => Self::V1,
        }
    }

    /// A new secret of 32 random bytes, of the form that Standard Webhooks asks for.
    pub(super) fn new_secret(self) -> Secret {
        let seed = chance::bytes::<32>();
        Secret::new(match self {
            Self::V1 => format!("whsec_{}", STANDARD.encode(seed)),
            Self::V1a => KeyPair::from_seed(seed).secret(),
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
        let given = fields.optional("secret", secret);
        let signing = fields.optional("signing", Signing::read);
        match (&given, signing) {
            (_, Some(Signing::V1a)) if !dialect.sends_standard_webhooks() => {
                let problem =
                    "must be `v1`: this dialect does not send the header webhook-signature";
                fields.problem("signing", problem);
            }
            (Some(given), Some(signing)) if Signing::of(given) != signing => {
                let problem = match signing {
                    Signing::V1 => "is a key pair; set `signing` to `v1a` or leave it out",
                    Signing::V1a => {
                        "must be `whsk_` and base64 of an Ed25519 seed and its public key, 64 bytes in all"
                    }
                };
                fields.problem("secret", problem);
            }
            _ => {}
        }
        Self { given, signing }
    }

    /// Notes a problem when another kind of signing is asked for than `present` has, and no secret for it is given: receivers would
    /// have no time to switch.
    pub(super) fn check_against(&self, present: &Secret, fields: &mut Fields<'_>) {
        if self.given.is_none()
            && self
                .signing
                .is_some_and(|kind| kind != Signing::of(present))
        {
            let problem = "is changed with POST /v1/webhooks/{id}/rotate-secret";
            fields.problem("signing", problem);
        }
    }
}

/// Kept exactly as given.
fn secret(value: &Json) -> Result<Secret, String> {
    let printable = |text: &&str| text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let text = value.as_str().filter(printable);
    let text = text.filter(|text| (1..=SECRET_BYTES).contains(&text.len()));
    let secret = text.map(|text| Secret::new(text.to_owned()));
    secret.ok_or_else(|| format!("must be 1 to {SECRET_BYTES} printable ASCII characters"))
}

fn overlap_ms(value: &Json) -> Result<u64, String> {
    let seconds = match value {
        Json::Number(number) => number.parse::<u64>().ok(),
        _ => None,
    };
    let ms = seconds.and_then(|seconds| seconds.checked_mul(1000));
    ms.filter(|ms| *ms <= OVERLAP_MAX_MS).ok_or_else(|| {
        let most = OVERLAP_MAX_MS / 1000;
        format!("must be a whole number of seconds from 0 to {most}")
    })
}

pub(crate) async fn rotate_secret(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    let body = api::empty_or_body(request, REQUEST_BYTES).await?;
    let webhook = changed(&state, &caller, &id, |mut webhook| {
        let mut fields = Fields::of(&body)?;
        let secrets = SecretFields::read(&mut fields, state.api.dialect(&webhook.dialect)?);
        let overlap_ms = fields.optional("overlap_seconds", overlap_ms);
        fields.finish()?;
        let secret = secrets.given.unwrap_or_else(|| {
            let signing = secrets.signing;
            let signing = signing.unwrap_or_else(|| Signing::of(&webhook.secret));
            signing.new_secret()
        });
        webhook
            .rotate_secret(
                secret,
                state.api.clock.wall_ms(),
                overlap_ms.unwrap_or(OVERLAP_DEFAULT_MS),
            )
            .map_err(|TooManySecrets| too_many_secrets())?;
        Ok(webhook)
    })
    .await?;
    let view = View::with_secret(&webhook, state.api.clock.wall_ms());
    let data = json!({ "old_secret_expires_at": view.old_secret_expires_at, "webhook": view });
    Ok(answer(StatusCode::OK, data))
}

fn too_many_secrets() -> ApiError {
    let message = format!(
        "{OLD_SECRETS} older secrets sign still; end them with POST …/rotate-secret/finish or with `overlap_seconds` 0"
    );
    ApiError::new(Code::Conflict, message)
}

pub(crate) async fn finish_rotation(
    State(state): State<Management>,
    headers: HeaderMap,
    Path(id): Path<WebhookId>,
    request: Request,
) -> Result<Response, ApiError> {
    let caller = state.manager(&headers).await?;
    api::nothing(request).await?;
    let webhook = changed(&state, &caller, &id, |webhook| {
        Ok(Webhook {
            old_secrets: Vec::new(),
            ..webhook
        })
    })
    .await?;
    Ok(shown(&state, &webhook))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text.as_bytes(), 9).unwrap()
    }

    #[test]
    fn secrets_are_printable_and_kept_exactly() {
        assert_eq!(secret(&json(r#"" a b~""#)).unwrap().expose(), " a b~");
        for wrong in [r#""""#, r#""a\tb""#, r#""ä""#, "7"] {
            assert!(secret(&json(wrong)).is_err(), "{wrong}");
        }
        assert!(secret(&Json::String("x".repeat(257))).is_err());
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
