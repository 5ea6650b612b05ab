//! Profiles: which Rung is meant, and where its key is kept.
//!
//! They are in `rung/config.toml` of the user's configuration folder, for its owner alone. A key is never in it: a profile names
//! the file, the environment variable or the command that has it. No key is an argument: those are in the list of processes.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, IsTerminal as _, Write},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    process::{Command as Process, ExitCode},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::{Host, Url};

use super::{
    super::{
        Error,
        choice::env,
        json_line,
        problem::Usage,
        runtime,
        screen::{GOOD, QUIET, TITLE, paint},
    },
    client::Client,
    table::Table,
};

/// Where `rung dev` listens unless told otherwise.
pub(super) const LOCAL: &str = "http://127.0.0.1:8080";
/// Where `rung dev` keeps the operator's key unless told otherwise.
const DEV_KEY: &str = "./.rung/admin-key";
/// What others may do with a file of their own: nothing, with one that has a key.
const OTHERS: u32 = 0o077;

/// The flags of `login`.
#[derive(clap::Args)]
#[command(after_help = "\
Without one of the --key flags, the key is read from the terminal or standard input and kept in a
file that only you can read. All commands use the profile of the latest `rung login`, unless
--profile, --server or the environment says otherwise.

Examples:
  rung login production --url https://webhooks.example.com --key-command 'pass show rung'
  rung login staging --url https://staging.example.com --key-env STAGING_KEY
  aws secretsmanager get-secret-value --secret-id SECRET --query SecretString --output text |
    rung login production --url https://webhooks.example.com")]
pub(crate) struct Login {
    /// The profile's name: letters, digits, - and _
    #[arg(value_name = "PROFILE", default_value = "default", value_parser = name)]
    name: String,
    /// The URL of Rung
    #[arg(long, default_value = LOCAL, value_parser = base)]
    url: String,
    /// A file that has the key; only you may be able to read it (mode 0600)
    #[arg(long, value_name = "FILE", group = "key")]
    key_file: Option<PathBuf>,
    /// An environment variable that has the key
    #[arg(long, value_name = "NAME", group = "key")]
    key_env: Option<String>,
    /// A command that prints the key, such as one that asks a keychain
    #[arg(long, value_name = "COMMAND", group = "key")]
    key_command: Option<String>,
}

/// What can be done with profiles.
#[derive(clap::Subcommand)]
#[command(after_help = "\
Examples:
  rung profiles list
  rung profiles use staging
  rung profiles remove staging")]
pub(crate) enum Profiles {
    /// List the profiles; the one in use is marked
    List {
        /// Print JSON, one object per line
        #[arg(long)]
        json: bool,
    },
    /// Use this profile from now on
    Use {
        /// The profile's name
        #[arg(value_name = "PROFILE")]
        name: String,
    },
    /// Remove a profile, and its key if `rung login` keeps it
    Remove {
        /// The profile's name
        #[arg(value_name = "PROFILE")]
        name: String,
    },
}

/// A Rung and the key that opens it.
pub(super) struct Access {
    pub(super) url: String,
    pub(super) key: String,
}

/// A Rung, and where the key that opens it is if a profile says so.
pub(super) struct Meant {
    pub(super) url: String,
    key: Option<KeySource>,
    /// The profile, where nothing but its being in use has chosen it.
    in_use: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    current: Option<String>,
    #[serde(default)]
    profiles: BTreeMap<String, Profile>,
}

#[derive(Serialize, Deserialize)]
struct Profile {
    url: String,
    #[serde(flatten)]
    key: KeySource,
}

/// Where a key comes from.
#[derive(Clone, Serialize, Deserialize)]
enum KeySource {
    #[serde(rename = "key_file")]
    File(PathBuf),
    #[serde(rename = "key_env")]
    Env(String),
    #[serde(rename = "key_command")]
    Command(String),
}

/// The Rung that is meant and its key: see [`meant`].
pub(super) fn access(profile: Option<&str>, url: Option<&str>) -> Result<Access, Error> {
    let Meant { url, key, in_use } = meant(profile, url)?;
    let own = env("RUNG_KEY");
    if let (Some(name), Some(_)) = (in_use, &own) {
        // Neither key goes where it may not belong, and nobody has to guess which of the two is used.
        let problem = format!(
            "RUNG_KEY is set without RUNG_URL, and the profile {name} is in use: set RUNG_URL too, or unset RUNG_KEY, or add --profile {name}"
        );
        return Err(Usage(problem).into());
    }
    let key = match (key, own) {
        (Some(source), _) => source.read()?,
        (None, Some(key)) => checked_key(&key).map_err(|problem| format!("RUNG_KEY: {problem}"))?,
        (None, None) => dev_key(&url)?,
    };
    Ok(Access { url, key })
}

