//! Files, tests and packages that documents name.

use crate::tree::Tree;

/// Whether the tree has what is named.
type Has = fn(&Tree, &str) -> bool;

/// Words of the command line after which a package, a test binary or a program is named, and how it is looked for.
const NAMING: [(&str, Has); 4] = [
    ("-p", Tree::has_package),
    ("--package", Tree::has_package),
    ("--test", Tree::has_target),
    ("--bin", Tree::has_target),
];

/// What a document names that is not there.
pub(crate) fn wanting(tree: &Tree, document: &str) -> Vec<String> {
    let mut in_block = false;
    let mut wanting = Vec::new();
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
            continue;
        }
        if in_block || line.contains("`cargo ") {
            wanting.extend(wanting_of_command(tree, line));
        }
        if in_block {
            continue;
        }
        // What stands between backticks is every other part.
        let spans = line.split('`').skip(1).step_by(2);
        let named = spans.filter(|span| !is_there(tree, span));
        wanting.extend(named.map(str::to_owned));
    }
    wanting
}

/// The pages of `docs` that a source names.
pub(crate) fn pages(source: &str) -> Vec<String> {
    let is_of_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '_' | '.');
    let mut pages = Vec::new();
    for (at, _) in source.match_indices("docs/") {
        let path = source[at..].split(|c| !is_of_path(c)).next();
        // The anchor and the end of a sentence are no part of it.
        let page = path.and_then(|path| path.split_once(".md"));
        pages.extend(page.map(|(page, _)| format!("{page}.md")));
    }
    pages
}

/// The packages and scripts that a line of a shell names and that are not there.
fn wanting_of_command(tree: &Tree, line: &str) -> Vec<String> {
    let command = line.split('#').next().unwrap_or_default();
    let words: Vec<_> = command
        .split(|c: char| c.is_whitespace() || matches!(c, '`' | ';'))
        .collect();
    let is_cargo = words.contains(&"cargo");
    let named = words.windows(2).filter_map(|pair| {
        let (_, has) = NAMING.iter().find(|(word, _)| *word == pair[0])?;
        let is_missing = is_cargo && pair[1] != "NAME" && !has(tree, pair[1]);
        is_missing.then(|| format!("{} {}", pair[0], pair[1]))
    });
    let scripts = words.iter().filter(|word| {
        let is_script = ["tests/", "fuzz/", ".ci/"]
            .iter()
            .any(|folder| word.starts_with(folder));
        is_script && !tree.has(word)
    });
    named
        .chain(scripts.map(|script| (*script).to_owned()))
        .collect()
}

/// Whether what stands between backticks is there, if it is the name of a file or of a test.
fn is_there(tree: &Tree, span: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    if span.is_empty() || !span.chars().all(is_name) {
        return true;
    }
    if let Some((first, _)) = span.split_once('/')
        && !matches!(first, "" | "." | "..")
        && tree.has(first)
    {
        return tree.has(span);
    }
    if span.ends_with(".rs") {
        return tree.has_source(span);
    }
    // Names with so many words are those of tests.
    let is_test = span.matches('_').count() >= 4 && !span.contains(['.', '/', '-']);
    !is_test || span.starts_with("RUNG_") || tree.tests(span)
}

#[test]
fn names_of_what_is_not_there_are_told() {
    let tree = Tree::read();
    let document = "
`tests/run`, `tests/walk`, `documents/names.rs`, `no_such.rs`, `a/b`, `rung dev`, `names_of_what_is_not_there_are_told`,
`no_test_has_this_name_at_all`, `old_secret_expires_at`, `RUNG_ENCRYPTION_KEYS_SECRET_X`
```sh
cargo test -p rung-tests --test documents   # -p nothing
cargo test -p rung-nothing --test nothing --bin nothing
tests/run; tests/nothing
rung listen -p nothing
```
And `cargo build --package rung-less`.
";
    assert_eq!(
        wanting(&tree, document),
        [
            "tests/walk",
            "no_such.rs",
            "no_test_has_this_name_at_all",
            "-p rung-nothing",
            "--test nothing",
            "--bin nothing",
            "tests/nothing",
            "--package rung-less",
        ]
    );
}
