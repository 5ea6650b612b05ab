//! What the documents say of the tree is true: links lead somewhere, the files, packages and tests that they name are there, and the
//! sources keep to the rules of ARCHITECTURE.md.

#![allow(clippy::unwrap_used)]

mod architecture;
mod compatible;
mod links;
mod manifests;
mod names;
mod proofs;
mod tree;

use tree::Tree;

/// SECURITY.md and docs/promises.md name tests in the column "shown by": each is there, and is a test that runs.
#[test]
fn each_promise_names_tests_that_are_there() {
    let tree = Tree::read();
    for (document, promises) in [("SECURITY.md", 15), ("docs/promises.md", 11)] {
        let rows = proofs::rows(&tree.text(document));
        assert!(rows.len() >= promises, "{document}: only {}", rows.len());
        let wanting = rows.iter().flat_map(|row| proofs::wanting(&tree, row));
        let wanting: Vec<_> = wanting.collect();
        assert_eq!(wanting, Vec::<String>::new(), "{document}");
    }
}

/// In every document of the tree, every relative link leads to a file or folder, and every anchor to a heading.
#[test]
fn each_link_leads_somewhere() {
    let tree = Tree::read();
    let mut followed = 0;
    for document in tree.documents() {
        let links = links::of(&tree.text(&document));
        followed += links.len();
        let broken = links.iter().filter_map(|link| {
            let fault = links::fault(&tree, &document, link)?;
            Some(format!("{document}: {link}: {fault}"))
        });
        let broken: Vec<_> = broken.collect();
        assert_eq!(broken, Vec::<String>::new());
    }
    assert!(followed > 50, "only {followed}");
}

/// The files, tests and packages that a document names are there.
#[test]
fn each_name_is_that_of_something() {
    let tree = Tree::read();
    let documents = tree.documents().into_iter();
    let wanting = documents.flat_map(|document| {
        let wanting = names::wanting(&tree, &tree.text(&document)).into_iter();
        wanting.map(move |name| format!("{document}: {name}"))
    });
    assert_eq!(wanting.collect::<Vec<_>>(), Vec::<String>::new());
}

/// The pages that messages and comments of the sources name are there.
#[test]
fn each_page_that_a_source_names_is_there() {
    let tree = Tree::read();
    let rooms = ["functions", "local", "shared"];
    let sources = rooms.iter().flat_map(|room| tree.sources(room));
    let mut named = 0;
    for source in sources {
        let pages = names::pages(&tree.text(&source));
        named += pages.len();
        let wanting: Vec<_> = pages.iter().filter(|page| !tree.has(page)).collect();
        assert_eq!(wanting, Vec::<&String>::new(), "{source}");
    }
    assert!(named > 20, "only {named}");
}

/// Each invariant of ARCHITECTURE.md names a test, or the script that holds it.
#[test]
fn each_invariant_names_what_shows_it() {
    let tree = Tree::read();
    let page = tree.text("ARCHITECTURE.md");
    let invariants = page
        .lines()
        .filter(|line| line.starts_with("**Architecture invariant:**"));
    let mut count = 0;
    for invariant in invariants {
        count += 1;
        let mut names = invariant.split('`').skip(1).step_by(2);
        let is_shown = names.any(|name| tree.tests(name) || tree.has(name));
        assert!(is_shown, "nothing shows it: {invariant}");
    }
    assert!(count > 10, "only {count}");
}