/// The Rung that is meant: the flags' before the environment's, then that of the profile in use, then `rung dev`.
pub(super) fn meant(profile: Option<&str>, url: Option<&str>) -> Result<Meant, Error> {
    let chosen = match (profile, url) {
        (Some(name), _) => Some(name.to_owned()),
        (None, Some(_)) => None,
        (None, None) => env("RUNG_PROFILE"),
    };
    if let Some(name) = chosen {
        return Config::read()?.profile(&name)?.meant(None);
    }
    let url = url.map(str::to_owned).or_else(|| env("RUNG_URL"));
    if url.is_none() {
        let config = Config::read()?;
        if let Some(name) = &config.current {
            return config.profile(name)?.meant(Some(name));
        }
    }
    let url =
        base(url.as_deref().unwrap_or(LOCAL)).map_err(|problem| format!("RUNG_URL: {problem}"))?;
    without_user(&url)?;
    Ok(Meant {
        url,
        key: None,
        in_use: None,
    })
}

/// The key that `rung dev` keeps where the command is run; only for a Rung on this machine.
fn dev_key(url: &str) -> Result<String, Error> {
    let is_local = match Url::parse(url)?.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    if !is_local {
        return Err("no key: set RUNG_KEY, or use `rung login`".into());
    }
    let key = fs::read_to_string(DEV_KEY).map_err(|_| {
        format!("no key: set RUNG_KEY, use `rung login`, or run this beside `rung dev` ({DEV_KEY} not found)")
    })?;
    Ok(key.trim().to_owned())
}

impl Config {
    fn read() -> Result<Self, Error> {
        let path = folder()?.join("config.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{}: {error}", path.display()).into()),
        };
        Ok(toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?)
    }

    fn write(&self) -> Result<(), Error> {
        write_own(&folder()?.join("config.toml"), &toml::to_string(self)?)
    }

    fn profile(&self, name: &str) -> Result<&Profile, Error> {
        let found = self.profiles.get(name);
        found.ok_or_else(|| {
            let names: Vec<_> = self.profiles.keys().map(String::as_str).collect();
            let there = match names.len() {
                0 => "there is none yet".to_owned(),
                _ => format!("there are {}", names.join(", ")),
            };
            format!("no profile {name:?}; {there}; `rung login {name}` creates it").into()
        })
    }
}

impl Profile {
    fn meant(&self, in_use: Option<&str>) -> Result<Meant, Error> {
        without_user(&self.url)?;
        Ok(Meant {
            url: self.url.clone(),
            key: Some(self.key.clone()),
            in_use: in_use.map(str::to_owned),
        })
    }
}

impl KeySource {
    fn read(&self) -> Result<String, Error> {
        let text = match self {
            Self::File(path) => read_own(path)?,
            Self::Env(name) => env(name).ok_or_else(|| format!("no key: set {name}"))?,
            Self::Command(command) => {
                let failed = |reason: String| format!("no key: `{command}`: {reason}");
                let mut shell = Process::new("sh");
                shell
                    .arg("-c")
                    .arg(command)
                    .stderr(std::process::Stdio::inherit());
                let done = shell.output().map_err(|error| failed(error.to_string()))?;
                if !done.status.success() {
                    return Err(failed(done.status.to_string()).into());
                }
                String::from_utf8(done.stdout).map_err(|_| failed("printed no text".to_owned()))?
            }
        };
        checked_key(&text)
    }

    /// For people: where it is, not what it is.
    fn told(&self) -> String {
        match self {
            Self::File(path) => format!("file {}", path.display()),
            Self::Env(name) => format!("environment variable {name}"),
            Self::Command(command) => format!("command `{command}`"),
        }
    }
}

/// A key as it is sent.
fn checked_key(text: &str) -> Result<String, Error> {
    let key = text.trim();
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("no key: a key is one line of printable characters without blanks".into());
    }
    Ok(key.to_owned())
}

