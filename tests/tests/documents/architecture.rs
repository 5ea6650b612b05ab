//! Rules of the architecture that the compiler and clippy do not know, held by reading the sources.

use std::collections::BTreeSet;

use crate::tree::Tree;

/// Where the product's code is.
const PRODUCT: [&str; 3] = ["functions", "shared", "local"];

/// The crates of the product, the lowest first, and which of ours each may depend on.
const CRATES: [(&str, &[&str]); 12] = [
    ("shared/base", &[]),
    ("shared/json", &[]),
    ("shared/dialect", &["rung-json"]),
    ("shared/core", &["rung-base", "rung-dialect", "rung-json"]),
    (
        "shared/prove",
        &["rung-base", "rung-core", "rung-dialect", "rung-json"],
    ),
    (
        "shared/api",
        &["rung-base", "rung-core", "rung-dialect", "rung-json"],
    ),
    ("functions/deliver", &["rung-core"]),
    ("functions/sweep", &["rung-core"]),
    (
        "functions/enqueue",
        &[
            "rung-api",
            "rung-base",
            "rung-core",
            "rung-dialect",
            "rung-json",
        ],
    ),
    (
        "functions/subscriptions",
        &[
            "rung-api",
            "rung-base",
            "rung-core",
            "rung-dialect",
            "rung-json",
            "rung-prove",
        ],
    ),
    ("local/aws", &["rung-base"]),
    (
        "local/rung",
        &[
            "rung-api",
            "rung-base",
            "rung-core",
            "rung-deliver",
            "rung-dialect",
            "rung-enqueue",
            "rung-json",
            "rung-local-aws",
            "rung-prove",
            "rung-subscriptions",
            "rung-sweep",
        ],
    ),
];

/// Crates that know neither AWS nor a server, and are tested without them.
const PURE: [&str; 3] = ["shared/base", "shared/json", "shared/dialect"];

/// Files in which clippy's bans of clocks, chance and the environment are lifted, with the reason.
const LIFTED: [(&str, &str); 13] = [
    (
        "functions/deliver/src/main.rs",
        "Lambda says by the wall clock when it cuts off",
    ),
    (
        "local/aws/examples/embedded_aws.rs",
        "a program that measures time",
    ),
    (
        "shared/json/examples/work.rs",
        "a program that measures time",
    ),
    (
        "local/rung/src/cli/choice.rs",
        "the key and the place for a command line",
    ),
    (
        "functions/subscriptions/build.rs",
        "cargo says by the environment where to write",
    ),
    (
        "functions/subscriptions/tests/api/openapi.rs",
        "the setting of one test",
    ),
    (
        "shared/dialect/tests/vendors/",
        "the clock that the vendors' libraries go by, and the setting of one test",
    ),
    ("shared/base/src/clock.rs", "the one reader of the clock"),
    (
        "shared/core/src/config.rs",
        "the one reader of the environment",
    ),
    ("tests/src", "harness and programs of the tests"),
    ("tests/tests/documents", "it names the ban"),
    ("tests/tests/end_to_end", "tests of processes"),
    ("tests/tests/simulation", "the settings of one test"),
];

/// The one file that asks the operating system for random bytes.
const CHANCE: &str = "shared/base/src/chance.rs";

/// The one folder that knows the table's keys.
const STORE: &str = "shared/core/src/store/";

/// Longest function, in lines.
const LINES: usize = 100;

/// Functions that are longer and may not grow. Whoever shortens one takes it off the list; nothing is added.
const LONG: [(&str, &str, usize); 2] = [
    ("shared/json/src/schema/plan/planner.rs", "members", 109),
    ("shared/json/src/schema/read.rs", "keyword", 102),
];

/// The product's sources without their tests, each with its path.
fn product(tree: &Tree) -> Vec<(String, String)> {
    let sources = PRODUCT.iter().flat_map(|folder| tree.sources(folder));
    let sources = sources.filter(|path| !path.contains("/tests/") && !path.ends_with("/tests.rs"));
    let sources = sources.map(|path| {
        let text = tree.text(&path);
        // Unit tests stand at the end of their file.
        let code = text.split("\nmod tests {").next().unwrap_or_default();
        (path, code.to_owned())
    });
    sources.collect()
}

