//! Choosing what is common to several commands: a dialect, secrets, spans.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use rung_core::{
    config::{dialect_files, load_dialects, retention},
    egress::Names,
};
use rung_dialect::{Dialect, Dialects, check_secret_length};

use super::{Error, problem::Usage};

/// The dialects there are by name: those that come with Rung, and those of the files that `RUNG_DIALECTS` names.
pub(super) fn known() -> Result<Dialects, Error> {
    Ok(load_dialects(&dialect_files(), retention()?)?)
}

/// The dialect of this name or, where it looks like a path, the one in that file.
pub(super) fn dialect(choice: &str) -> Result<Arc<Dialect>, Error> {
    if is_path(choice) {
        return file(choice.into());
    }
    let dialects = known()?;
    let found = dialects.get(choice).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = dialects.names().collect();
        format!(
            "dialect {choice:?} not found: choose one of {}, or give the path of a dialect file, or name yours in RUNG_DIALECTS",
            names.join(", ")
        )
        .into()
    })
}

/// The dialect in a file.
pub(super) fn file(path: PathBuf) -> Result<Arc<Dialect>, Error> {
    let dialects = load_dialects(&[path], retention()?)?;
    // The operator's own stands last.
    let own = dialects.iter().last().cloned();
    own.ok_or_else(|| "the file has no dialect".into())
}

/// The dialects of these names and files; all that are known by name, if there are none.
pub(super) fn dialects(choices: &[String]) -> Result<Vec<Arc<Dialect>>, Error> {
    if choices.is_empty() {
        return Ok(known()?.iter().cloned().collect());
    }
    choices.iter().map(|choice| dialect(choice)).collect()
}

/// How the names of the headers of a dialect's deliveries are spelled.
pub(super) fn spelling(dialect: &Dialect) -> Names {
    dialect.spelled_headers().collect()
}

fn is_path(choice: &str) -> bool {
    choice.contains(std::path::MAIN_SEPARATOR) || choice.ends_with(".toml")
}

/// The environment variable with secrets.
const SECRET: &str = "RUNG_SECRET";

/// The secrets of a webhook, wherever they are.
#[derive(clap::Args)]
pub(super) struct Secrets {
    /// The webhook's secret; repeatable. Others on this machine can read arguments:
    /// outside of trials, use --secret-file or RUNG_SECRET
    #[arg(long)]
    secret: Vec<String>,
    /// A file with the webhook's secret; during a rotation with both, one per line; repeatable
    /// [default: RUNG_SECRET, which may have several lines too]
    #[arg(long, value_name = "FILE")]
    secret_file: Vec<PathBuf>,
}

impl Secrets {
    /// Those of the flags, else those of the environment.
    pub(super) fn read(&self) -> Result<Vec<String>, Error> {
        let mut secrets = self.secret.clone();
        for path in &self.secret_file {
            let told = |reason: &dyn std::fmt::Display| {
                format!("--secret-file {}: {reason}", path.display())
            };
            let text = fs::read_to_string(path).map_err(|error| told(&error))?;
            let before = secrets.len();
            secrets.extend(in_lines(&text));
            if secrets.len() == before {
                return Err(told(&"has no secret").into());
            }
        }
        if self.secret.is_empty() && self.secret_file.is_empty() {
            let text = env(SECRET).unwrap_or_default();
            secrets.extend(in_lines(&text));
        }
        for secret in &secrets {
            check_secret_length(secret).map_err(|fault| format!("the secret {fault}"))?;
        }
        Ok(secrets)
    }

    /// The same, for a command that cannot do without.
    pub(super) fn required(&self) -> Result<Vec<String>, Error> {
        let secrets = self.read()?;
        if secrets.is_empty() {
            return Err(Usage(format!(
                "no secret: use --secret-file FILE, or set {SECRET}"
            ))
            .into());
        }
        Ok(secrets)
    }

    /// The first one: during a rotation the new one.
    pub(super) fn first(&self) -> Result<String, Error> {
        Ok(self.required()?.swap_remove(0))
    }
}

/// A secret on each line.
fn in_lines(text: &str) -> impl Iterator<Item = String> + '_ {
    let lines = text.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned)
}

/// A variable that has a value. The one place where commands read the environment beside clap's.
#[allow(clippy::disallowed_methods)]
pub(super) fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads a span such as `1500ms` or `2s`.
pub(super) fn span(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let unit_ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "min" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let ms = number
        .parse::<u64>()
        .ok()
        .zip(unit_ms)
        .and_then(|(number, unit_ms)| number.checked_mul(unit_ms));
    ms.map(Duration::from_millis)
        .ok_or_else(|| "write an integer with ms, s, min, h or d, such as 1500ms or 2s".to_owned())
}
