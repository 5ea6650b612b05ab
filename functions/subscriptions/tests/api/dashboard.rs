//! The dashboard: what is served of it, and what its scripts keep to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use axum::{body::Body, http::Request};
use rung_local::app::openapi;

use crate::world::{As, World};

/// The one address that is a name and not a place.
const SVG_NAMESPACE: &str = "http://www.w3.org/2000/svg";

/// What it is made of, by name, as it stands in the tree.
fn tree() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("dashboard");
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(path).unwrap())
    });
    files.collect()
}

fn scripts() -> impl Iterator<Item = (String, String)> {
    tree().into_iter().filter(|(name, _)| name.ends_with(".js"))
}

/// What stands between `begin` and `end`, each time.
fn between<'t>(text: &'t str, begin: &str, end: &str) -> Vec<&'t str> {
    let rests = text.split(begin).skip(1);
    rests
        .filter_map(|rest| Some(rest.split_once(end)?.0))
        .collect()
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

#[tokio::test]
async fn the_dashboard_is_served_whole_to_anybody() {
    let world = World::still().await;
    for (name, text) in tree() {
        let (path, content_type) = match name.rsplit_once('.').unwrap().1 {
            "html" => ("/".to_owned(), "text/html; charset=utf-8"),
            "css" => (format!("/dashboard/{name}"), "text/css; charset=utf-8"),
            "js" => (
                format!("/dashboard/{name}"),
                "text/javascript; charset=utf-8",
            ),
            "svg" => (format!("/dashboard/{name}"), "image/svg+xml"),
            other => panic!("{name}: {other} has no type"),
        };
        let (head, body) = world.plain(get(&path)).await;
        assert_eq!(head.status, 200, "{path}");
        assert!(body == text, "{path} is not what the tree has");
        assert_eq!(head.headers["content-type"], content_type, "{path}");
    }
}

#[tokio::test]
async fn the_dashboard_is_held_to_its_own_files_and_api() {
    let world = World::still().await;
    for path in ["/", "/dashboard/main.js", "/dashboard/icon.svg"] {
        let (head, _) = world.plain(get(path)).await;
        let policy = head.headers["content-security-policy"].to_str().unwrap();
        let policy: BTreeSet<_> = policy.split(';').map(str::trim).collect();
        let expected = BTreeSet::from([
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ]);
        assert_eq!(policy, expected, "{path}");
        assert_eq!(head.headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(head.headers["referrer-policy"], "no-referrer", "{path}");
    }
}

#[tokio::test]
async fn a_file_of_the_dashboard_that_is_known_is_not_sent_again() {
    let world = World::still().await;
    let (head, _) = world.plain(get("/dashboard/main.js")).await;
    let etag = head.headers["etag"].to_str().unwrap().to_owned();
    assert_eq!(head.headers["cache-control"], "no-cache");
    for (known, status) in [
        (etag.clone(), 304),
        (format!("\"other\", W/{etag}"), 304),
        ("\"other\"".to_owned(), 200),
    ] {
        let mut request = get("/dashboard/main.js");
        let headers = request.headers_mut();
        headers.insert("if-none-match", known.parse().unwrap());
        let (head, body) = world.plain(request).await;
        assert_eq!(head.status, status, "{known}");
        assert_eq!(head.headers["etag"], etag, "{known}");
        assert_eq!(body.is_empty(), status == 304, "{known}");
    }
    let (other, _) = world.plain(get("/dashboard/api.js")).await;
    assert_ne!(other.headers["etag"], etag);
}

#[tokio::test]
async fn the_dashboard_has_no_other_methods_and_no_other_files() {
    let world = World::still().await;
    let head = Request::head("/").body(Body::empty()).unwrap();
    let (head, body) = world.plain(head).await;
    assert_eq!((head.status.as_u16(), body.as_str()), (200, ""));
    for path in ["/", "/dashboard/main.js"] {
        let answered = world.send_text(&As::nobody(), "POST", path, "").await;
        answered.assert_error(405, "method_not_allowed");
    }
    for name in ["nothing.js", "index.html", "%2e%2e%2fCargo.toml", "%00"] {
        let path = format!("/dashboard/{name}");
        let answered = world.get(&As::nobody(), &path).await;
        answered.assert_error(404, "not_found");
    }
}

/// From the page on, every file that is named is there, and none is there that nothing names.
#[test]
fn the_dashboards_files_lead_to_one_another() {
    let tree = tree();
    let page = &tree["index.html"];
    let named = between(page, "\"dashboard/", "\"").into_iter();
    let mut open: Vec<_> = named.map(str::to_owned).collect();
    let mut seen = BTreeSet::from(["index.html".to_owned()]);
    while let Some(name) = open.pop() {
        let text = tree.get(&name).unwrap_or_else(|| panic!("no {name}"));
        open.extend(
            between(text, "from \"./", "\"")
                .into_iter()
                .map(str::to_owned),
        );
        seen.insert(name);
        open.retain(|name| !seen.contains(name));
    }
    assert_eq!(seen, tree.into_keys().collect());
}

#[test]
fn the_dashboard_loads_nothing_from_elsewhere() {
    for (name, text) in tree() {
        let text = text.replace(SVG_NAMESPACE, "");
        for elsewhere in [
            "http:", "https:", "\"//", "'//", "url(", "@import", "import(",
        ] {
            assert!(!text.contains(elsewhere), "{name} has {elsewhere}");
        }
    }
}

/// The policy would stop it; a page that needs none of it does not get as far.
#[test]
fn the_dashboards_page_has_no_script_and_no_style_of_its_own() {
    let page = &tree()["index.html"];
    for script in between(page, "<script", "</script>") {
        assert!(
            script.contains(" src=") && script.ends_with('>'),
            "{script}"
        );
    }
    let tags = between(page, "<", ">");
    let attributes = tags.iter().flat_map(|tag| tag.split_whitespace().skip(1));
    for attribute in attributes {
        assert!(!attribute.starts_with("on"), "{attribute}");
        assert!(!attribute.starts_with("style"), "{attribute}");
    }
    assert!(!page.contains("<style"));
}

/// Payloads and receivers' answers are written by anybody: they are shown as text. Keys stay in the tab's session.
#[test]
fn the_dashboards_scripts_make_no_markup_from_text_and_keep_no_key() {
    for (name, text) in scripts() {
        for way in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "setHTML",
            "document.write",
            "DOMParser",
            "createContextualFragment",
            "srcdoc",
            "eval(",
            "Function(",
            "javascript:",
            "localStorage",
            "indexedDB",
            "document.cookie",
            "postMessage",
        ] {
            assert!(!text.contains(way), "{name} has {way}");
        }
        assert!(
            name == "api.js" || !text.contains("fetch("),
            "{name} fetches"
        );
    }
}

#[test]
fn the_dashboards_scripts_make_calls_that_there_are() {
    let document = openapi();
    let mut calls = BTreeSet::new();
    for (name, text) in scripts() {
        for call in text.split('"').filter(|text| text.contains("/v1/")) {
            let documented = call.split_once(' ').is_some_and(|(method, path)| {
                document["paths"][path][method.to_ascii_lowercase()].is_object()
            });
            assert!(documented, "{name}: {call}");
            calls.insert(call.to_owned());
        }
    }
    assert!(calls.len() > 15, "only {calls:?}");
}

/// They are part of a function's binary, and of what a person waits for.
#[test]
fn the_dashboard_stays_small() {
    let bytes: usize = tree().values().map(String::len).sum();
    assert!(bytes <= 128 * 1024, "{bytes} bytes");
}