pub(crate) fn login(args: &Login, out: &mut impl Write) -> Result<ExitCode, Error> {
    without_user(&args.url)?;
    let mut stored = None;
    let source = match (&args.key_file, &args.key_env, &args.key_command) {
        (Some(path), ..) => KeySource::File(std::path::absolute(path)?),
        (_, Some(name), _) => KeySource::Env(name.clone()),
        (.., Some(command)) => KeySource::Command(command.clone()),
        (None, None, None) => {
            stored = Some(checked_key(&ask_for_key()?)?);
            KeySource::File(kept_key(&args.name)?)
        }
    };
    let key = match &stored {
        Some(key) => key.clone(),
        None => source.read()?,
    };
    let me = runtime()?.block_on(Client::new(&args.url, &key).get("/v1/me"))?;
    if let (Some(key), KeySource::File(path)) = (&stored, &source) {
        write_own(path, &format!("{key}\n"))?;
    }
    let mut config = Config::read()?;
    let kept = kept_key(&args.name)?;
    let is_used = matches!(&source, KeySource::File(path) if *path == kept);
    let profile = Profile {
        url: args.url.clone(),
        key: source,
    };
    config.profiles.insert(args.name.clone(), profile);
    config.current = Some(args.name.clone());
    config.write()?;
    if !is_used {
        remove(&kept)?;
    }
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    writeln!(
        out,
        "{} {} with the key {}",
        paint(GOOD, "logged in to"),
        paint(TITLE, &args.url),
        text(&me["key"]["id"]),
    )?;
    writeln!(
        out,
        "{}",
        paint(QUIET, format!("profile {} is in use", args.name))
    )?;
    Ok(ExitCode::SUCCESS)
}

/// From the terminal without showing it, or from standard input.
fn ask_for_key() -> Result<String, Error> {
    if io::stdin().is_terminal() {
        return Ok(rpassword::prompt_password("Key: ")?);
    }
    Ok(io::read_to_string(io::stdin())?)
}

