//! From a host name to its addresses, and whose fault it is when there are none.
//!
//! That a name has no address is the receiver's. When a look-up fails otherwise (no answer, or a refusal), either that domain's
//! own name servers are out of order, or ours are. So ours are asked at once for a name that nobody has asked for before: no
//! cache knows it, theirs neither, so that one whose own name servers are out of reach cannot answer it. (The root, or a name that
//! has been resolved before, it may know by heart.) If they do not answer, it is this host's fault, and no attempt was made. If they
//! do, the name is looked up once more, since what failed may have been the end of an outage. If that fails as well, the domain is to
//! blame, and deliveries to it climb their ladder to its end.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use rung_base::chance as random;
use tokio::select;
use tokio::time::{Instant, timeout};

use super::dial::is_exhausted;
use super::{Failure, HostFault};

/// How long a query may stay unanswered before it is sent again: a lost packet must not use up a delivery's 5 s.
const QUERY_LIMIT: Duration = Duration::from_millis(1_500);
const QUERIES: usize = 3;
/// How long the name servers are given to answer anything at all.
const PROBE_LIMIT: Duration = Duration::from_secs(3);
/// How long they are given, once they have, for a name whose attempt is over.
const LATE_LIMIT: Duration = Duration::from_secs(2);
/// The domain whose names nobody asks for. It is reserved for documents, and no resolver treats it in its own way (RFC 6761, section 6.5).
const UNASKED: &str = "example.com";
/// A name that was missing may be there at the next rung, whatever time to live its absence came with.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(30);
const MAX_CACHED: u64 = 4_096;
/// How long IPv6 addresses are waited for once there are IPv4 ones: some name servers never answer for those, and most receivers
/// have none.
const IPV6_LIMIT: Duration = Duration::from_millis(150);
/// Queries under way over one TCP connection (answers too long for UDP); beyond it they fail.
const MAX_TCP_QUERIES: usize = 1_024;

/// Why a name has no addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unresolved {
    /// It has none.
    NotFound,
    /// No answer came, or none that says anything.
    Unanswered,
    /// This host had no socket to ask with.
    Exhausted,
}

/// Looks host names up.
#[async_trait]
pub(super) trait Resolve: Send + Sync {
    /// All addresses of `host`, IPv4 first; not empty.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved>;

    /// Whether the name servers answer anything when they are asked, past all caches, for a name that nobody has asked for and
    /// for `known`, a name that was resolved before. It may take as long as it likes.
    async fn answers(&self, known: Option<&str>) -> bool;
}

/// The look-ups of a client.
pub(super) struct Lookups {
    resolver: Box<dyn Resolve>,
    /// How many are under way, by host.
    under_way: Mutex<HashMap<String, usize>>,
    /// Whether deliveries go to public addresses only.
    strict: bool,
    /// The name that was resolved last, unless `strict`: in a network of its own, names outside are not known at all.
    known: Mutex<Option<String>>,
    /// When the name servers were probed last, and whether they answered.
    probed: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

impl Lookups {
    pub(super) fn new(resolver: Box<dyn Resolve>, strict: bool) -> Self {
        Self {
            resolver,
            strict,
            under_way: Mutex::default(),
            known: Mutex::default(),
            probed: tokio::sync::Mutex::default(),
        }
    }

    /// All addresses of `host`, IPv4 first.
    pub(super) async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        let _under_way = UnderWay::begin(self, host);
        match self.resolved(host).await {
            Err(Unresolved::Unanswered) if !self.works().await => {
                return Err(HostFault::NameServers.into());
            }
            Err(Unresolved::Unanswered) => self.resolved(host).await,
            resolved => resolved,
        }
        .map_err(Failure::from)
    }

    async fn resolved(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let addresses = self.resolver.resolve(host).await?;
        if !self.strict && !is_local(host) {
            *lock(&self.known) = Some(host.to_owned());
        }
        Ok(addresses)
    }

    /// Whether somebody waits for the addresses of `host`.
    pub(super) fn is_under_way(&self, host: &str) -> bool {
        lock(&self.under_way).contains_key(host)
    }

    /// Whose fault it is that a look-up of `host` was not answered in an attempt's time.
    pub(super) async fn unanswered(&self, host: &str) -> Failure {
        if !self.works().await {
            return HostFault::NameServers.into();
        }
        match timeout(LATE_LIMIT, self.resolved(host)).await {
            // There is no time left to make use of it.
            Ok(Ok(_)) => HostFault::NameServers.into(),
            Ok(Err(unresolved)) => unresolved.into(),
            Err(_) => Unresolved::Unanswered.into(),
        }
    }

    /// Whether our own name servers work from now on.
    async fn works(&self) -> bool {
        let since = Instant::now();
        let mut probed = self.probed.lock().await;
        // What was asked before does not tell how it is now; what somebody else has asked since does.
        if let Some((at, answers)) = *probed
            && at >= since
        {
            return answers;
        }
        let known = lock(&self.known).clone();
        let at = Instant::now();
        let probe = timeout(PROBE_LIMIT, self.resolver.answers(known.as_deref()));
        let answers = probe.await.unwrap_or(false);
        *probed = Some((at, answers));
        answers
    }
}

/// Of a name servers' answer that counts, because they work.
impl From<Unresolved> for Failure {
    fn from(unresolved: Unresolved) -> Self {
        match unresolved {
            Unresolved::NotFound => Self::HostNotFound,
            Unresolved::Unanswered => Self::Dns,
            Unresolved::Exhausted => HostFault::Exhausted.into(),
        }
    }
}

