//! Links between documents.

use std::path::{Component, Path, PathBuf};

use crate::tree::Tree;

/// The relative links of a document; what stands in code is none.
pub(crate) fn of(document: &str) -> Vec<String> {
    let links = prose(document).into_iter().flat_map(|line| {
        let targets = line.split("](").skip(1);
        let targets = targets.filter_map(|rest| Some(rest.split_once(')')?.0.to_owned()));
        targets.collect::<Vec<_>>()
    });
    links
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .collect()
}

/// Why a link of a document leads nowhere.
pub(crate) fn fault(tree: &Tree, document: &str, link: &str) -> Option<&'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = if path.is_empty() {
        document.to_owned()
    } else {
        let folder = Path::new(document)
            .parent()
            .unwrap_or_else(|| Path::new(""));
        match within(&folder.join(path)) {
            Some(target) => target,
            None => return Some("leads out of the tree"),
        }
    };
    if !tree.has(&target) {
        return Some("there is no such file or folder");
    }
    let found = anchor.is_empty() || headings(&tree.text(&target)).contains(&anchor.to_owned());
    (!found).then_some("there is no such heading")
}

/// A path without `..`; `None` where it leads out of the tree.
fn within(path: &Path) -> Option<String> {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => plain.push(name),
            Component::CurDir => {}
            Component::ParentDir if plain.pop() => {}
            _ => return None,
        }
    }
    plain.to_str().map(str::to_owned)
}

/// The lines of a document that are not within a block of code, without code in them.
fn prose(document: &str) -> Vec<String> {
    let mut in_code = false;
    let lines = document.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    });
    let without_code = |line: &str| line.split('`').step_by(2).collect::<Vec<_>>().join("`");
    lines.map(without_code).collect()
}

/// The anchors of a document's headings, as GitHub makes them.
fn headings(document: &str) -> Vec<String> {
    let mut in_code = false;
    let mut anchors: Vec<String> = Vec::new();
    for line in document.lines() {
        in_code ^= line.starts_with("```");
        let text = line.trim_start_matches('#');
        if in_code || text.len() == line.len() || !text.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let text: String = text.trim().chars().filter(kept).collect();
        let anchor = text.to_lowercase().replace(' ', "-");
        let again = |known: &&String| {
            let rest = known.strip_prefix(&anchor);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
        };
        let same = anchors.iter().filter(again).count();
        anchors.push(match same {
            0 => anchor,
            n => format!("{anchor}-{n}"),
        });
    }
    anchors
}

#[test]
fn links_stand_outside_of_code() {
    let document = "
See [a](b.md), [c](https://example.com/d) and [e](../f.md#g).
```sh
echo [h](i.md)
```
`[j](k.md)` and [`l`](m.rs).
";
    assert_eq!(of(document), ["b.md", "../f.md#g", "m.rs"]);
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let tree = Tree::read();
    for (link, told) in [
        ("README.md", None),
        ("docs", None),
        ("docs/promises.md#the-simulation", None),
        ("docs/../README.md", None),
        ("docs/nothing.md", Some("there is no such file or folder")),
        ("docs/promises.md#nothing", Some("there is no such heading")),
        ("#nothing", Some("there is no such heading")),
        ("../elsewhere.md", Some("leads out of the tree")),
    ] {
        assert_eq!(fault(&tree, "README.md", link), told, "{link}");
    }
    assert_eq!(fault(&tree, "docs/promises.md", "../tests/tests"), None);
}

#[test]
fn anchors_are_those_of_github() {
    let document = "# One\n## It's `two`, or 2_b\n```\n# no\n```\n## One\n";
    assert_eq!(headings(document), ["one", "its-two-or-2_b", "one-1"]);
}
