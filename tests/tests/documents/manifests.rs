//! No crate depends on what it does not use: each dependency costs every build.

use toml::{Table, Value};

use crate::tree::Tree;

#[test]
fn nothing_depends_on_what_it_does_not_use() {
    let tree = Tree::read();
    for folder in tree.crates() {
        let manifest = manifest(&tree, &folder);
        let mut sources = tree.sources(&folder);
        // The programs of `tests` that are the functions' own.
        sources.extend(targets(&manifest).map(|path| format!("{folder}/{path}")));
        let sources: String = sources.iter().map(|path| tree.text(path)).collect();
        for table in ["dependencies", "dev-dependencies"] {
            for name in dependencies(&manifest, table) {
                let uses = [
                    format!("{}::", library(&name)),
                    format!("use {};", library(&name)),
                ];
                let is_used = uses.iter().any(|text| sources.contains(text));
                assert!(is_used, "{folder}/Cargo.toml: nothing uses {name}");
            }
        }
    }
}

/// A program that draws its secrets from a seed has none.
#[test]
fn randomness_from_a_seed_is_for_tests_alone() {
    let tree = Tree::read();
    let mut asking = Vec::new();
    for folder in tree.crates() {
        let manifest = manifest(&tree, &folder);
        for table in [
            "features",
            "dependencies",
            "build-dependencies",
            "dev-dependencies",
        ] {
            let entries = manifest.get(table).and_then(Value::as_table);
            let entries = entries.into_iter().flatten();
            // Where the feature is declared it enables nothing.
            let entries = entries.filter(|(_, value)| value.to_string().contains("replay"));
            asking.extend(entries.map(|(name, _)| format!("{folder} {table} {name}")));
        }
    }
    assert_eq!(asking, ["tests dev-dependencies rung-base"]);
}

fn manifest(tree: &Tree, folder: &str) -> Table {
    let text = tree.text(&format!("{folder}/Cargo.toml"));
    text.parse()
        .unwrap_or_else(|error| panic!("{folder}: {error}"))
}

fn dependencies(manifest: &Table, table: &str) -> Vec<String> {
    let table = manifest.get(table).and_then(Value::as_table);
    table.into_iter().flat_map(Table::keys).cloned().collect()
}

/// The files of programs that stand elsewhere.
fn targets(manifest: &Table) -> impl Iterator<Item = String> {
    let programs = manifest.get("bin").and_then(Value::as_array);
    let paths = programs.into_iter().flatten();
    let paths = paths.filter_map(|program| program.get("path")?.as_str());
    paths.map(str::to_owned)
}

/// What a package is called in code.
fn library(package: &str) -> String {
    match package {
        "dynoxide-rs" => "dynoxide".to_owned(),
        "rung" => "rung_local".to_owned(),
        other => other.replace('-', "_"),
    }
}
