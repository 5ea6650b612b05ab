//! The one reader of the environment: what the functions are told at their start.

use std::{
    env,
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_secretsmanager::error::DisplayErrorContext;
use aws_smithy_types::timeout::TimeoutConfig;
use ipnet::IpNet;
use rung_base::clock::{Clock, SystemClock};
use rung_dialect::{DialectFaults, Dialects};
use tracing_subscriber::filter::LevelFilter;
use url::Url;

use crate::{
    aws_http,
    branding::Branding,
    egress::{self, Proxy, ProxyFault, Roots, RootsFault},
    encryption::{KeyRing, KeyRingFault},
    flow::{accept::Publisher, control::Control, deliver::Deliverer, post::Poster, sweep::Sweeper},
    limits::{ADMIN_KEY_CHARS, RETENTION_MARGIN, WEBHOOKS_PER_TENANT},
    metrics::Metrics,
    queue::{Queue, RefusedEvents, Urls},
    store::Store,
    topic::Topic,
};

const DAY: Duration = Duration::from_secs(86_400);

/// How long events, deliveries and logs are kept unless told otherwise.
pub const DEFAULT_RETENTION: Duration = Duration::from_secs(30 * 86_400);

/// Longest that they may be kept, in days.
const RETENTION_DAYS_MAX: u32 = 3_650;

/// The file descriptors that deliveries may use. A Lambda function has 1,024, and other things that need some: the AWS clients,
/// mostly.
const EGRESS_DESCRIPTORS: usize = 768;

/// How long one try of an AWS call may take. A connection that died while the function was frozen must not use up its time.
const AWS_ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// Why a start is refused.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable that must be there.
    #[error("the environment variable {0} is not set")]
    Missing(&'static str),
    /// A variable that makes no sense.
    #[error("the environment variable {name} must be {expected}")]
    Invalid {
        /// Its name.
        name: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// An admin key that is too easily guessed, or that no header carries.
    #[error("the admin key {0}")]
    AdminKey(String),
    /// A secret that cannot be read.
    #[error("cannot read the secret named by {variable}: {reason}")]
    Secret {
        /// The variable that names it.
        variable: &'static str,
        /// Why.
        reason: String,
    },
    /// Settings of the portal that make no sense.
    #[error("the environment variable RUNG_PORTAL must be a JSON object: {0}")]
    Portal(String),
    /// Encryption keys that are none.
    #[error(transparent)]
    EncryptionKeys(#[from] KeyRingFault),
    /// A dialect file that cannot be read.
    #[error("cannot read the dialect file {path}: {source}")]
    DialectFile {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of trusted roots that is none.
    #[error("cannot take the trusted roots of {path}: {fault}")]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why.
        fault: RootsFault,
    },
    /// The outgoing proxy's URL is none.
    #[error("the environment variable RUNG_EGRESS_PROXY {0}")]
    EgressProxy(#[from] ProxyFault),
    /// A dialect file with a mistake.
    #[error(transparent)]
    Dialect(#[from] DialectFaults),
    /// A retention that would let events expire on their ladder.
    #[error(
        "the environment variable RUNG_RETENTION_DAYS must be a number of days from {} to {RETENTION_DAYS_MAX}, not {}: \
         the ladder of the dialect {dialect} takes up to {} days, and {} more are needed to see what became of deliveries",
        (*.ladder + RETENTION_MARGIN).as_secs().div_ceil(86_400), .retention.as_secs() / 86_400,
        .ladder.as_secs().div_ceil(86_400), RETENTION_MARGIN.as_secs() / 86_400
    )]
    Retention {
        /// The retention.
        retention: Duration,
        /// The dialect with the longest ladder.
        dialect: String,
        /// How long that takes.
        ladder: Duration,
    },
}

/// Writes log lines to standard output, as `AWS_LAMBDA_LOG_LEVEL` and `AWS_LAMBDA_LOG_FORMAT` say. Lambda adds the time.
pub fn init_logging() {
    let level = optional("AWS_LAMBDA_LOG_LEVEL").and_then(|level| level.parse().ok());
    let lines = tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(LevelFilter::INFO))
        .with_target(false)
        .without_time();
    let format = optional("AWS_LAMBDA_LOG_FORMAT").unwrap_or_default();
    if format.eq_ignore_ascii_case("json") {
        lines.json().init();
    } else {
        lines.init();
    }
}

/// The settings that mean the same in the functions and in `rung dev`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long events, deliveries and logs are kept: `RUNG_RETENTION_DAYS`.
    pub retention: Duration,
    /// The operator's own dialect files: `RUNG_DIALECTS`.
    pub dialect_files: Vec<PathBuf>,
    /// Files of roots that are trusted besides those that were compiled in: `RUNG_CA_FILES`.
    pub ca_files: Vec<PathBuf>,
    /// Whether only public HTTPS URLs are taken, if `RUNG_STRICT` says so or not.
    pub strict: Option<bool>,
    /// The networks that deliveries come from: `RUNG_EGRESS_IPS`.
    pub egress_ips: Vec<IpNet>,
    /// How many webhooks a tenant may have: `RUNG_WEBHOOKS_PER_TENANT`.
    pub webhooks_per_tenant: u32,
    /// How many events a tenant may publish in a second: `RUNG_TENANT_RATE`.
    pub events_per_second: Option<u64>,
    /// The operator's key: `RUNG_ADMIN_KEY`.
    pub admin_key: Option<String>,
    /// Where the API is reached from outside: `RUNG_PUBLIC_URL`.
    pub public_url: Option<Url>,
    /// How the portal looks: `RUNG_PORTAL`.
    pub branding: Branding,
    /// The proxy that deliveries go through: `RUNG_EGRESS_PROXY`.
    pub egress_proxy: Option<Proxy>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            retention: DEFAULT_RETENTION,
            dialect_files: Vec::new(),
            ca_files: Vec::new(),
            strict: None,
            egress_ips: Vec::new(),
            webhooks_per_tenant: WEBHOOKS_PER_TENANT,
            events_per_second: None,
            admin_key: None,
            public_url: None,
            branding: Branding::default(),
            egress_proxy: None,
        }
    }
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// When a variable makes no sense.
    pub fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            retention: retention()?,
            dialect_files: dialect_files(),
            ca_files: files("RUNG_CA_FILES"),
            strict: flag("RUNG_STRICT")?,
            egress_ips: egress_ips()?,
            webhooks_per_tenant: webhooks_per_tenant()?,
            events_per_second: events_per_second()?,
            admin_key: optional("RUNG_ADMIN_KEY"),
            public_url: public_url()?,
            branding: branding()?,
            egress_proxy: egress_proxy()?,
        })
    }
}

