//! Packs what the management API serves as it is, the files of the dashboard and the API's description: a cold start reads the binary.

use std::{
    env, fs,
    io::{Error, Write as _},
    path::Path,
};

use flate2::{Compression, write::GzEncoder};

// Cargo says by the environment where to write.
#[allow(clippy::disallowed_methods)]
fn main() -> Result<(), Error> {
    const DASHBOARD: &str = "dashboard";
    const DESCRIPTION: &str = "openapi.json";
    println!("cargo::rerun-if-changed={DASHBOARD}");
    println!("cargo::rerun-if-changed={DESCRIPTION}");
    let out = env::var_os("OUT_DIR").ok_or_else(|| Error::other("cargo names no OUT_DIR"))?;
    let out = Path::new(&out);
    pack(&fs::read_to_string(DESCRIPTION)?, out, DESCRIPTION)?;
    for file in fs::read_dir(DASHBOARD)? {
        let path = file?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        pack(&without_comments(&fs::read_to_string(&path)?), out, &name)?;
    }
    Ok(())
}

fn pack(text: &str, out: &Path, name: &str) -> Result<(), Error> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::best());
    packer.write_all(text.as_bytes())?;
    fs::write(out.join(format!("{name}.gz")), packer.finish()?)
}

/// A file without the lines that are comments, which browsers need not load. A comment begins a line and ends one, so no script may have
/// a text in which a line begins as one does.
fn without_comments(text: &str) -> String {
    let mut is_inside = false;
    let lines = text.split_inclusive('\n').filter(|line| {
        let line = line.trim();
        let is_block = line.starts_with("/*");
        let is_comment = is_inside || is_block || line.starts_with("//");
        is_inside = (is_inside || is_block) && !line.ends_with("*/");
        !is_comment
    });
    lines.collect()
}
