//! The dashboard: one page and what it is made of, compiled in; and beside it the page that is the API's reference.
//!
//! Nothing here looks at who calls: the page knows nothing before somebody signs in, and then it makes the calls that anybody
//! with that key may make. It shows what receivers and publishers have sent, so its policy lets it load and run nothing but the
//! files below, and talk to nobody but this API.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, header};
use rung_api::ApiError;
use rung_core::branding::Branding;

use crate::{Management, Path, packing::of_packed};

/// What the page may do: run and show its own files, and call its own API. Only the operator's origins may frame it, and only the
/// operator's logo and sentences come from elsewhere.
fn policy(branding: &Branding) -> String {
    let logo = branding.logo_origin().unwrap_or_default();
    let sentences = branding
        .sentences_origin()
        .map(|origin| format!(" {origin}"))
        .unwrap_or_default();
    let ancestors = match &branding.frame_ancestors[..] {
        [] => "'none'".to_owned(),
        origins => origins.join(" "),
    };
    format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'{sentences}; img-src 'self' data: {logo}; \
        frame-ancestors {ancestors}; base-uri 'none'; form-action 'none'"
    )
}

/// A file as it is served.
struct File {
    name: &'static str,
    content_type: &'static str,
    packed: &'static [u8],
    etag: u64,
}

/// The file of this name and type, as `build.rs` has packed it.
macro_rules! file {
    ($name:literal, $content_type:expr) => {{
        const PACKED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz"));
        const ETAG: u64 = fingerprint(PACKED);
        File {
            name: $name,
            content_type: $content_type,
            packed: PACKED,
            etag: ETAG,
        }
    }};
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

static PAGE: File = file!("index.html", HTML);
static REFERENCE: File = file!("docs.html", HTML);

/// What the pages are made of, and what a page that frames it may load.
static PARTS: [File; 48] = [
    file!("style.css", CSS),
    file!("icon.svg", SVG),
    file!("api.js", JAVASCRIPT),
    file!("attempt.js", JAVASCRIPT),
    file!("audit.js", JAVASCRIPT),
    file!("catalogue.js", JAVASCRIPT),
    file!("chart.js", JAVASCRIPT),
    file!("de.js", JAVASCRIPT),
    file!("deadletters.js", JAVASCRIPT),
    file!("deliveries.js", JAVASCRIPT),
    file!("deployment.js", JAVASCRIPT),
    file!("docs.js", JAVASCRIPT),
    file!("dom.js", JAVASCRIPT),
    file!("embed.js", JAVASCRIPT),
    file!("entry.js", JAVASCRIPT),
    file!("events.js", JAVASCRIPT),
    file!("fields.js", JAVASCRIPT),
    file!("figures.js", JAVASCRIPT),
    file!("filters.js", JAVASCRIPT),
    file!("find.js", JAVASCRIPT),
    file!("form.js", JAVASCRIPT),
    file!("frame.js", JAVASCRIPT),
    file!("jobs.js", JAVASCRIPT),
    file!("json.js", JAVASCRIPT),
    file!("keys.js", JAVASCRIPT),
    file!("lang.js", JAVASCRIPT),
    file!("links.js", JAVASCRIPT),
    file!("main.js", JAVASCRIPT),
    file!("maintenance.js", JAVASCRIPT),
    file!("overall.js", JAVASCRIPT),
    file!("pages.js", JAVASCRIPT),
    file!("picker.js", JAVASCRIPT),
    file!("plan.js", JAVASCRIPT),
    file!("preview.js", JAVASCRIPT),
    file!("problems.js", JAVASCRIPT),
    file!("publish.js", JAVASCRIPT),
    file!("recovery.js", JAVASCRIPT),
    file!("secret.js", JAVASCRIPT),
    file!("stats.js", JAVASCRIPT),
    file!("tenant.js", JAVASCRIPT),
    file!("tenants.js", JAVASCRIPT),
    file!("testing.js", JAVASCRIPT),
    file!("typeform.js", JAVASCRIPT),
    file!("types.js", JAVASCRIPT),
    file!("verify.js", JAVASCRIPT),
    file!("waiting.js", JAVASCRIPT),
    file!("webhook.js", JAVASCRIPT),
    file!("webhooks.js", JAVASCRIPT),
];

/// Tells one version of a file from another (FNV-1a): nobody but us decides what is in them.
const fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

pub(crate) async fn page(State(state): State<Management>, headers: HeaderMap) -> Response {
    PAGE.serve(&headers, &state.api.branding)
}

pub(crate) async fn reference(State(state): State<Management>, headers: HeaderMap) -> Response {
    REFERENCE.serve(&headers, &state.api.branding)
}

pub(crate) async fn part(
    State(state): State<Management>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let part = PARTS.iter().find(|part| part.name == name);
    let part = part.ok_or_else(|| ApiError::not_found("file of the dashboard", &name))?;
    Ok(part.serve(&headers, &state.api.branding))
}

impl File {
    /// The file. Clients ask each time whether theirs is the one: so the parts of the page never come from different versions for
    /// longer than a deployment takes.
    fn serve(&self, request: &HeaderMap, branding: &Branding) -> Response {
        let etag = format!("\"{:016x}\"", self.etag);
        let policy = policy(branding);
        let always: [(HeaderName, &str); 5] = [
            (header::ETAG, &etag),
            (header::CACHE_CONTROL, "no-cache"),
            (header::CONTENT_SECURITY_POLICY, &policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (header::REFERRER_POLICY, "no-referrer"),
        ];
        let content_type = [(header::CONTENT_TYPE, self.content_type)];
        (always, content_type, of_packed(request, self.packed)).into_response()
    }
}