/// Checks an operator's key: long enough not to be guessed, and carried by an `Authorization` header as it is. The message does
/// not repeat the key, which may be right but for a blank.
///
/// # Errors
/// When it is not.
pub fn check_admin_key(key: &str) -> Result<(), ConfigError> {
    let printable = key.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if !printable || key.trim() != key {
        return Err(ConfigError::AdminKey(
            "must be printable ASCII characters without a blank at either end, as a header carries it"
                .to_owned(),
        ));
    }
    if key.len() < ADMIN_KEY_CHARS {
        return Err(ConfigError::AdminKey(format!(
            "must have at least {ADMIN_KEY_CHARS} characters, or it can be guessed; `openssl rand -hex 24` makes a good one"
        )));
    }
    Ok(())
}

/// What a function stands on, built from the environment.
#[derive(Clone)]
pub struct Context {
    /// The table.
    pub store: Store,
    /// The queues.
    pub queue: Queue,
    /// What webhooks may speak.
    pub dialects: Arc<Dialects>,
    /// Whether only public HTTPS URLs are taken.
    pub strict: bool,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// What the function counts.
    pub metrics: Metrics,
    /// The networks that deliveries come from.
    pub egress_ips: Vec<IpNet>,
    /// How many webhooks a tenant may have.
    pub webhooks_per_tenant: u32,
    /// How many events a tenant may publish in a second.
    pub events_per_second: Option<u64>,
    /// Where the API is reached from outside.
    pub public_url: Option<Url>,
    /// How the portal looks.
    pub branding: Branding,
    ca_files: Vec<PathBuf>,
    egress_proxy: Option<Proxy>,
    admin_key: Option<String>,
    operator_topic: Option<TopicArn>,
    events_dead_url: Option<String>,
    aws: SdkConfig,
}

