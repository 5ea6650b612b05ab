//! The dashboard: one page and what it is made of, compiled in; and beside it the page that is the API's reference.
//!
//! Nothing here looks at who calls: the page knows nothing before somebody signs in, and then it makes the calls that anybody
//! with that key may make. It shows what receivers and publishers have sent, so its policy lets it load and run nothing but the
//! files below, and talk to nobody but this API.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderName, header};
use rung_api::ApiError;
use rung_core::branding::Branding;

use crate::{Management, Path};

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
    text: &'static str,
    etag: u64,
}

/// The file of this name and type.
macro_rules! file {
    ($name:literal, $content_type:expr) => {{
        const WHOLE: &str = include_str!(concat!("../dashboard/", $name));
        const BARE: [u8; without_comments(WHOLE, &mut [])] = {
            let mut bare = [0; _];
            without_comments(WHOLE, &mut bare);
            bare
        };
        const TEXT: &str = match str::from_utf8(&BARE) {
            Ok(text) => text,
            Err(_) => panic!("comments do not end with lines"),
        };
        const ETAG: u64 = fingerprint(TEXT);
        File {
            name: $name,
            content_type: $content_type,
            text: TEXT,
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

/// Writes a file without the lines that are comments, which browsers need not load, and answers how many bytes that takes. A comment
/// begins a line and ends one, so no script may have a text in which a line begins as one does.
const fn without_comments(text: &str, bare: &mut [u8]) -> usize {
    let bytes = text.as_bytes();
    let (mut at, mut length, mut is_inside) = (0, 0, false);
    while at < bytes.len() {
        let mut begin = at;
        while begin < bytes.len() && bytes[begin] == b' ' {
            begin += 1;
        }
        let mut end = begin;
        while end < bytes.len() && bytes[end] != b'\n' {
            end += 1;
        }
        let is_slash = end - begin >= 2 && bytes[begin] == b'/';
        let is_block = is_slash && bytes[begin + 1] == b'*';
        let ends_block = end - begin >= 2 && bytes[end - 2] == b'*' && bytes[end - 1] == b'/';
        let is_comment = is_inside || is_block || (is_slash && bytes[begin + 1] == b'/');
        is_inside = (is_inside || is_block) && !ends_block;
        let line = at;
        at = if end < bytes.len() { end + 1 } else { end };
        let mut from = if is_comment { at } else { line };
        while from < at {
            if length < bare.len() {
                bare[length] = bytes[from];
            }
            (from, length) = (from + 1, length + 1);
        }
    }
    length
}

/// Tells one version of a file from another (FNV-1a): nobody but us decides what is in them.
const fn fingerprint(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut at = 0;
    while at < bytes.len() {
        hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0000_0100_0000_01b3);
        at += 1;
    }
    hash
}

pub(crate) async fn page(State(state): State<Management>) -> Response {
    PAGE.serve(&state.api.branding)
}

pub(crate) async fn reference(State(state): State<Management>) -> Response {
    REFERENCE.serve(&state.api.branding)
}

pub(crate) async fn part(
    State(state): State<Management>,
    Path(name): Path<String>,
) -> Result<Response, ApiError> {
    let part = PARTS.iter().find(|part| part.name == name);
    let part = part.ok_or_else(|| ApiError::not_found("file of the dashboard", &name))?;
    Ok(part.serve(&state.api.branding))
}

impl File {
    /// The file. Clients ask each time whether theirs is the one: so the parts of the page never come from different versions for
    /// longer than a deployment takes.
    fn serve(&self, branding: &Branding) -> Response {
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
        (always, content_type, self.text).into_response()
    }
}