pub(crate) fn main(command: &Profiles, out: &mut impl Write) -> Result<ExitCode, Error> {
    let mut config = Config::read()?;
    match command {
        Profiles::List { json } => list(&config, *json, out)?,
        Profiles::Use { name } => {
            config.profile(name)?;
            config.current = Some(name.clone());
            config.write()?;
        }
        Profiles::Remove { name } => {
            config.profile(name)?;
            config.profiles.remove(name);
            if config.current.as_ref() == Some(name) {
                config.current = None;
            }
            config.write()?;
            remove(&kept_key(name)?)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn list(config: &Config, json: bool, out: &mut impl Write) -> Result<(), Error> {
    let row = |(name, profile): (&String, &Profile)| {
        json!({
            "name": name,
            "url": profile.url,
            "key": profile.key.told(),
            "in_use": config.current.as_ref() == Some(name),
        })
    };
    let rows: Vec<_> = config.profiles.iter().map(row).collect();
    if !json {
        return Table::of("profiles").rows(&rows, out);
    }
    rows.iter().try_for_each(|row| json_line(out, row))
}

/// The user's configuration folder of Rung.
fn folder() -> Result<PathBuf, Error> {
    let absolute = |name| {
        env(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    let config =
        absolute("XDG_CONFIG_HOME").or_else(|| absolute("HOME").map(|home| home.join(".config")));
    let config = config.ok_or("no place for profiles: set HOME or XDG_CONFIG_HOME")?;
    Ok(config.join("rung"))
}

/// The file of a key that `login` keeps.
fn kept_key(profile: &str) -> Result<PathBuf, Error> {
    Ok(folder()?.join("keys").join(profile))
}

/// A file that only its owner reads.
fn read_own(path: &Path) -> Result<String, Error> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let metadata = fs::metadata(path).map_err(told)?;
    if metadata.is_dir() {
        return Err(format!("{} is a folder: name the file with the key", path.display()).into());
    }
    let mode = metadata.permissions().mode();
    if mode & OTHERS != 0 {
        let path = path.display();
        return Err(
            format!("{path} has a key, and others may use it: run `chmod 600 {path}`").into(),
        );
    }
    Ok(fs::read_to_string(path).map_err(told)?)
}

/// Writes a file that only its owner reads, whole or not at all.
pub(super) fn write_own(path: &Path, text: &str) -> Result<(), Error> {
    let told = |error: io::Error| format!("{}: {error}", path.display());
    let folder = path.parent().ok_or("a file has a folder")?;
    let mut builder = fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(told)?;
    // A temporary file has the mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(told)?;
    file.write_all(text.as_bytes()).map_err(told)?;
    file.persist(path).map_err(|error| told(error.error))?;
    Ok(())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}

fn name(text: &str) -> Result<String, String> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if text.is_empty() || text.len() > 64 || !text.bytes().all(is_fine) {
        return Err("must be 1 to 64 letters, digits, - or _".to_owned());
    }
    Ok(text.to_owned())
}

/// A user and password in a URL. It is not refused with the flags: what is wrong with a flag is told with its value.
fn without_user(url: &str) -> Result<(), Error> {
    let parsed = Url::parse(url)?;
    if parsed.username().is_empty() && parsed.password().is_none() {
        return Ok(());
    }
    let problem = "the URL of Rung has a user or a password: leave them out, and use `rung login` for the key";
    Err(Usage(problem.to_owned()).into())
}

/// The URL of a Rung, without the slash at its end. It may have a user: see [`without_user`].
pub(super) fn base(text: &str) -> Result<String, String> {
    let url =
        Url::parse(text).map_err(|error| format!("{error}: write http://HOST or https://HOST"))?;
    let is_plain = url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "http" | "https") || !is_plain {
        return Err("write http://HOST or https://HOST, without query and fragment".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_names_the_place_of_its_key() {
        let config: Config = toml::from_str(
            "current = \"a\"\n\
             [profiles.a]\nurl = \"http://a\"\nkey_file = \"/k\"\n\
             [profiles.b]\nurl = \"http://b\"\nkey_command = \"pass rung\"\n",
        )
        .unwrap();
        let told = |name| config.profile(name).unwrap().key.told();
        assert_eq!(told("a"), "file /k");
        assert_eq!(told("b"), "command `pass rung`");
        let again: Config = toml::from_str(&toml::to_string(&config).unwrap()).unwrap();
        assert_eq!(again.current.as_deref(), Some("a"));
        assert_eq!(again.profile("b").unwrap().key.told(), told("b"));
        let unknown = config.profile("c").err().unwrap().to_string();
        assert!(unknown.contains("there are a, b"), "{unknown}");
    }

    #[test]
    fn the_key_of_dev_goes_to_this_machine_alone() {
        for url in [
            "http://192.0.2.1:8080",
            "https://webhooks.example.com",
            "http://localhost.example.com",
        ] {
            let refused = dev_key(url).unwrap_err().to_string();
            assert_eq!(
                refused, "no key: set RUNG_KEY, or use `rung login`",
                "{url}"
            );
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("deep/key");
        write_own(&path, "ra_1\n").unwrap();
        assert_eq!(KeySource::File(path.clone()).read().unwrap(), "ra_1");
        for mode in [0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = KeySource::File(path.clone()).read().unwrap_err();
            assert!(refused.to_string().contains("chmod 600"), "{refused}");
        }
    }

    #[test]
    fn a_user_in_a_url_is_not_repeated() {
        for wrong in ["http://user@a", "https://user:pass@a", "https://:pass@a"] {
            let url = base(wrong).unwrap();
            let refused = without_user(&url).unwrap_err().to_string();
            assert!(refused.contains("leave them out"), "{refused}");
            assert!(!refused.contains("pass@"), "{refused}");
        }
        without_user("http://127.0.0.1:8080").unwrap();
    }

    #[test]
    fn a_folder_has_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let refused = read_own(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("is a folder"), "{refused}");
        assert!(!refused.contains("chmod"), "{refused}");
    }

    #[test]
    fn a_key_is_one_word() {
        assert_eq!(checked_key(" ra_1\n").unwrap(), "ra_1");
        for wrong in ["", "\n", "two words", "two\nlines", "ra_ü"] {
            assert!(checked_key(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_url_is_that_of_a_server() {
        assert_eq!(base("https://a.example/").unwrap(), "https://a.example");
        assert_eq!(
            base("http://127.0.0.1:8080/base/").unwrap(),
            "http://127.0.0.1:8080/base"
        );
        for wrong in ["", "a.example", "ftp://a", "http://a?b", "http://a#b"] {
            assert!(base(wrong).is_err(), "{wrong}");
        }
    }
}