impl Context {
    /// Reads the environment and builds the AWS clients.
    ///
    /// # Errors
    /// When a variable is missing or makes no sense, or a dialect file has a mistake.
    pub async fn from_env() -> Result<Self, ConfigError> {
        let Settings {
            retention,
            dialect_files,
            ca_files,
            strict,
            egress_ips,
            webhooks_per_tenant,
            events_per_second,
            admin_key,
            public_url,
            branding,
            egress_proxy,
        } = Settings::from_env()?;
        let dialects = load_dialects(&dialect_files, retention)?;
        let operator_topic = operator_topic()?;
        let urls = Urls {
            deliver: variable("RUNG_DELIVER_URL")?,
            retry: variable("RUNG_RETRY_URL")?,
            dead: variable("RUNG_DEAD_URL")?,
            retry_dead: variable("RUNG_RETRY_DEAD_URL")?,
        };
        let table = variable("RUNG_TABLE")?;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let metrics = metrics(&clock)?;
        let aws = aws().await;
        let store = Store::new(
            aws_sdk_dynamodb::Client::new(&aws),
            &table,
            encryption_keys(&aws).await?,
            Arc::clone(&clock),
            retention,
        );
        let queue = Queue::new(&aws_sdk_sqs::Client::new(&aws), &urls);
        Ok(Self {
            store,
            queue,
            dialects: Arc::new(dialects),
            strict: strict.unwrap_or(true),
            clock,
            metrics,
            egress_ips,
            webhooks_per_tenant,
            events_per_second,
            public_url,
            branding,
            ca_files,
            egress_proxy,
            admin_key,
            operator_topic,
            events_dead_url: optional("RUNG_EVENTS_DEAD_URL"),
            aws,
        })
    }

    /// The operator's key: `RUNG_ADMIN_KEY`, or what the secret `RUNG_ADMIN_KEY_SECRET` holds now.
    ///
    /// # Errors
    /// When neither is set, the secret cannot be read, or the key is [none that is taken](check_admin_key).
    pub async fn admin_key(&self) -> Result<String, ConfigError> {
        let admin_key = match self.admin_key.clone() {
            Some(key) => key,
            None => secret(&self.aws, "RUNG_ADMIN_KEY_SECRET").await?,
        };
        check_admin_key(&admin_key)?;
        Ok(admin_key)
    }

    /// What publishing needs.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::new(
            self.store.clone(),
            self.queue.clone(),
            Arc::clone(&self.dialects),
            Arc::clone(&self.clock),
        )
        .with_metrics(self.metrics.clone())
    }

    /// What goes on around attempts.
    #[must_use]
    pub fn control(&self) -> Control {
        Control::new(
            self.store.clone(),
            self.queue.clone(),
            Arc::clone(&self.dialects),
            Arc::clone(&self.clock),
            self.publisher(),
        )
    }

    /// What makes POSTs.
    ///
    /// # Errors
    /// When there is no encryption key: nothing could be signed.
    pub fn poster(&self) -> Result<Poster, ConfigError> {
        if self.store.encryption_key().is_none() {
            return Err(ConfigError::Missing("RUNG_ENCRYPTION_KEYS_SECRET"));
        }
        let policy = egress::Policy {
            strict: self.strict,
            proxy: self.egress_proxy.clone(),
        };
        let client = egress::Client::new(policy, load_roots(&self.ca_files)?, EGRESS_DESCRIPTORS);
        Ok(Poster::new(Arc::new(client), Arc::clone(&self.clock)))
    }

    /// What makes attempts.
    ///
    /// # Errors
    /// As [`Self::poster`].
    pub fn deliverer(&self) -> Result<Deliverer, ConfigError> {
        let (control, poster) = (self.control(), self.poster()?);
        Ok(Deliverer::new(control, poster, self.metrics.clone()))
    }

    /// The topic that the operator is told through, if there is one.
    #[must_use]
    pub fn operator_topic(&self) -> Option<Topic> {
        let TopicArn { arn, region } = self.operator_topic.as_ref()?;
        let config = aws_sdk_sns::config::Builder::from(&self.aws).region(region.clone());
        let client = aws_sdk_sns::Client::from_conf(config.build());
        Some(Topic::new(client, arn))
    }

    /// Where messages of the queue of events go that are refused, if there is such a queue.
    #[must_use]
    pub fn refused_events(&self) -> Option<RefusedEvents> {
        let url = self.events_dead_url.as_ref()?;
        let client = aws_sdk_sqs::Client::new(&self.aws);
        Some(RefusedEvents::new(&client, url))
    }

    /// What the sweep needs.
    #[must_use]
    pub fn sweeper(&self) -> Sweeper {
        Sweeper {
            store: self.store.clone(),
            queue: self.queue.clone(),
            clock: Arc::clone(&self.clock),
            metrics: self.metrics.clone(),
        }
    }
}

