//! Receivers that offer HTTP/2 and then demand HTTP/1.1 (RFC 9113, section 9.2.3, `HTTP_1_1_REQUIRED`), as some do that ask for a client
//! certificate: for a while they are not asked over HTTP/2 first.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use url::Url;

/// How long a receiver's demand is remembered.
const REMEMBERED_FOR: Duration = Duration::from_secs(10 * 60);
/// How many receivers' demands are remembered; with more, all are forgotten.
const REMEMBERED: usize = 1_000;

/// Who has demanded it, by host and port, and when.
#[derive(Default)]
pub(super) struct Http1Hosts(Mutex<HashMap<(String, u16), Instant>>);

impl Http1Hosts {
    /// The receiver at this URL demands HTTP/1.1.
    pub(super) fn note(&self, url: &Url) {
        let mut hosts = self.lock();
        if hosts.len() >= REMEMBERED {
            hosts.clear();
        }
        hosts.insert(host(url), Instant::now());
    }

    /// Whether it has demanded that lately.
    pub(super) fn has(&self, url: &Url) -> bool {
        let mut hosts = self.lock();
        if hosts.is_empty() {
            return false;
        }
        let host = host(url);
        let has = hosts
            .get(&host)
            .is_some_and(|noted| noted.elapsed() < REMEMBERED_FOR);
        if !has {
            hosts.remove(&host);
        }
        has
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u16), Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn host(url: &Url) -> (String, u16) {
    let host = url.host_str().unwrap_or_default().to_owned();
    (host, url.port_or_known_default().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn url(number: usize) -> Url {
        Url::parse(&format!("https://host{number}.example/hook")).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_demand_is_remembered_for_a_while() {
        let hosts = Http1Hosts::default();
        hosts.note(&url(1));
        assert!(hosts.has(&url(1)) && !hosts.has(&url(2)));
        let other_port = Url::parse("https://host1.example:8443/hook").unwrap();
        assert!(!hosts.has(&other_port));
        tokio::time::advance(REMEMBERED_FOR).await;
        assert!(!hosts.has(&url(1)));
        assert!(hosts.lock().is_empty());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let hosts = Http1Hosts::default();
        for number in 0..3 * REMEMBERED {
            hosts.note(&url(number));
            assert!(hosts.has(&url(number)));
            assert!(hosts.lock().len() <= REMEMBERED);
        }
    }
}