/// Whether a name means this machine, so that no name server is asked for it (RFC 6761, section 6.3).
fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host == "localhost" || host.ends_with(".localhost")
}

/// A look-up under way, until it is dropped.
struct UnderWay<'a> {
    lookups: &'a Lookups,
    host: &'a str,
}

impl<'a> UnderWay<'a> {
    fn begin(lookups: &'a Lookups, host: &'a str) -> Self {
        *lock(&lookups.under_way).entry(host.to_owned()).or_default() += 1;
        Self { lookups, host }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.lookups.under_way);
        if let Some(count) = under_way.get_mut(self.host) {
            *count -= 1;
            if *count == 0 {
                under_way.remove(self.host);
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The system's name servers and hosts file.
pub(super) struct SystemResolver {
    ipv4: TokioResolver,
    ipv6: TokioResolver,
    /// The same name servers, without a memory and without a hosts file.
    probe: TokioResolver,
}

impl SystemResolver {
    pub(super) fn new() -> Self {
        let (config, options) = name_servers();
        Self::of(config, options)
    }

    pub(super) fn of(config: ResolverConfig, mut options: ResolverOpts) -> Self {
        options.timeout = QUERY_LIMIT;
        options.attempts = QUERIES;
        let mut past_caches = options.clone();
        past_caches.cache_size = 0;
        past_caches.use_hosts_file = ResolveHosts::Never;
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        options.cache_size = MAX_CACHED;
        options.max_active_requests = MAX_TCP_QUERIES;
        let mut of_family = |strategy| {
            options.ip_strategy = strategy;
            resolver(config.clone(), options.clone())
        };
        Self {
            ipv4: of_family(LookupIpStrategy::Ipv4Only),
            ipv6: of_family(LookupIpStrategy::Ipv6Only),
            probe: resolver(config, past_caches),
        }
    }

    /// Whether the name servers answer a question, whatever it is that they answer.
    async fn is_answered(&self, name: Name, kind: RecordType) -> bool {
        match self.probe.lookup(name, kind).await {
            Ok(_) => true,
            Err(error) => error.is_no_records_found(),
        }
    }
}

/// The system's name servers, and its options for asking them.
fn name_servers() -> (ResolverConfig, ResolverOpts) {
    read_system_conf().unwrap_or_else(|error| {
        // What resolv.conf(5) says holds in its absence.
        tracing::warn!(%error, "no name server is configured; asking the one on this machine");
        let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
        (config, ResolverOpts::default())
    })
}

fn resolver(config: ResolverConfig, options: ResolverOpts) -> TokioResolver {
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder
        .build()
        .expect("only a TLS configuration could fail, and none is asked for")
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Unresolved> {
        let name = absolute(host).ok_or(Unresolved::NotFound)?;
        let mut ipv4 = pin!(addresses(&self.ipv4, name.clone()));
        let mut ipv6 = pin!(addresses(&self.ipv6, name));
        // Both are asked at once; most egress is IPv4 only.
        let (ipv4, ipv6) = select! {
            biased;
            found = &mut ipv4 => match found {
                Ok(_) => {
                    let in_time = timeout(IPV6_LIMIT, ipv6).await;
                    (found, in_time.unwrap_or(Err(Unresolved::NotFound)))
                }
                Err(_) => (found, ipv6.await),
            },
            found = &mut ipv6 => (ipv4.await, found),
        };
        match (ipv4, ipv6) {
            (Ok(ipv4), Ok(ipv6)) => Ok([ipv4, ipv6].concat()),
            (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
            (Err(Unresolved::NotFound), Err(other)) => Err(other),
            (Err(other), Err(_)) => Err(other),
        }
    }

    async fn answers(&self, known: Option<&str>) -> bool {
        let known = async {
            match known.and_then(absolute) {
                Some(known) => self.is_answered(known, RecordType::A).await,
                None => false,
            }
        };
        let unasked = async {
            let label = u64::from_be_bytes(random::bytes());
            match absolute(&format!("rung-{label:016x}.{UNASKED}")) {
                Some(unasked) => self.is_answered(unasked, RecordType::A).await,
                None => false,
            }
        };
        select! {
            true = unasked => true,
            true = known => true,
            else => false,
        }
    }
}

/// The name as it is, never within the machine's own search domains. Its labels may have any character, as some have that are not
/// host names by the letter (`my_app`, `-a`).
fn absolute(host: &str) -> Option<Name> {
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    Name::from_labels(labels.map(str::as_bytes)).ok()
}

/// A name's addresses of the family that is asked for; not empty.
async fn addresses(resolver: &TokioResolver, name: Name) -> Result<Vec<IpAddr>, Unresolved> {
    let answer = resolver.lookup_ip(name).await;
    let answer = answer.map_err(|error| unresolved(&error))?;
    let addresses: Vec<IpAddr> = answer.iter().collect();
    if addresses.is_empty() {
        return Err(Unresolved::NotFound);
    }
    Ok(addresses)
}

fn unresolved(error: &NetError) -> Unresolved {
    match error {
        _ if error.is_no_records_found() => Unresolved::NotFound,
        NetError::Io(error) if is_exhausted(error) => Unresolved::Exhausted,
        _ => Unresolved::Unanswered,
    }
}
