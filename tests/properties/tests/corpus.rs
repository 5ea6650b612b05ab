//! Every input of the fuzz targets' corpus, and what they have found, once more.

#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

#[test]
fn the_corpus_holds() {
    for (name, property) in rung_properties::ALL {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus"));
        let mut count = 0;
        for entry in fs::read_dir(folder.join(name)).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            property(&fs::read(path).unwrap());
            count += 1;
        }
        assert!(count >= 5, "{name} has {count} inputs");
    }
}