/// The encryption keys, as `RUNG_ENCRYPTION_KEYS` has them, or the secret `RUNG_ENCRYPTION_KEYS_SECRET` now. A function that is told
/// of none neither reads nor writes what is encrypted.
async fn encryption_keys(aws: &SdkConfig) -> Result<KeyRing, ConfigError> {
    const SECRET: &str = "RUNG_ENCRYPTION_KEYS_SECRET";
    match given_encryption_keys()? {
        Some(keys) => Ok(keys),
        None if optional(SECRET).is_none() => Ok(KeyRing::empty()),
        None => Ok(KeyRing::parse(&secret(aws, SECRET).await?)?),
    }
}

/// The encryption keys that `RUNG_ENCRYPTION_KEYS` has, if it is set.
///
/// # Errors
/// When they are none.
pub fn given_encryption_keys() -> Result<Option<KeyRing>, ConfigError> {
    let text = optional("RUNG_ENCRYPTION_KEYS");
    Ok(text.map(|text| KeyRing::parse(&text)).transpose()?)
}

/// The text of the secret that a variable names.
async fn secret(aws: &SdkConfig, name: &'static str) -> Result<String, ConfigError> {
    let fault = |reason: String| ConfigError::Secret {
        variable: name,
        reason,
    };
    let client = aws_sdk_secretsmanager::Client::new(aws);
    let answer = client.get_secret_value().secret_id(variable(name)?);
    let answer = answer.send().await;
    let secret = answer.map_err(|error| fault(DisplayErrorContext(&error).to_string()))?;
    secret
        .secret_string
        .ok_or_else(|| fault("it holds no text".to_owned()))
}

/// What all AWS clients share.
async fn aws() -> SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_attempt_timeout(AWS_ATTEMPT_LIMIT);
    aws_config::defaults(BehaviorVersion::latest())
        .http_client(aws_http::client())
        .timeout_config(timeouts.build())
        .load()
        .await
}

/// The operator's own dialect files, as `RUNG_DIALECTS` names them.
#[must_use]
pub fn dialect_files() -> Vec<PathBuf> {
    files("RUNG_DIALECTS")
}

/// The dialects that come with Rung and those of the given files.
///
/// # Errors
/// When a file cannot be read or has a mistake, or a ladder is too long for the retention.
pub fn load_dialects(files: &[PathBuf], retention: Duration) -> Result<Dialects, ConfigError> {
    let builtin = Dialects::builtin();
    let longest = builtin.iter().max_by_key(|it| it.longest_ladder_ms());
    if let Some(dialect) = longest {
        let ladder = Duration::from_millis(dialect.longest_ladder_ms());
        if retention < ladder + RETENTION_MARGIN {
            return Err(ConfigError::Retention {
                retention,
                dialect: dialect.name.clone(),
                ladder,
            });
        }
    }
    let mut files = files.iter();
    files.try_fold(builtin, |dialects, path| {
        with_dialect(dialects, path, retention)
    })
}

