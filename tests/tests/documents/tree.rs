//! The tree as far as documents speak of it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use ignore::WalkBuilder;

/// Where code of ours is.
const ROOMS: [&str; 5] = ["functions", "fuzz", "local", "shared", "tests"];

/// The repository's folder.
pub(crate) struct Tree {
    root: PathBuf,
    tests: BTreeSet<String>,
    /// Files with tests in them, by their names as modules.
    modules: BTreeSet<String>,
    /// All manifests of ours, one after another.
    manifests: String,
}

impl Tree {
    /// Reads all Rust sources.
    pub(crate) fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (mut tests, mut modules) = (BTreeSet::new(), BTreeSet::new());
        for path in ROOMS.iter().flat_map(|room| files(&root.join(room), "rs")) {
            let found = tests_in(&fs::read_to_string(&path).unwrap());
            if found.is_empty() {
                continue;
            }
            let stem = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
            let name = match stem(&path).as_str() {
                "main" | "mod" => stem(path.parent().unwrap()),
                name => name.to_owned(),
            };
            modules.insert(name);
            tests.extend(found);
        }
        assert!(tests.len() > 500, "only {} tests", tests.len());
        let manifests = files(&root, "toml");
        let manifests = manifests.iter().filter(|path| path.ends_with("Cargo.toml"));
        let manifests = manifests.map(|path| fs::read_to_string(path).unwrap());
        let manifests = manifests.collect();
        Self {
            root,
            tests,
            modules,
            manifests,
        }
    }

    /// The text of a file.
    pub(crate) fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Whether there is such a file or folder.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.root.join(path).exists()
    }

    /// Whether there is a test of this name that runs, or a file of tests.
    pub(crate) fn tests(&self, name: &str) -> bool {
        self.tests.contains(name) || self.modules.contains(name)
    }

    /// Whether there is a source file whose path ends so.
    pub(crate) fn has_source(&self, path: &str) -> bool {
        let mut sources = ROOMS.iter().flat_map(|room| self.sources(room));
        sources.any(|source| Path::new(&source).ends_with(path))
    }

    /// Whether there is a package of this name, of ours or in the list of those that we use.
    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.manifests.contains(&format!("\nname = \"{name}\"\n"))
    }

    /// Whether there is a test binary or program of this name.
    pub(crate) fn has_target(&self, name: &str) -> bool {
        let sources = ROOMS.iter().flat_map(|room| self.sources(room));
        let mut tests = sources.filter_map(|source| {
            let (_, test) = source.split_once("/tests/")?;
            let name = test.split('/').next()?;
            Some(name.trim_end_matches(".rs").to_owned())
        });
        self.has_package(name) || tests.any(|test| test == name)
    }

    /// Every document, by its path.
    pub(crate) fn documents(&self) -> Vec<String> {
        self.files(&self.root, "md")
    }

    /// The folder of every crate.
    pub(crate) fn crates(&self) -> Vec<String> {
        let manifests = self.files(&self.root, "toml").into_iter();
        let crates =
            manifests.filter_map(|path| Some(path.strip_suffix("/Cargo.toml")?.to_owned()));
        crates.collect()
    }

    /// Every Rust source in a folder, by its path.
    pub(crate) fn sources(&self, folder: &str) -> Vec<String> {
        self.files(&self.root.join(folder), "rs")
    }

    /// The folders in a folder, by their paths.
    pub(crate) fn folders(&self, folder: &str) -> Vec<String> {
        let entries = fs::read_dir(self.root.join(folder)).unwrap();
        let folders = entries.map(|entry| entry.unwrap().path());
        let folders = folders.filter(|path| path.is_dir());
        let names = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.map(|name| format!("{folder}/{name}")).collect()
    }

    fn files(&self, folder: &Path, extension: &str) -> Vec<String> {
        let files = files(folder, extension).into_iter();
        let relative = files.map(|path| {
            let path = path.strip_prefix(&self.root).unwrap();
            path.to_str().unwrap().to_owned()
        });
        relative.collect()
    }
}

/// All files below `folder` whose names end so, less those that git ignores: what is fetched or built.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let walk = WalkBuilder::new(folder)
        .hidden(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .sort_by_file_path(Path::cmp)
        .build();
    let paths = walk.map(|entry| entry.unwrap().into_path());
    let is_wanted = |path: &PathBuf| path.extension().is_some_and(|found| found == extension);
    paths.filter(is_wanted).collect()
}

/// The names of the test functions of a source text, less those that are ignored.
fn tests_in(source: &str) -> Vec<String> {
    let (mut found, mut is_test, mut is_ignored) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            (is_test, is_ignored) = (true, false);
        } else if line.starts_with("#[ignore") {
            is_ignored = true;
        } else if let Some(rest) = line
            .strip_prefix("async fn ")
            .or_else(|| line.strip_prefix("fn "))
            && std::mem::take(&mut is_test)
            && !is_ignored
        {
            let name = rest.split(['(', '<']).next().unwrap_or_default();
            found.push(name.to_owned());
        }
    }
    found
}

#[test]
fn tests_are_told_from_other_functions() {
    let source = "
        #[test]
        fn plain() {}
        fn helper() {}
        #[tokio::test(start_paused = true)]
        async fn on_virtual_time() {}
        #[test]
        #[should_panic(expected = \"x\")]
        fn failing() {}
        #[test]
        #[ignore = \"not here\"]
        fn ignored() {}
    ";
    assert_eq!(tests_in(source), ["plain", "on_virtual_time", "failing"]);
}

#[test]
fn what_git_ignores_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in [
        (".gitignore", "/made/\n"),
        ("made/a.md", ""),
        ("within/.gitignore", "/fetched/\n"),
        ("within/fetched/b.md", ""),
        ("within/c.md", ""),
        (".github/d.md", ""),
        (".git/e.md", ""),
    ] {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let expected = [".github/d.md", "within/c.md"].map(|path| folder.path().join(path));
    assert_eq!(files(folder.path(), "md"), expected);
}
