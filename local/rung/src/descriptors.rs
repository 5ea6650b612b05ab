//! How the process's file descriptors are shared out: between clients, deliveries, and what must always be there.
//!
//! | who | gets |
//! | --- | --- |
//! | the databases, the listener, standard streams, name lookups | [`RESERVED`] |
//! | clients of the API, [`clients`] | half of the rest, at most [`MOST_CLIENTS`] |
//! | deliveries, [`deliveries`] | all that is left |

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are for neither clients nor deliveries.
const RESERVED: u64 = 64;
/// Most connections of clients: each may hold a head of 64 KiB in memory.
const MOST_CLIENTS: u64 = 4_096;
/// Fewest, however few descriptors there are.
const LEAST_CLIENTS: u64 = 8;
/// Fewest descriptors of deliveries, likewise.
const LEAST_DELIVERIES: u64 = 8;
/// More are never asked for: where there is no limit, some systems have one all the same.
const MOST: u64 = 1 << 20;

/// Raises the limit as far as this process may. The usual one is there for programs that know no better than 1,024.
pub(crate) fn raise() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(MOST);
    if current.is_some_and(|current| current < wanted) {
        let raised = Rlimit {
            current: Some(wanted),
            maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, ?current, "the limit of file descriptors cannot be raised");
        }
    }
}

/// How many descriptors deliveries may use.
pub(crate) fn deliveries() -> usize {
    deliveries_of(getrlimit(Resource::Nofile).current)
}

/// Of a limit; `None` is no limit.
fn deliveries_of(limit: Option<u64>) -> usize {
    let rest = limit.unwrap_or(MOST).min(MOST).saturating_sub(RESERVED);
    let left = rest.saturating_sub(clients_of(limit) as u64);
    left.max(LEAST_DELIVERIES) as usize
}

/// How many connections of clients there may be at once.
pub(crate) fn clients() -> usize {
    clients_of(getrlimit(Resource::Nofile).current)
}

/// Of a limit; `None` is no limit.
fn clients_of(limit: Option<u64>) -> usize {
    let rest = limit.unwrap_or(u64::MAX).saturating_sub(RESERVED);
    (rest / 2).clamp(LEAST_CLIENTS, MOST_CLIENTS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_half_of_what_is_not_reserved() {
        for (limit, clients) in [
            (Some(16), 8),
            (Some(256), 96),
            (Some(1_024), 480),
            (Some(1_048_576), 4_096),
            (None, 4_096),
        ] {
            assert_eq!(clients_of(limit), clients);
        }
    }

    #[test]
    fn deliveries_get_what_clients_leave() {
        for (limit, deliveries) in [
            (Some(16), 8),
            (Some(256), 96),
            (Some(1_024), 480),
            (Some(20_000), 20_000 - 64 - 4_096),
            (None, (1 << 20) - 64 - 4_096),
        ] {
            assert_eq!(deliveries_of(limit), deliveries);
        }
    }
}