/// These dialects and the one in a file, whose ladder must leave time to see what became of its deliveries.
///
/// # Errors
/// When the file cannot be read, and all its mistakes.
pub fn with_dialect(
    dialects: Dialects,
    path: &Path,
    retention: Duration,
) -> Result<Dialects, ConfigError> {
    let bytes = std::fs::read(path).map_err(|source| ConfigError::DialectFile {
        path: path.to_owned(),
        source,
    })?;
    let file = path.display().to_string();
    let dialects = dialects.with_bytes(&file, &bytes)?;
    // The file's own stands last.
    if let Some(own) = dialects.iter().last() {
        let needed = Duration::from_millis(own.longest_ladder_ms()) + RETENTION_MARGIN;
        if retention < needed {
            let margin = RETENTION_MARGIN.as_secs() / 86_400;
            let needed = needed.as_secs().div_ceil(86_400);
            let reason = format!(
                "the ladder takes up to {} days, and of a retention of {} days {margin} are to be left",
                needed - margin,
                retention.as_secs() / 86_400
            );
            let mend = format!(
                "use fewer or shorter waits, or keep events for {needed} days, as in `RUNG_RETENTION_DAYS={needed}`"
            );
            return Err(own.ladder_fault(&file, reason, mend).into());
        }
    }
    Ok(dialects)
}

/// The roots that come with Rung and those of the given files.
///
/// # Errors
/// When a file cannot be read, or anything in it is not a certificate.
pub fn load_roots(files: &[PathBuf]) -> Result<Roots, ConfigError> {
    let mut roots = Roots::builtin();
    for path in files {
        roots.add_file(path).map_err(|fault| ConfigError::CaFile {
            path: path.clone(),
            fault,
        })?;
    }
    Ok(roots)
}

/// The files that a variable names, separated as in `PATH`.
fn files(name: &str) -> Vec<PathBuf> {
    let paths = optional(name).unwrap_or_default();
    env::split_paths(&paths)
        .filter(|path| !path.as_os_str().is_empty())
        .collect()
}

/// Only Lambda makes metrics of what a process writes.
fn metrics(clock: &Arc<dyn Clock>) -> Result<Metrics, ConfigError> {
    let name = "RUNG_METRIC_TENANTS";
    let most_tenants = match optional(name).map(|number| number.parse()) {
        None => 0,
        Some(Ok(number @ 0..=1_000)) => number,
        Some(_) => {
            let expected = "a number from 0 to 1000";
            return Err(ConfigError::Invalid { name, expected });
        }
    };
    let function = optional("AWS_LAMBDA_FUNCTION_NAME");
    Ok(function.map_or_else(Metrics::default, |function| {
        Metrics::of(&function, most_tenants, Arc::clone(clock))
    }))
}

/// The networks that deliveries come from, as `RUNG_EGRESS_IPS` names them: addresses and networks, separated by commas.
fn egress_ips() -> Result<Vec<IpNet>, ConfigError> {
    let name = "RUNG_EGRESS_IPS";
    let texts = optional(name).unwrap_or_default();
    let texts = texts
        .split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty());
    let networks = texts.map(|text| {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
    });
    let expected = "IP addresses or networks such as 203.0.113.7/32, separated by commas";
    networks
        .collect::<Result<_, _>>()
        .map_err(|_| ConfigError::Invalid { name, expected })
}

/// How many webhooks a tenant may have, as `RUNG_WEBHOOKS_PER_TENANT` says.
fn webhooks_per_tenant() -> Result<u32, ConfigError> {
    let name = "RUNG_WEBHOOKS_PER_TENANT";
    let Some(number) = optional(name) else {
        return Ok(WEBHOOKS_PER_TENANT);
    };
    let number = number
        .parse()
        .ok()
        .filter(|number| (1..=1_000_000).contains(number));
    let expected = "a number from 1 to 1000000";
    number.ok_or(ConfigError::Invalid { name, expected })
}

/// How many events a tenant may publish in a second, as `RUNG_TENANT_RATE` says: enough for a full batch, or 0 for no limit.
fn events_per_second() -> Result<Option<u64>, ConfigError> {
    let name = "RUNG_TENANT_RATE";
    match optional(name).map(|number| number.parse()) {
        None | Some(Ok(0)) => Ok(None),
        Some(Ok(number @ 100..=1_000_000)) => Ok(Some(number)),
        Some(_) => {
            let expected = "0 for no limit, or a number from 100 to 1000000";
            Err(ConfigError::Invalid { name, expected })
        }
    }
}

/// A topic's name, and where it lives.
#[derive(Clone)]
struct TopicArn {
    arn: String,
    region: Region,
}