#[test]
fn crates_depend_downwards_alone() {
    let tree = Tree::read();
    let listed: BTreeSet<_> = CRATES.iter().map(|(folder, _)| *folder).collect();
    for folder in PRODUCT.iter().flat_map(|folder| tree.folders(folder)) {
        let is_crate = tree.has(&format!("{folder}/Cargo.toml"));
        assert!(
            !is_crate || listed.contains(folder.as_str()),
            "{folder}: say in CRATES what it may depend on"
        );
    }
    for (folder, allowed) in CRATES {
        let manifest = tree.text(&format!("{folder}/Cargo.toml"));
        for dependency in dependencies(&manifest) {
            let is_ours = dependency == "rung" || dependency.starts_with("rung-");
            assert!(
                !is_ours || allowed.contains(&dependency),
                "{folder} may not depend on {dependency}"
            );
            let is_outside = ["aws-", "aws_", "axum", "lambda"]
                .iter()
                .any(|name| dependency.starts_with(name));
            assert!(
                !(is_outside && PURE.contains(&folder)),
                "{folder} is pure, and may not depend on {dependency}"
            );
        }
    }
}

/// The names in the section `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> Vec<&str> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]");
    let lines = lines.skip(1).take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    names
        .filter(|name| !name.is_empty() && !name.starts_with('#'))
        .collect()
}

#[test]
fn dependencies_are_read_without_those_of_tests() {
    let manifest = "[package]\nname = \"a\"\n\n[dependencies]\n# why\nb.workspace = true\nc = { workspace = true }\n\n[dev-dependencies]\nd.workspace = true\n";
    assert_eq!(dependencies(manifest), ["b", "c"]);
}

#[test]
fn time_chance_and_the_environment_have_one_reader_each() {
    let tree = Tree::read();
    let sources = [PRODUCT.as_slice(), &["tests"]].concat();
    let sources = sources.iter().flat_map(|folder| tree.sources(folder));
    let lifting: Vec<_> = sources
        .filter(|path| tree.text(path).contains("disallowed_methods"))
        .collect();
    let unknown = lifting
        .iter()
        .filter(|path| !LIFTED.iter().any(|(known, _)| path.starts_with(known)));
    assert_eq!(
        unknown.collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "take time, chance and settings as arguments"
    );
    for (known, reason) in LIFTED {
        let is_used = lifting.iter().any(|path| path.starts_with(known));
        assert!(is_used, "{known} needs no exception any more: {reason}");
    }
    for (path, code) in product(&tree) {
        let is_random = code.contains("getrandom::");
        assert!(!is_random || path == CHANCE, "{path}: use `chance`");
    }
}

#[test]
fn the_tables_keys_are_known_to_the_store_alone() {
    let tree = Tree::read();
    let mut in_store = 0;
    for (path, code) in product(&tree) {
        for line in code.lines().filter(|line| !is_comment(line)) {
            let Some(key) = key_in(line) else { continue };
            if path.starts_with(STORE) {
                in_store += 1;
            } else {
                panic!("{path}: {key:?} is a key of the table: only {STORE} writes and reads them");
            }
        }
    }
    assert!(in_store > 10, "only {in_store} keys in {STORE}");
}

#[test]
fn no_function_is_longer_than_a_hundred_lines() {
    let tree = Tree::read();
    let mut long = BTreeSet::new();
    for (path, code) in product(&tree) {
        // Templates in other languages.
        if path.contains("/snippet/") {
            continue;
        }
        for (name, lines) in functions(&code) {
            if lines <= LINES {
                continue;
            }
            let known = LONG
                .iter()
                .find(|(known, function, _)| (*known, *function) == (path.as_str(), name));
            let Some((_, _, most)) = known else {
                panic!("{path}: `{name}` has {lines} lines; split it, {LINES} are the most");
            };
            assert!(
                lines <= *most,
                "{path}: `{name}` has grown from {most} to {lines} lines"
            );
            long.insert((path.clone(), name.to_owned()));
        }
    }
    for (path, name, _) in LONG {
        let is_long = long.contains(&(path.to_owned(), name.to_owned()));
        assert!(is_long, "{path}: `{name}` is not long any more: well done");
    }
}

