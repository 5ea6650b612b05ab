//! The dashboard's scripts against the API, without a browser.

use std::{fs, path::Path, process::Command};

use rung_tests::Tenant;
use serde_json::json;

use crate::{rung, verification::run};

/// Answers the names of the catalogue as the page reads it. The page's calls are relative to its own address.
const CATALOGUE: &str = r#"
import { readFileSync } from "node:fs";
const { dashboard, address, key } = JSON.parse(readFileSync(0, "utf8"));
const fetched = globalThis.fetch;
globalThis.fetch = (path, options) => fetched(new URL(path, address), options);
const { request } = await import(`${dashboard}/api.js`);
const { catalogueOf } = await import(`${dashboard}/types.js`);
const call = async (name, params, options) => (await request(key, name, { params, ...options })).data;
const { event_types, any_type } = await catalogueOf(call);
process.stdout.write(JSON.stringify({ types: event_types.map(({ type }) => type), any_type }));
"#;

/// A copy of the dashboard's scripts that tells Node what a page tells a browser: that they are modules.
fn modules() -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join("package.json"), r#"{"type": "module"}"#).unwrap();
    let scripts =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../functions/subscriptions/dashboard");
    for entry in fs::read_dir(scripts).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// A tenant with more event types than a page of the API has can choose from all of them.
#[tokio::test]
async fn every_event_type_can_be_chosen() {
    let rung = rung(&[]).await;
    let tenant = Tenant::create(&rung, "t", "standard").await;
    let types: Vec<_> = (0..101).map(|n| format!("shop/order.{n:03}")).collect();
    for name in &types {
        let path = format!("/v1/event-types/{name}");
        let put = rung
            .admin()
            .for_tenant("t")
            .call("PUT", &path)
            .body("{}")
            .send()
            .await;
        put.data(201);
    }
    let dashboard = modules();
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", CATALOGUE]);
    let read = run(
        node,
        &json!({
            "dashboard": dashboard.path(),
            "address": format!("http://{}/", rung.addr()),
            "key": tenant.key,
        }),
    );
    assert_eq!(read["any_type"], true);
    assert_eq!(read["types"], json!(types));
}
