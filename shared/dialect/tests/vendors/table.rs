//! The table of vendors in `docs/dialects.md`, made from what has verified.

use std::{collections::BTreeMap, fmt::Write as _};

use toml::Value;

use crate::{requests::Format, top};

const BEGINNING: &str = "<!-- vendors -->\n";
const END: &str = "<!-- end of vendors -->";

/// Holds the page against what it is to be; `UPDATE_VENDORS=1` writes it.
pub(crate) fn hold(formats: &[Format], verified_by: &BTreeMap<String, String>) {
    let path = top().join("docs/dialects.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGINNING).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let wanted = format!(
        "{before}{BEGINNING}{}{END}{after}",
        table(formats, verified_by)
    );
    #[allow(clippy::disallowed_methods, reason = "the one setting of this test")]
    let is_to_be_written = std::env::var_os("UPDATE_VENDORS").is_some();
    if is_to_be_written {
        std::fs::write(&path, wanted).unwrap();
        return;
    }
    assert!(
        page == wanted,
        "docs/dialects.md has another table of vendors: UPDATE_VENDORS=1 tests/vendors/run writes it"
    );
}

fn table(formats: &[Format], verified_by: &BTreeMap<String, String>) -> String {
    let mut table = format!(
        "\n{} formats, {} of them verified by a library of the vendor's own, the others by the procedure of its documentation.\n\n\
         | file | verified by | what proves the sender |\n| --- | --- | --- |\n",
        formats.len(),
        verified_by.len()
    );
    for Format { dialect, path } in formats {
        let by = match (verified_by.get(&dialect.name), &dialect.docs) {
            (Some(library), _) => library.clone(),
            (None, Some(docs)) => format!("[its documentation]({docs})"),
            (None, None) => panic!("{path} has no docs"),
        };
        let _ = writeln!(
            table,
            "| [{}](../{path}) | {by} | {} |",
            dialect.name,
            proof(&dialect.source)
        );
    }
    table.push('\n');
    table
}

/// What a file says that proves the sender.
fn proof(source: &str) -> String {
    let file: Value = toml::from_str(source).unwrap();
    let text = |table: &Value, key: &str| table.get(key).and_then(Value::as_str).map(str::to_owned);
    let signatures = file.get("signature").and_then(Value::as_array);
    let signatures = signatures.into_iter().flatten().map(|one| {
        let place = text(one, "header")
            .map_or_else(|| "in the body".to_owned(), |name| format!("`{name}`"));
        let [algorithm, encoding, signed] =
            ["algorithm", "encoding", "signed"].map(|key| text(one, key).unwrap_or_default());
        let signed = signed.replace('\n', "\\n").replace('|', "\\|");
        format!("{place}: {algorithm}, {encoding}, of `{signed}`")
    });
    let headers = file.get("headers").and_then(Value::as_table);
    let tokens = headers.into_iter().flatten().filter_map(|(name, value)| {
        let value = value.as_str()?;
        value
            .contains("{secret}")
            .then(|| format!("`{name}`: `{value}`"))
    });
    let mut proofs: Vec<String> = signatures.chain(tokens).collect();
    if file.get("standard_webhooks").and_then(Value::as_bool) != Some(false) {
        proofs.push("Standard Webhooks".to_owned());
    }
    if proofs.is_empty() {
        proofs.push("the secret itself, in the body".to_owned());
    }
    proofs.join("; ")
}
