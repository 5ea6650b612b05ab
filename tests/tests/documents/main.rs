//! What the documents say of the tree is there: the tests that SECURITY.md and docs/promises.md name, and whatever is linked to.

#![allow(clippy::unwrap_used)]

mod links;
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
