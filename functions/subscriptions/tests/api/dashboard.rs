//! The dashboard: what is served of it, and what its scripts keep to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use axum::{body::Body, http::Request};
use rung_core::branding::Branding;
use rung_local::app::openapi;
use serde_json::json;

use crate::world::{ADMIN, As, World};

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

/// What is served of a file: all but the lines that are comments.
fn bare(text: &str) -> String {
    let mut is_inside = false;
    let lines = text.split_inclusive('\n').filter(|line| {
        let line = line.trim();
        let is_block = line.starts_with("/*");
        let is_comment = is_inside || is_block || line.starts_with("//");
        is_inside = (is_inside || is_block) && !line.ends_with("*/");
        !is_comment
    });
    lines.collect()
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
            "html" if name == "index.html" => ("/".to_owned(), "text/html; charset=utf-8"),
            "html" => ("/docs".to_owned(), "text/html; charset=utf-8"),
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
        assert!(body == bare(&text), "{path} is not what the tree has");
        assert_eq!(head.headers["content-type"], content_type, "{path}");
    }
}

#[tokio::test]
async fn the_dashboard_is_held_to_its_own_files_and_api() {
    let world = World::still().await;
    for path in ["/", "/docs", "/dashboard/main.js", "/dashboard/icon.svg"] {
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
async fn the_operator_says_how_the_portal_looks_and_who_may_frame_it() {
    let about = World::still().await.get(&As::nobody(), "/v1").await;
    let plain = json!({ "name": null, "logo": null, "accent": null, "theme": "auto", "language": null, "sentences": null, "pages": null, "frame_ancestors": [] });
    assert_eq!(about.data(200)["portal"], plain);

    let settings = json!({ "name": "Acme", "logo": "https://cdn.example/a.svg", "accent": "#336699", "theme": "dark", "language": "fr",
        "sentences": "https://words.example/fr.json",
        "pages": ["webhooks", "types"], "frame_ancestors": ["https://app.example", "http://localhost:3000"] });
    let branding = Branding::parse(&settings.to_string()).unwrap();
    let mut world = World::still().await;
    world.app.api = world.app.api.with_branding(branding);
    world.restart();
    let about = world.get(&As::nobody(), "/v1").await;
    assert_eq!(about.data(200)["portal"], settings);
    let (head, _) = world.plain(get("/")).await;
    let policy = head.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors https://app.example http://localhost:3000;"));
    assert!(policy.contains("img-src 'self' data: https://cdn.example;"));
    assert!(policy.contains("connect-src 'self' https://words.example;"));
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "standard", "pro").await;
    let webhook = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let of_tenant = |path: &str| {
        let mut request = get(path);
        let headers = request.headers_mut();
        headers.insert("authorization", format!("Bearer {ADMIN}").parse().unwrap());
        headers.insert("rung-tenant", "acme".parse().unwrap());
        request
    };
    for path in ["/dashboard/main.js", "/openapi.json", &webhook] {
        let (head, _) = world.plain(of_tenant(path)).await;
        let etag = head.headers["etag"].to_str().unwrap().to_owned();
        for (known, status) in [
            (etag.clone(), 304),
            (format!("\"other\", W/{etag}"), 304),
            ("*".to_owned(), 304),
            ("\"other\"".to_owned(), 200),
        ] {
            let mut request = of_tenant(path);
            let headers = request.headers_mut();
            headers.insert("if-none-match", known.parse().unwrap());
            let (same, body) = world.plain(request).await;
            assert_eq!(same.status, status, "{path} {known}");
            for name in ["etag", "cache-control"] {
                assert_eq!(same.headers[name], head.headers[name], "{path} {known}");
            }
            assert_eq!(body.is_empty(), status == 304, "{path} {known}");
        }
    }
    let (main, _) = world.plain(get("/dashboard/main.js")).await;
    let (other, _) = world.plain(get("/dashboard/api.js")).await;
    assert_ne!(other.headers["etag"], main.headers["etag"]);
}

#[tokio::test]
async fn what_is_long_is_packed_for_clients_that_unpack_it() {
    let world = World::still().await;
    for (path, accepted, packed) in [
        ("/openapi.json", "gzip", true),
        ("/openapi.json", "br, gzip;q=0.5", true),
        ("/dashboard/main.js", "gzip", true),
        ("/openapi.json", "gzip;q=0", false),
        ("/openapi.json", "identity", false),
        ("/v1/health", "gzip", false),
    ] {
        let mut request = get(path);
        let headers = request.headers_mut();
        headers.insert("accept-encoding", accepted.parse().unwrap());
        let (head, body) = world.bytes(request).await;
        assert_eq!(head.status, 200, "{path}");
        let encoding = head.headers.get("content-encoding");
        assert_eq!(
            encoding.is_some_and(|it| it == "gzip"),
            packed,
            "{path} {accepted}"
        );
        assert_eq!(body.starts_with(&[0x1f, 0x8b]), packed, "{path} {accepted}");
    }
}

/// A strong tag is of one sequence of bytes; the packed one is known all the same, and changes begin from either.
#[tokio::test(start_paused = true)]
async fn the_packed_answer_has_a_tag_of_its_own() {
    let world = World::still().await;
    let tenant = world.tenant("acme", "odin", "pro").await;
    let webhook = format!("/v1/webhooks/{}", world.webhook(&tenant).await);
    let long = json!({"metadata": {"note": "x".repeat(400)}, "description": "y".repeat(400)});
    let changed = world.send(&tenant, "PATCH", &webhook, long).await;
    changed.data(200);
    let read = async |path: &str, accepted: &str, known: Option<&str>| {
        let request = Request::get(path)
            .header("authorization", tenant.bearer())
            .header("accept-encoding", accepted)
            .body(Body::empty());
        let mut request = request.unwrap();
        if let Some(known) = known {
            let headers = request.headers_mut();
            headers.insert("if-none-match", known.parse().unwrap());
        }
        let (head, _) = world.bytes(request).await;
        let tag = head.headers["etag"].to_str().unwrap().to_owned();
        (head.status.as_u16(), tag)
    };
    for path in ["/openapi.json", "/dashboard/main.js", &webhook] {
        let (_, plain) = read(path, "identity", None).await;
        let (status, packed) = read(path, "gzip", None).await;
        assert_eq!(status, 200);
        assert_ne!(packed, plain, "{path}");
        for tag in [&plain, &packed] {
            assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
            // What is there unchanged is told by the tag that the client has of it.
            for accepted in ["identity", "gzip"] {
                let known = read(path, accepted, Some(tag)).await;
                assert_eq!(known, (304, tag.clone()), "{path}");
            }
        }
    }
    for accepted in ["gzip", "identity"] {
        let (_, tag) = read(&webhook, accepted, None).await;
        let from = tenant.clone().when("if-match", &tag);
        let change = json!({ "name": accepted });
        let changed = world.send(&from, "PATCH", &webhook, change.clone()).await;
        changed.data(200);
        let late = world.send(&from, "PATCH", &webhook, change).await;
        late.assert_error(412, "precondition_failed");
    }
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

/// From the pages on, every file that is named is there, and none is there that nothing names.
#[test]
fn the_dashboards_files_lead_to_one_another() {
    let tree = tree();
    let pages = ["index.html", "docs.html"];
    let named = pages
        .iter()
        .flat_map(|page| between(&tree[*page], "\"dashboard/", "\""));
    let mut open: Vec<_> = named.map(str::to_owned).collect();
    // For the pages of products, not for this one.
    open.push("embed.js".to_owned());
    let mut seen = BTreeSet::from(pages.map(str::to_owned));
    while let Some(name) = open.pop() {
        let text = tree.get(&name).unwrap_or_else(|| panic!("no {name}"));
        for import in ["from \"./", "import(\"./"] {
            let imported = between(text, import, "\"").into_iter();
            open.extend(imported.map(str::to_owned));
        }
        seen.insert(name);
        open.retain(|name| !seen.contains(name));
    }
    assert_eq!(seen, tree.into_keys().collect());
}

#[test]
fn the_dashboard_loads_nothing_from_elsewhere() {
    for (name, text) in tree() {
        let text = text.replace(SVG_NAMESPACE, "");
        for elsewhere in ["http:", "https:", "\"//", "'//", "url(", "@import"] {
            assert!(!text.contains(elsewhere), "{name} has {elsewhere}");
        }
        let imported = text.matches("import(").count();
        let own = text.matches("import(\"./").count();
        assert_eq!(imported, own, "{name} imports");
    }
}

/// The policy would stop it; a page that needs none of it does not get as far.
#[test]
fn the_dashboards_pages_have_no_script_and_no_style_of_their_own() {
    let tree = tree();
    for page in [&tree["index.html"], &tree["docs.html"]] {
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
        ] {
            assert!(!text.contains(way), "{name} has {way}");
        }
        assert!(
            name == "api.js" || !text.contains("fetch("),
            "{name} fetches"
        );
        assert!(
            ["frame.js", "embed.js"].contains(&name.as_str()) || !text.contains("postMessage"),
            "{name} talks to other pages"
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

/// The page's own words in a script: what stands in t`…`, with `{0}`, `{1}`, … in place of values.
fn words(script: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in script.match_indices("t`") {
        if script[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_') {
            continue;
        }
        let (mut text, mut depth, mut values) = (String::new(), 0_u32, 0_u32);
        let mut rest = script[at + 2..].chars().peekable();
        while let Some(char) = rest.next() {
            match (char, depth) {
                ('`', 0) => break,
                ('$', 0) if rest.peek() == Some(&'{') => {
                    text.push_str(&format!("{{{values}}}"));
                    (depth, values) = (1, values + 1);
                    rest.next();
                }
                ('{', 1..) => depth += 1,
                ('}', 1..) => depth -= 1,
                (char, 0) => text.push(char),
                _ => {}
            }
        }
        found.push(text);
    }
    found
}

/// What customers read is there in each language, and nothing that nobody reads any more.
#[test]
fn the_portal_speaks_german_throughout() {
    let spoken: BTreeSet<_> = scripts().flat_map(|(_, text)| words(&text)).collect();
    assert!(spoken.len() > 200 && spoken.contains("in {0} {1}"));
    let german = &tree()["de.js"];
    let object = german[german.find('{').unwrap()..].trim_end();
    let object = object.strip_suffix(';').unwrap();
    let german: BTreeMap<String, String> = serde_json::from_str(object).unwrap();
    let known: BTreeSet<_> = german.keys().cloned().collect();
    assert_eq!(known, spoken);
    for (english, german) in german {
        for value in 0..9 {
            let value = format!("{{{value}}}");
            let is_in_both = english.contains(&value) == german.contains(&value);
            assert!(is_in_both, "{english}: {german}");
        }
    }
}

/// Those are not served.
#[test]
fn comments_of_the_dashboard_take_whole_lines() {
    for (name, text) in tree() {
        for block in between(&text, "\n/*", "\n") {
            let is_whole = !block.contains("*/") || block.ends_with("*/");
            assert!(is_whole, "{name}: {block}");
        }
    }
}

/// They are part of a function's binary.
#[test]
fn the_dashboard_stays_small() {
    let bytes: usize = tree().values().map(|text| bare(text).len()).sum();
    assert!(bytes <= 272 * 1024, "{bytes} bytes");
}

/// What a person waits for before the list of webhooks is there; nothing is compressed on its way.
#[test]
fn the_first_view_is_less_than_100_kb() {
    let tree = tree();
    let mut open = vec!["webhooks.js".to_owned()];
    let named = between(&tree["index.html"], "\"dashboard/", "\"").into_iter();
    open.extend(named.map(str::to_owned));
    let mut seen = BTreeSet::from(["index.html".to_owned()]);
    while let Some(name) = open.pop() {
        let imported = between(&tree[&name], "from \"./", "\"").into_iter();
        open.extend(imported.map(str::to_owned));
        seen.insert(name);
        open.retain(|name| !seen.contains(name));
    }
    let bytes: usize = seen.iter().map(|name| bare(&tree[name]).len()).sum();
    assert!(bytes <= 100_000, "{bytes} bytes: {seen:?}");
}
