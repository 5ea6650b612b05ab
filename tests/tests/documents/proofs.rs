//! Tables of promises, and the tests that they name.

use crate::tree::Tree;

/// The column that names tests.
const SHOWN_BY: &str = "| shown by |";
/// What a row may say in place of a test's name.
const SIMULATION: &str = "the simulation";

/// What names mean, by the words before them.
enum Named {
    Test,
    FuzzTarget,
    Command,
}

/// The last cells of a document's tables of promises: what shows each.
pub(crate) fn rows(document: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        if !line.ends_with(SHOWN_BY) {
            continue;
        }
        let table = lines.by_ref().take_while(|line| line.starts_with('|'));
        let cells = table.filter(|line| !line.contains("---")).map(|line| {
            let row = line.trim_end_matches([' ', '|']);
            row.rsplit(" | ").next().unwrap_or(row).to_owned()
        });
        rows.extend(cells);
    }
    rows
}

/// What a row names that is not there; or that it names nothing.
pub(crate) fn wanting(tree: &Tree, row: &str) -> Vec<String> {
    let mut wanting = Vec::new();
    let mut named = Named::Test;
    // What stands between backticks is every other part.
    let parts: Vec<_> = row.split('`').collect();
    for (index, part) in parts.iter().enumerate() {
        if index % 2 == 0 {
            if part.contains(';') {
                named = Named::Test;
            }
            if part.contains("fuzz target") {
                named = Named::FuzzTarget;
            } else if part.contains("the command ") {
                named = Named::Command;
            }
            continue;
        }
        // A command such as `rung dev` is no name.
        if !part.contains(' ') && !is_there(tree, part, &named) {
            wanting.push((*part).to_owned());
        }
    }
    if parts.len() < 3 && !row.contains(SIMULATION) {
        wanting.push(format!("nothing shows it: {row}"));
    }
    wanting
}

fn is_there(tree: &Tree, name: &str, named: &Named) -> bool {
    if name.contains(['/', '.']) {
        // Where no folder of the tree is named, it is that of the tests.
        let folders = ["", "tests/tests/", "tests/tests/end_to_end/"];
        return folders
            .iter()
            .any(|folder| tree.has(&format!("{folder}{name}")));
    }
    match named {
        Named::Test => tree.tests(name),
        Named::FuzzTarget => {
            let manifest = tree.text("fuzz/Cargo.toml");
            tree.has(&format!("fuzz/fuzz_targets/{name}.rs"))
                && tree.has(&format!("fuzz/corpus/{name}"))
                && manifest.contains(&format!("name = \"{name}\""))
        }
        Named::Command => {
            let manifest = tree.text("tests/Cargo.toml");
            manifest.contains(&format!("name = \"{name}\""))
        }
    }
}

#[test]
fn what_is_not_there_is_told() {
    let tree = Tree::read();
    let document = "
| who | may |
| --- | --- |
| a | `nobody_looks_here` |

| promise | how | shown by |
| --- | --- | --- |
| a | `b` | `what_is_not_there_is_told`, `proofs` (documents), `tests/run`, fuzz targets `url`, `json`; the command `overload` |
| b | | the simulation; `durability.rs` |
| c | | `no_such_test` |
| d | | `no_such.rs` |
| e | | `tree`, fuzz target `tree` |
| f | | the command `proofs` |
| g | `what_is_not_there_is_told` | everybody knows |
";
    let rows = rows(document);
    let wanting: Vec<_> = rows.iter().map(|row| wanting(&tree, row)).collect();
    assert_eq!(
        wanting,
        [
            vec![],
            vec![],
            vec!["no_such_test"],
            vec!["no_such.rs"],
            vec!["tree"],
            vec!["proofs"],
            vec!["nothing shows it: everybody knows"],
        ]
    );
}
