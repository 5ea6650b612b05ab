//! The data folder: who has it open and who may look into it, the admin key, and how far the ladder's clock has come.
//!
//! What is kept there opens the API and signs deliveries, so the folder and each file in it are their owner's alone, from the moment
//! they are there.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::{Path, PathBuf},
};

use rung_base::chance;
use rung_core::encryption::{KeyRing, KeyRingFault};
use rung_local_aws::{DATABASE, QUEUES};

/// Rights of the owner alone, to a folder and to a file.
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
/// The rights of everybody else.
const OTHERS: u32 = 0o077;

const LOCK: &str = "lock";

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataError {
    #[error("cannot use {path}: {source}; choose another folder with --data")]
    Io { path: PathBuf, source: io::Error },
    #[error("{0} is in use by another rung; stop that one, or choose another folder with --data")]
    InUse(PathBuf),
    #[error(
        "{0} is missing, but the data is encrypted with its keys; restore it, or choose another folder with --data"
    )]
    KeysMissing(PathBuf),
    #[error("{path}: {fault}")]
    Keys { path: PathBuf, fault: KeyRingFault },
    #[error("{0} belongs to another user; choose another folder with --data")]
    Foreign(PathBuf),
    #[error(
        "{0} is open to other users and holds files that are not Rung's; choose a folder of its own with --data, or `chmod 700` this one"
    )]
    Shared(PathBuf),
    #[error(
        "{0} is a symbolic link, which may lead out of the data folder; remove it, or choose another folder with --data"
    )]
    Link(PathBuf),
}

/// A data folder that is ours while this lives.
pub(crate) struct DataFolder {
    path: PathBuf,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, making it if need be, and closes it to everybody but its owner.
    pub(crate) fn open(path: &Path) -> Result<Self, DataError> {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(FOLDER_MODE).create(path);
        made.map_err(fault(path))?;
        close_to_others(path)?;
        let lock_path = path.join(LOCK);
        let lock = ours().truncate(false).open(&lock_path);
        let lock = lock.map_err(fault(path))?;
        // The system lets go of the lock when the process ends, however it ends.
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => DataError::InUse(path.to_owned()),
            TryLockError::Error(source) => fault(path)(source),
        })?;
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the databases' files where they are missing: SQLite would make them for others to read. Those that it puts beside them
    /// get their rights.
    pub(crate) fn make_databases(&self) -> Result<(), DataError> {
        for name in [DATABASE, QUEUES] {
            let path = self.path.join(name);
            let made = ours().truncate(false).open(&path);
            made.map_err(fault(&path))?;
        }
        Ok(())
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
            Err(source) => Err(fault(&path)(source)),
        }
    }

    /// Replaces a file as a whole, on the disk too.
    fn write(&self, name: &str, text: &str) -> Result<(), DataError> {
        let (path, new) = (self.path.join(name), self.path.join(format!("{name}.new")));
        let replace = || {
            let mut file = ours().truncate(true).open(&new)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            File::open(&self.path)?.sync_all()
        };
        replace().map_err(fault(&path))
    }
}

/// How a file is opened or made that nobody else may read.
fn ours() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(FILE_MODE);
    options
}

fn fault(path: &Path) -> impl Fn(io::Error) -> DataError {
    |source| DataError::Io {
        path: path.to_owned(),
        source,
    }
}

/// Closes the folder and all files in it to everybody but their owner, who must be us: data of an earlier version, and a folder that
/// was there before. One in which others could have put something is ours only if it is empty or held our data before.
fn close_to_others(path: &Path) -> Result<(), DataError> {
    let folder = fs::metadata(path).map_err(fault(path))?;
    if folder.uid() != rustix::process::geteuid().as_raw() {
        return Err(DataError::Foreign(path.to_owned()));
    }
    let entries = fs::read_dir(path).map_err(fault(path))?;
    let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(fault(path))?;
    if folder.mode() & OTHERS != 0 {
        let is_ours = entries.is_empty() || entries.iter().any(|entry| entry.file_name() == LOCK);
        if !is_ours {
            return Err(DataError::Shared(path.to_owned()));
        }
        let mode = Permissions::from_mode(FOLDER_MODE);
        fs::set_permissions(path, mode).map_err(fault(path))?;
    }
    for entry in entries {
        let path = entry.path();
        match close_file_to_others(&path) {
            // SQLite removes files of its own while a database is closed: that of a `rung` that is about to end.
            Err(error) if is_gone(&error) => {}
            closed => closed?,
        }
    }
    Ok(())
}