/// ARCHITECTURE.md and the documentation of the store list the same keys.
#[test]
fn the_documented_keys_are_those_of_the_store() {
    let tree = Tree::read();
    let page = tree.text("ARCHITECTURE.md");
    let (_, data) = page.split_once("## Data").unwrap();
    let of_page = keys(data, "| item | key |");
    let module = tree.text(&format!("{STORE}mod.rs"));
    let module: String = module
        .lines()
        .map_while(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.trim_start()))
        .collect();
    let of_store = keys(&module, "| item | pk / sk |");
    assert!(of_store.len() > 20, "{of_store:?}");
    assert_eq!(of_page, of_store);
}

/// The code in the second cell of each row of a table, in order.
fn keys(text: &str, head: &str) -> Vec<Vec<String>> {
    let rows = text.lines().skip_while(|line| !line.starts_with(head));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    let keys = rows.map(|row| {
        let cell = row.split('|').nth(2).unwrap_or_default();
        cell.split('`').skip(1).step_by(2).map(str::to_owned)
    });
    keys.map(Iterator::collect).collect()
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// What stands in a text of the line that begins as the table's keys do: a capital letter and `#`.
fn key_in(line: &str) -> Option<&str> {
    let texts = line.split('"').skip(1).step_by(2);
    let mut keys = texts.filter(|text| {
        let mut chars = text.chars();
        let is_capital = chars.next().is_some_and(|first| first.is_ascii_uppercase());
        is_capital && chars.next() == Some('#')
    });
    keys.next()
}

/// The functions of a source that rustfmt has formatted, by name, with their lines.
fn functions(code: &str) -> Vec<(&str, usize)> {
    let lines: Vec<_> = code.lines().collect();
    let starts = lines.iter().enumerate().filter_map(|(start, line)| {
        let name = function_name(line)?;
        let indent = &line[..line.len() - line.trim_start().len()];
        // A function in one line, or without a body, ends before a line closes it.
        let end = format!("{indent}}}");
        let declared = format!("{indent})");
        let length = lines[start..]
            .iter()
            .position(|line| *line == end || (line.starts_with(&declared) && line.ends_with(';')));
        let is_one_line = line.ends_with('}') || line.ends_with(';');
        let length = if is_one_line { 1 } else { length? + 1 };
        Some((name, length))
    });
    starts.collect()
}

/// The name of the function that begins in this line.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.trim_start();
    loop {
        if let Some(rest) = words.strip_prefix("fn ") {
            return rest.split(['(', '<']).next();
        }
        let (word, rest) = words.split_once(' ')?;
        let is_qualifier =
            matches!(word, "async" | "const" | "pub" | "unsafe") || word.starts_with("pub(");
        if !is_qualifier {
            return None;
        }
        words = rest;
    }
}

#[test]
fn functions_are_measured() {
    let code = "
pub(crate) async fn long(
    a: u8,
) -> u8 {
    a
}
    fn one() {}
    const fn two<T>() -> u8 {
        if true {
        }
    }
    fn declared(
        a: u8,
    ) -> u8;
let f = fn_pointer;
";
    let found = functions(code);
    assert_eq!(
        found,
        [("long", 5), ("one", 1), ("two", 4), ("declared", 3)]
    );
}

#[test]
fn keys_are_told_from_other_texts() {
    for (line, key) in [
        (r#"format!("W#{id}")"#, Some("W#{id}")),
        (r#"a("x", "T#")"#, Some("T#")),
        (r##"color("#fff", "a#", "No #1")"##, None),
    ] {
        assert_eq!(key_in(line), key, "{line}");
    }
}
