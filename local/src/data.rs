//! The data folder: who has it open, the admin key, and how far the ladder's clock has come.

use std::{
    fs::{self, DirBuilder, File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use rung_shared::{
    chance,
    encryption::{KeyRing, KeyRingFault},
};

use crate::aws::DATABASE;

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot use {path}: {source}; choose another folder with --data")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is in use by another rung; stop that one, or choose another folder with --data")]
    InUse(PathBuf),
    #[error(
        "{0} is missing, and the data beside it is encrypted with the keys in it; bring it back, or choose another folder with --data"
    )]
    KeysMissing(PathBuf),
    #[error("{path}: {fault}")]
    Keys { path: PathBuf, fault: KeyRingFault },
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

    /// The encryption keys that are kept here, newest first, one a line. One is made before there is any data.
    pub(crate) fn encryption_keys(&self) -> Result<KeyRing, DataError> {
        const NAME: &str = "encryption-keys";
        let path = self.path.join(NAME);
        let text = match self.read(NAME)? {
            Some(text) => text,
            None if self.path.join(DATABASE).exists() => return Err(DataError::KeysMissing(path)),
            None => {
                let key = chance::hex::<32>();
                self.write(NAME, &key)?;
                key
            }
        };
        KeyRing::parse(&text).map_err(|fault| DataError::Keys { path, fault })
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
    fn encryption_keys_are_made_once_for_their_owner_alone_and_never_after_the_data() {
        let around = tempfile::tempdir().unwrap();
        let folder = DataFolder::open(around.path()).unwrap();
        let made = folder.encryption_keys().unwrap().newest();
        assert!(made.is_some());
        let file = around.path().join("encryption-keys");
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(around.path().join(DATABASE), "").unwrap();
        assert_eq!(folder.encryption_keys().unwrap().newest(), made);

        let newer = "a-newer-encryption-key-of-many-characters";
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{newer}\n{text}\n")).unwrap();
        let newest = folder.encryption_keys().unwrap().newest();
        assert_eq!(newest, KeyRing::parse(newer).unwrap().newest());

        fs::write(&file, "short").unwrap();
        let refused = folder.encryption_keys().unwrap_err().to_string();
        assert!(refused.contains("encryption key 1"), "{refused}");
        fs::remove_file(&file).unwrap();
        let refused = folder.encryption_keys().unwrap_err().to_string();
        assert!(refused.contains("is missing"), "{refused}");
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