fn operator_topic() -> Result<Option<TopicArn>, ConfigError> {
    let name = "RUNG_OPERATOR_TOPIC";
    let Some(arn) = optional(name) else {
        return Ok(None);
    };
    let region = match arn.split(':').collect::<Vec<_>>()[..] {
        ["arn", _, "sns", region, _, _] => Region::new(region.to_owned()),
        _ => {
            let expected = "the ARN of an SNS topic";
            return Err(ConfigError::Invalid { name, expected });
        }
    };
    Ok(Some(TopicArn { arn, region }))
}

/// How long events are kept: `RUNG_RETENTION_DAYS`.
///
/// # Errors
/// When that is no number of days that there can be.
pub fn retention() -> Result<Duration, ConfigError> {
    let name = "RUNG_RETENTION_DAYS";
    let Some(days) = optional(name) else {
        return Ok(DEFAULT_RETENTION);
    };
    let days = days.parse().ok();
    let days = days.filter(|days| (1..=RETENTION_DAYS_MAX).contains(days));
    days.map(|days| DAY * days).ok_or(ConfigError::Invalid {
        name,
        expected: "a number of days up to 3650, and 7 more than the longest ladder takes",
    })
}

fn public_url() -> Result<Option<Url>, ConfigError> {
    let name = "RUNG_PUBLIC_URL";
    let Some(text) = optional(name) else {
        return Ok(None);
    };
    let url = Url::parse(&text).ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https"));
    url.map(Some).ok_or(ConfigError::Invalid {
        name,
        expected: "an http or https URL such as https://webhooks.example.com",
    })
}

fn branding() -> Result<Branding, ConfigError> {
    let text = optional("RUNG_PORTAL");
    let branding = text.map(|text| Branding::parse(&text)).transpose();
    Ok(branding.map_err(ConfigError::Portal)?.unwrap_or_default())
}

fn egress_proxy() -> Result<Option<Proxy>, ConfigError> {
    let text = optional("RUNG_EGRESS_PROXY");
    Ok(text.map(|text| Proxy::parse(&text)).transpose()?)
}

fn flag(name: &'static str) -> Result<Option<bool>, ConfigError> {
    match optional(name).as_deref() {
        None => Ok(None),
        Some("true" | "1" | "on") => Ok(Some(true)),
        Some("false" | "0" | "off") => Ok(Some(false)),
        Some(_) => Err(ConfigError::Invalid {
            name,
            expected: "true or false",
        }),
    }
}

fn variable(name: &'static str) -> Result<String, ConfigError> {
    optional(name).ok_or(ConfigError::Missing(name))
}

/// A variable's value; an empty one counts as none.
#[allow(clippy::disallowed_methods)]
fn optional(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_that_is_too_short_is_refused_with_the_range_that_is_allowed() {
        let refused = load_dialects(&[], DAY).map(drop).unwrap_err().to_string();
        assert_eq!(
            refused,
            "the environment variable RUNG_RETENTION_DAYS must be a number of days from 11 to 3650, not 1: the ladder of the dialect \
             badger takes up to 4 days, and 7 more are needed to see what became of deliveries"
        );
    }

    #[test]
    fn an_admin_key_is_long_enough_and_one_that_a_header_carries() {
        for key in [
            "0123456789abcdef",
            "the operator's own key",
            "~!~!~!~!~!~!~!~!",
        ] {
            assert!(check_admin_key(key).is_ok(), "{key}");
        }
        for (wrong, problem) in [
            ("", "16 characters"),
            ("k", "16 characters"),
            ("0123456789abcde", "16 characters"),
            (" 0123456789abcdef", "blank"),
            ("0123456789abcdef ", "blank"),
            ("0123456789abcdef\n", "blank"),
            ("0123456789abcdef\u{7f}", "ASCII"),
            ("der schlüssel der betreiber", "ASCII"),
            ("0123456789\tabcdef", "ASCII"),
        ] {
            let error = check_admin_key(wrong).err().map(|error| error.to_string());
            let error = error.unwrap_or_default();
            assert!(error.contains(problem), "{wrong:?}: {error}");
            assert!(wrong.is_empty() || wrong == "k" || !error.contains(wrong));
        }
    }
}
