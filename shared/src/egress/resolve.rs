//! From a host name to its addresses.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, NameServerConfig, ResolverConfig};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;

use super::Failure;

/// How long a query may stay unanswered before it is sent again: a lost packet must not use up a delivery's 5 s.
const QUERY_LIMIT: Duration = Duration::from_millis(1_500);
const QUERIES: usize = 3;
/// A name that was missing may be there at the next rung, whatever time to live its absence came with.
const MAX_NEGATIVE_TTL: Duration = Duration::from_secs(30);
const MAX_CACHED: u64 = 4_096;
/// Queries under way over one TCP connection (answers too long for UDP); beyond it they fail.
const MAX_TCP_QUERIES: usize = 1_024;

/// Looks host names up.
#[async_trait]
pub(super) trait Resolve: Send + Sync {
    /// All addresses of `host`, IPv4 first; not empty.
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure>;
}

/// The system's name servers and hosts file.
pub(super) struct SystemResolver(TokioResolver);

impl SystemResolver {
    pub(super) fn new() -> Self {
        let mut builder = TokioResolver::builder_tokio().unwrap_or_else(|error| {
            // What resolv.conf(5) says holds in its absence.
            tracing::warn!(%error, "no name server is configured; asking the one on this machine");
            let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
            let config = ResolverConfig::from_parts(None, Vec::new(), vec![local]);
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        });
        let options = builder.options_mut();
        // Both, so that the policy sees every address; most egress is IPv4 only.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.timeout = QUERY_LIMIT;
        options.attempts = QUERIES;
        options.negative_max_ttl = Some(MAX_NEGATIVE_TTL);
        options.cache_size = MAX_CACHED;
        options.max_active_requests = MAX_TCP_QUERIES;
        Self(
            builder
                .build()
                .expect("only a TLS configuration could fail, and none is asked for"),
        )
    }
}

#[async_trait]
impl Resolve for SystemResolver {
    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, Failure> {
        // With the final dot the name is asked for as it is, never within the machine's own search domains.
        let name = format!("{}.", host.strip_suffix('.').unwrap_or(host));
        let answer = self
            .0
            .lookup_ip(name)
            .await
            .map_err(|error| failure(&error))?;
        let addresses: Vec<IpAddr> = answer.iter().collect();
        if addresses.is_empty() {
            return Err(Failure::HostNotFound);
        }
        Ok(addresses)
    }
}

fn failure(error: &NetError) -> Failure {
    if error.is_no_records_found() {
        Failure::HostNotFound
    } else {
        Failure::Dns
    }
}
