//! The vendors' formats in `dialects`, held against the procedures that the vendors document for receivers.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use rung_node::in_node;
use serde_json::json;
use uuid::Uuid;

use crate::{Dialect, Dialects, EVERY_TYPE, EventFacts, KeyPair, SignInput};

const URL: &str = "https://example.com/hooks?shop=1&q=a%20b";
const FIRST_MS: u64 = 1_760_099_400_123;
/// A retry minutes later: beyond what receivers tolerate of the first attempt's time.
const RETRY_MS: u64 = FIRST_MS + 660_000;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../dialects")
}

/// Every file, by its name.
fn files() -> Vec<Arc<Dialect>> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    paths.sort();
    let load = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let dialects = Dialects::builtin().with_file(&path.display().to_string(), &text);
        let dialects = dialects.unwrap_or_else(|faults| panic!("{faults}"));
        let own = Arc::clone(dialects.iter().last().unwrap());
        assert_eq!(
            Some(&*own.name),
            path.file_stem().and_then(|stem| stem.to_str())
        );
        own
    };
    paths.into_iter().map(load).collect()
}

/// A request as its receiver gets it, and what the receiver knows.
fn line(dialect: &Dialect, attempt: u32, secrets: &[&str], known: &str) -> serde_json::Value {
    let event_type = dialect.catalogue.first_type_of(EVERY_TYPE).unwrap();
    let facts = EventFacts {
        id: "evt_2f9k81",
        event_type,
        data: dialect.catalogue.sample(event_type).unwrap(),
        time: "2025-10-10T12:30:00.123Z".parse().unwrap(),
        is_time_given: true,
        request_id: "req_1",
        metadata: None,
    };
    let body = dialect.body(&facts).unwrap();
    let time_ms = if attempt == 1 { FIRST_MS } else { RETRY_MS };
    let request = dialect
        .request(&SignInput {
            event_id: facts.id,
            event_type,
            delivery_id: Uuid::from_u128(7),
            webhook_id: "wh_1",
            tenant: "acme",
            url: URL,
            attempt,
            time_ms,
            body: &body,
            secret: secrets[0],
            newer_secrets: &secrets[1..],
            ..SignInput::default()
        })
        .unwrap();
    let headers = request.headers.iter();
    let headers: BTreeMap<_, _> = headers
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    json!({
        "vendor": dialect.name,
        "url": URL,
        "headers": headers,
        "body": String::from_utf8(request.body.into_owned()).unwrap(),
        "secret": known,
        "public": KeyPair::parse(known).map(|pair| pair.public_key()),
        "now": time_ms / 1000 + 20,
    })
}

#[test]
fn every_file_is_what_its_vendors_receivers_verify() {
    let mut cases = Vec::new();
    let files = files();
    assert!(files.len() >= 20);
    for dialect in &files {
        let [old, new, other] = [1, 2, 3].map(|seed| dialect.new_secret([seed; 32]));
        let name = &dialect.name;
        cases.push((
            format!("{name}: first"),
            line(dialect, 1, &[&old], &old),
            true,
        ));
        cases.push((
            format!("{name}: retry"),
            line(dialect, 4, &[&old], &old),
            true,
        ));
        cases.push((
            format!("{name}: rotation, old"),
            line(dialect, 1, &[&old, &new], &old),
            true,
        ));
        // Where one secret signs, a receiver that has switched is asked again with the new one.
        let in_force = [&*old, &*new];
        let secrets = if dialect.signs_with_one_secret() {
            &in_force[1..]
        } else {
            &in_force
        };
        cases.push((
            format!("{name}: rotation, new"),
            line(dialect, 1, secrets, &new),
            true,
        ));
        cases.push((
            format!("{name}: another secret"),
            line(dialect, 1, &[&old], &other),
            false,
        ));
    }
    let lines: Vec<String> = cases.iter().map(|(_, line, _)| line.to_string()).collect();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/tests/vendors.js");
    let answers = in_node(
        &format!("require({:?})(line)", script.display().to_string()),
        &lines,
    );
    let wrong = cases
        .iter()
        .zip(&answers)
        .filter(|((.., expected), answer)| **answer != expected.to_string());
    let wrong: Vec<_> = wrong
        .map(|((what, line, _), answer)| format!("{what}: {answer}: {line}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
