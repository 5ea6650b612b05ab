//! A webhook's client certificate: what its deliveries present to a receiver that demands one (mutual TLS). Its key is never shown.

use std::sync::Arc;

use rung_api::{
    Fields,
    limits::{CLIENT_CERTIFICATE_BYTES, CLIENT_KEY_BYTES},
};
use rung_core::{
    domain::{
        Unknown,
        client_certificate::ClientCertificate,
        webhook::{Secret, Webhook},
    },
    egress::{IdentityFault, Presented},
};
use rung_json::Json;
use schemars::JsonSchema;
use serde::Serialize;
use url::Url;

const FIELD: &str = "client_certificate";

/// What answers show of a client certificate.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ClientCertificate")]
pub(super) struct ClientCertificateView<'a> {
    /// The SHA-256 of the client's own certificate in DER, in hex.
    sha256: &'a str,
}

impl<'a> ClientCertificateView<'a> {
    pub(super) fn of(webhook: &'a Webhook) -> Option<Self> {
        let certificate = webhook.client_certificate.as_deref()?;
        Some(Self {
            sha256: &certificate.sha256,
        })
    }
}

/// All of it, as an export with secrets has it.
#[derive(Serialize)]
pub(super) struct Exported<'a> {
    certificate: &'a str,
    private_key: &'a str,
}

impl<'a> Exported<'a> {
    pub(super) fn of(webhook: &'a Webhook) -> Option<Self> {
        let certificate = webhook.client_certificate.as_deref()?;
        Some(Self {
            certificate: &certificate.certificate,
            private_key: certificate.private_key.expose(),
        })
    }
}

/// The client certificate of a webhook of this URL after a request: without the field that of `present` stays, null removes it, an
/// object takes its place.
pub(super) fn read(
    fields: &mut Fields<'_>,
    url: &str,
    present: Option<&Webhook>,
) -> Option<Arc<ClientCertificate>> {
    let present = present.and_then(|present| present.client_certificate.as_ref());
    let certificate = match fields.given(FIELD) {
        None => present.cloned(),
        Some(Json::Null) => None,
        Some(_) => fields
            .object(FIELD, |fields| read_object(fields, present))
            .flatten(),
    };
    check_url(fields, url, certificate.as_ref(), present);
    certificate
}

fn read_object(
    fields: &mut Fields<'_>,
    present: Option<&Arc<ClientCertificate>>,
) -> Option<Arc<ClientCertificate>> {
    let shown = fields.optional("sha256", |value| {
        value.as_str().ok_or_else(|| "must be a string".to_owned())
    });
    // Whoever sends back what was read changes nothing.
    let is_bare = fields.given("certificate").is_none() && fields.given("private_key").is_none();
    let as_read = present.filter(|present| is_bare && shown == Some(&present.sha256));
    if as_read.is_some() {
        return as_read.cloned();
    }
    let certificate = fields.required("certificate", pem(CLIENT_CERTIFICATE_BYTES));
    let private_key = fields.required("private_key", pem(CLIENT_KEY_BYTES));
    // What is not right is noted already.
    if certificate.is_empty() || private_key.is_empty() {
        return None;
    }
    match Presented::read(&certificate, &private_key) {
        Ok(presented) => {
            let sha256 = presented.sha256();
            if shown.is_some_and(|shown| shown != sha256) {
                fields.problem("sha256", "is not that of the certificate; omit it");
            }
            Some(Arc::new(ClientCertificate {
                certificate,
                private_key: Secret::new(private_key),
                sha256,
                unknown: Unknown::new(),
            }))
        }
        Err(fault) => {
            let field = match fault {
                IdentityFault::Certificate(_) => "certificate",
                IdentityFault::Key(_) => "private_key",
            };
            fields.problem(field, fault.to_string());
            None
        }
    }
}

fn pem(most: usize) -> impl Fn(&Json) -> Result<String, String> {
    move |value| {
        let text = value.as_str();
        let text = text.filter(|text| (1..=most).contains(&text.len()));
        text.map(str::to_owned)
            .ok_or_else(|| format!("must be PEM, a string of 1 to {most} bytes"))
    }
}

/// Notes a problem if a certificate would never be presented, for there is no TLS to the URL. It is told of what the request changes.
fn check_url(
    fields: &mut Fields<'_>,
    url: &str,
    certificate: Option<&Arc<ClientCertificate>>,
    present: Option<&Arc<ClientCertificate>>,
) {
    let is_plain = || Url::parse(url).is_ok_and(|url| url.scheme() == "http");
    if certificate.is_none() || !is_plain() {
        return;
    }
    if certificate == present {
        let problem = "must begin with https:// while the webhook has a client certificate; remove that with `\"client_certificate\": null`";
        fields.problem("url", problem);
    } else {
        let problem =
            "requires a `url` that begins with https://, as it is presented over TLS alone";
        fields.problem(FIELD, problem);
    }
}