fn is_gone(error: &DataError) -> bool {
    matches!(error, DataError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}

fn close_file_to_others(path: &Path) -> Result<(), DataError> {
    let file = fs::symlink_metadata(path).map_err(fault(path))?;
    if file.is_symlink() {
        return Err(DataError::Link(path.to_owned()));
    }
    if file.is_file() && file.mode() & OTHERS != 0 {
        let mode = Permissions::from_mode(FILE_MODE);
        fs::set_permissions(path, mode).map_err(fault(path))?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    /// A folder that anybody may do anything in.
    fn open_folder() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o777)).unwrap();
        folder
    }

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
        assert_eq!(mode(&file), 0o600);
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
            assert_eq!(mode(made), 0o700, "{}", made.display());
        }
        folder.admin_key(None).unwrap();
        folder.keep_ladder_ms(1).unwrap();
        folder.make_databases().unwrap();
        let files = fs::read_dir(&path).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        assert_eq!(files.len(), 5);
        for file in files {
            assert_eq!(mode(&file), 0o600, "{}", file.display());
        }
        // Again, as it is there.
        drop(folder);
        DataFolder::open(&path).unwrap();
    }

    #[test]
    fn a_folder_that_was_open_to_others_is_closed() {
        let folder = open_folder();
        DataFolder::open(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        // As an earlier version, or a restored copy, left it.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        for name in [
            "lock",
            "admin-key",
            "dynamodb.sqlite",
            "dynamodb.sqlite-wal",
        ] {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        }
        DataFolder::open(folder.path()).unwrap();
        assert_eq!(mode(folder.path()), 0o700);
        for file in fs::read_dir(folder.path()).unwrap() {
            let path = file.unwrap().path();
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
    }

    #[test]
    fn a_shared_folder_of_other_things_is_refused() {
        let folder = open_folder();
        fs::write(folder.path().join("notes"), "").unwrap();
        let refused = DataFolder::open(folder.path()).err().unwrap();
        assert!(matches!(refused, DataError::Shared(_)), "{refused}");
        assert_eq!(mode(folder.path()), 0o777);
        // It may be used where nobody else may.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        DataFolder::open(folder.path()).unwrap();
    }

    #[test]
    fn a_link_in_the_folder_is_refused_and_one_to_it_is_not() {
        let (folder, elsewhere) = (open_folder(), tempfile::tempdir().unwrap());
        let target = elsewhere.path().join("target");
        fs::write(&target, "theirs").unwrap();
        symlink(&target, folder.path().join(LOCK)).unwrap();
        let refused = DataFolder::open(folder.path()).err().unwrap();
        assert!(matches!(refused, DataError::Link(_)), "{refused}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        let (link, real) = (elsewhere.path().join("link"), elsewhere.path().join("real"));
        fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        DataFolder::open(&link).unwrap();
        assert_eq!(mode(&real), 0o700);
    }

    #[test]
    fn a_folder_of_another_user_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        // Only root can give a folder away.
        if std::os::unix::fs::chown(folder.path(), Some(12_345), None).is_err() {
            return;
        }
        let refused = DataFolder::open(folder.path()).err().unwrap();
        assert!(matches!(refused, DataError::Foreign(_)), "{refused}");
    }

    #[test]
    fn a_file_that_goes_while_the_folder_is_read_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let gone = close_file_to_others(&folder.path().join("dynamodb.sqlite-shm")).unwrap_err();
        assert!(is_gone(&gone), "{gone}");
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let wrong = close_file_to_others(&file.join("in it")).unwrap_err();
        assert!(!is_gone(&wrong), "{wrong}");
    }
}
