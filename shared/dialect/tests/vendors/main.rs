//! The formats of vendors: the files in `dialects`, and those of vendors that come with Rung. Each is held against the procedure that the
//! vendor documents for receivers, and against the vendor's own library where npm or PyPI has one that verifies. What comes of it is the
//! table in `docs/dialects.md`.
#![allow(clippy::unwrap_used)]

mod directory;
mod requests;
mod table;

use std::{
    collections::BTreeMap,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::requests::{Case, cases, formats};

/// The top of the tree.
fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A script of `tests/vendors`, with what `tests/vendors/setup` has brought.
fn script(name: &str) -> Command {
    let folder = top().join("tests/vendors");
    let interpreter = if name.ends_with(".py") {
        folder.join(".venv/bin/python")
    } else {
        "node".into()
    };
    let mut command = Command::new(interpreter);
    command
        .arg(folder.join(name))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn answer(command: &mut Command, input: &str) -> Value {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} is needed: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {:?}", output.status);
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The receivers of a script take what is genuine, and nothing else.
fn hold(name: &str, cases: &[Case]) {
    let requests: Vec<&Value> = cases.iter().map(|case| &case.request).collect();
    let verdicts = answer(
        &mut script(name),
        &serde_json::to_string(&requests).unwrap(),
    );
    let verdicts = verdicts.as_array().unwrap();
    assert_eq!(verdicts.len(), cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .zip(verdicts)
        .filter(|(case, verdict)| **verdict != case.is_taken)
        .map(|(case, verdict)| format!("{}: {verdict}: {}", case.what, case.request))
        .collect();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
}

/// Which library of a script receives for which vendor: its name, its version and where it is from.
fn libraries(name: &str) -> BTreeMap<String, String> {
    let list = answer(script(name).arg("--list"), "");
    serde_json::from_value(list).unwrap()
}

#[test]
fn every_format_is_what_its_vendors_documentation_verifies() {
    let cases: Vec<Case> = formats().iter().flat_map(cases).collect();
    hold("procedures.mjs", &cases);
}

#[test]
#[ignore = "needs the vendors' libraries: tests/vendors/run"]
fn every_format_is_what_its_vendors_library_verifies() {
    let formats = formats();
    let mut verified_by = BTreeMap::new();
    for name in ["libraries.mjs", "libraries.py"] {
        let libraries = libraries(name);
        let received = formats
            .iter()
            .filter(|format| libraries.contains_key(&format.dialect.name));
        let cases: Vec<Case> = received.flat_map(cases).collect();
        hold(name, &cases);
        verified_by.extend(libraries);
    }
    for vendor in verified_by.keys() {
        assert!(
            formats.iter().any(|format| format.dialect.name == *vendor),
            "{vendor} has no file"
        );
    }
    table::hold(&formats, &verified_by);
}
