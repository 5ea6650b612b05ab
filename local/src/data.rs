//! The data folder: who has it open, the admin key, and how far the ladder's clock has come.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rung_shared::chance;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot use {path}: {source}; choose another folder with --data")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is in use by another rung; stop that one, or choose another folder with --data")]
    InUse(PathBuf),
}

/// A data folder that is ours while this lives.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, making it if need be: for its owner only, as the databases hold secrets.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let fault = |source| DataError::Io {
            path: path.to_owned(),
            source,
        };
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(path).map_err(fault)?;
        let lock = File::create(path.join("lock")).map_err(fault)?;
        // The system lets go of the lock when the process ends, however it ends.
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DataError::InUse(path.to_owned()),
            TryLockError::Error(source) => fault(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The admin key: the given one, else the one kept here, else a new one, kept.
    pub(crate) fn admin_key(&self, given: Option<String>) -> Result<String, DataError> {
        if let Some(key) = given {
            return Ok(key);
        }
        if let Some(key) = self.read("admin-key")? {
            return Ok(key);
        }
        let key = format!("ra_{}", chance::hex::<32>());
        self.write("admin-key", &key)?;
        Ok(key)
    }

    /// Where the ladder's clock stood when it was last kept, in milliseconds.
    pub(crate) fn ladder_ms(&self) -> Result<Option<u64>, DataError> {
        Ok(self.read("clock")?.and_then(|text| text.parse().ok()))
    }

    /// Keeps where the ladder's clock stands.
    pub(crate) fn keep_ladder_ms(&self, ms: u64) -> Result<(), DataError> {
        self.write("clock", &ms.to_string())
    }

    fn read(&self, name: &str) -> Result<Option<String>, DataError> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataError::Io { path, source }),
        }
    }

    /// Replaces a file as a whole, readable by its owner only.
    fn write(&self, name: &str, text: &str) -> Result<(), DataError> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let replace = || {
            fs::write(&new, text)?;
            #[cfg(unix)]
            fs::set_permissions(&new, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
            fs::rename(&new, &path)
        };
        replace().map_err(|source| DataError::Io {
            path: path.clone(),
            source,
        })
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn an_admin_key_made_here_has_256_random_bits_and_stays() {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let keys = folders.each_ref().map(|folder| {
            let folder = DataFolder::open(folder.path()).unwrap();
            let key = folder.admin_key(None).unwrap();
            assert_eq!(folder.admin_key(None).unwrap(), key);
            assert_eq!(key.len(), "ra_".len() + 256 / 4);
            key
        });
        assert_ne!(keys[0], keys[1]);
    }

    #[test]
    fn a_folder_made_here_is_its_owners_alone() {
        let around = tempfile::tempdir().unwrap();
        let path = around.path().join("kept/rung");
        let folder = DataFolder::open(&path).unwrap();
        for made in [folder.path(), path.parent().unwrap()] {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
        // Again, as it is there.
        drop(folder);
        DataFolder::open(&path).unwrap();
    }
}
