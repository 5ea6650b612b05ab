//! Dialling a host's addresses, and whose fault it is when none takes the connection.
//!
//! | what the system says | whose |
//! | --- | --- |
//! | no descriptor, port, buffer or memory is left | this host's; no other address is tried |
//! | refused, unreachable, or no word within the time | the receiver's, whatever became of its other addresses |
//! | no route to an IPv4 address | this host's, if it has no way out over IPv4 at all |
//! | no route to any of its addresses, all of them IPv6 | this host's, if it has no way out at all: IPv6 is not taken for granted |
//! | forbidden, by a firewall on this host | this host's, unless other connections come about: then that address alone is forbidden, and a delivery to it must end some time |

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rustix::io::Errno;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::{Failure, HostFault};

/// An address that stays silent so long is given up if there is a next one. The first SYN is repeated after 1 s.
const ADDRESS_LIMIT: Duration = Duration::from_millis(1_250);
/// How long the last one may stay silent after others have failed: what they said tells more than a time-out.
const LAST_ADDRESS_LIMIT: Duration = Duration::from_secs(3);
/// How long a connection shows that this host's firewall lets some out.
const REACHED_LIMIT: Duration = Duration::from_secs(60);
/// Addresses that are far away, to ask the system for a route. Nothing is sent there.
const FAR_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 41, 0, 4));
const FAR_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30));

/// Opens TCP connections, wherever it is told to.
#[async_trait]
pub(super) trait Dial: Send + Sync {
    /// Connects to an address.
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream>;
}

/// The system's own TCP.
pub(super) struct SystemDialer;

#[async_trait]
impl Dial for SystemDialer {
    async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
        TcpStream::connect(address).await
    }
}

/// Dials hosts.
pub(super) struct HostDialer {
    dialer: Box<dyn Dial>,
    /// When another machine was reached last.
    reached: Mutex<Option<Instant>>,
}

impl HostDialer {
    pub(super) fn new(dialer: Box<dyn Dial>) -> Self {
        Self {
            dialer,
            reached: Mutex::default(),
        }
    }

    /// Connects to the first address that takes the connection.
    pub(super) async fn dial(&self, addresses: &[IpAddr], port: u16) -> Result<TcpStream, Failure> {
        let mut causes = Vec::new();
        for (index, &ip) in addresses.iter().enumerate() {
            let connecting = self.dialer.dial((ip, port).into());
            let limit = match addresses.len() {
                1 => None,
                all if index + 1 < all => Some(ADDRESS_LIMIT),
                _ => Some(LAST_ADDRESS_LIMIT),
            };
            let connected = match limit {
                None => connecting.await,
                Some(limit) => timeout(limit, connecting)
                    .await
                    .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
            };
            let cause = match connected {
                Ok(stream) => {
                    self.note_reached(ip);
                    return Ok(stream);
                }
                Err(error) => Cause::of(ip, &error),
            };
            match cause {
                Cause::Exhausted => return Err(HostFault::Exhausted.into()),
                Cause::Refused => self.note_reached(ip),
                _ => {}
            }
            causes.push((ip, cause));
        }
        Err(judge(&causes, has_route, self.reaches_others()))
    }

    fn note_reached(&self, ip: IpAddr) {
        if !ip.is_loopback() {
            *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        }
    }

    fn reaches_others(&self) -> bool {
        let reached = *self.reached.lock().unwrap_or_else(PoisonError::into_inner);
        reached.is_some_and(|at| at.elapsed() < REACHED_LIMIT)
    }
}

/// What a connect failed of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Refused,
    Unreachable,
    Exhausted,
    NoRoute,
    /// No port is left, or there is no IPv6 here: the system says the same of both.
    NoIpv6Address,
    Forbidden,
}

impl Cause {
    fn of(ip: IpAddr, error: &io::Error) -> Self {
        match Errno::from_io_error(error) {
            _ if is_exhausted(error) => Self::Exhausted,
            Some(Errno::CONNREFUSED) => Self::Refused,
            Some(Errno::ADDRNOTAVAIL) if ip.is_ipv6() => Self::NoIpv6Address,
            Some(Errno::ADDRNOTAVAIL) => Self::Exhausted,
            Some(Errno::NETUNREACH | Errno::NETDOWN | Errno::AFNOSUPPORT) => Self::NoRoute,
            Some(Errno::PERM | Errno::ACCESS) => Self::Forbidden,
            _ => Self::Unreachable,
        }
    }
}

/// Whether the system has no descriptor, buffer or memory left for another socket.
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN)
    )
}

/// Whose fault it is that none of the addresses took the connection.
fn judge(
    causes: &[(IpAddr, Cause)],
    has_route: impl Fn(IpAddr) -> bool,
    reaches_others: bool,
) -> Failure {
    let any = |cause| causes.iter().any(|(_, it)| *it == cause);
    if any(Cause::Refused) {
        return Failure::Refused;
    }
    if causes.is_empty() || any(Cause::Unreachable) {
        return Failure::Unreachable;
    }
    if any(Cause::NoIpv6Address) && has_route(FAR_V6) {
        return HostFault::Exhausted.into();
    }
    if any(Cause::Forbidden) {
        return if reaches_others {
            Failure::Unreachable
        } else {
            HostFault::Firewall.into()
        };
    }
    let over_ipv4 = causes.iter().any(|(ip, _)| ip.is_ipv4());
    if has_route(FAR_V4) || !over_ipv4 && has_route(FAR_V6) {
        Failure::Unreachable
    } else {
        HostFault::NoRoute.into()
    }
}

/// Whether the system knows a way to an address.
fn has_route(to: IpAddr) -> bool {
    let from: IpAddr = match to {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    // To connect a UDP socket is to look for a route: no packet goes out.
    UdpSocket::bind((from, 0))
        .and_then(|socket| socket.connect((to, 53)))
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
    const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7));

    /// The failure of a host whose addresses fail with these errors, on a machine with routes of these families.
    fn failure(errors: &[(IpAddr, Errno)], routes: &[IpAddr], reaches_others: bool) -> Failure {
        let causes: Vec<_> = errors
            .iter()
            .map(|(ip, errno)| (*ip, Cause::of(*ip, &io::Error::from(*errno))))
            .collect();
        judge(&causes, |to| routes.contains(&to), reaches_others)
    }

    #[test]
    fn what_is_used_up_on_this_host_is_its_own_fault() {
        for errno in [
            Errno::MFILE,
            Errno::NFILE,
            Errno::NOBUFS,
            Errno::NOMEM,
            Errno::AGAIN,
        ] {
            for ip in [V4, V6] {
                let cause = Cause::of(ip, &io::Error::from(errno));
                assert_eq!(cause, Cause::Exhausted, "{errno} {ip}");
            }
        }
        let no_port = io::Error::from(Errno::ADDRNOTAVAIL);
        assert_eq!(Cause::of(V4, &no_port), Cause::Exhausted);
        // Over IPv6 it is said of a machine without IPv6, too.
        let no_port = [(V6, Errno::ADDRNOTAVAIL)];
        let exhausted = Failure::Host(HostFault::Exhausted);
        assert_eq!(failure(&no_port, &[FAR_V4, FAR_V6], true), exhausted);
        assert_eq!(failure(&no_port, &[FAR_V4], true), Failure::Unreachable);
    }

    #[test]
    fn what_the_receivers_side_says_is_the_receivers() {
        for (errno, expected) in [
            (Errno::CONNREFUSED, Failure::Refused),
            (Errno::HOSTUNREACH, Failure::Unreachable),
            (Errno::TIMEDOUT, Failure::Unreachable),
            (Errno::CONNRESET, Failure::Unreachable),
        ] {
            assert_eq!(failure(&[(V4, errno)], &[], false), expected, "{errno}");
            // One of its addresses is enough, though there be no IPv6 here.
            let both = [(V4, errno), (V6, Errno::NETUNREACH)];
            assert_eq!(failure(&both, &[], false), expected, "{errno}");
        }
    }

    #[test]
    fn a_network_that_is_gone_is_this_hosts() {
        let gone = Failure::Host(HostFault::NoRoute);
        for errno in [Errno::NETUNREACH, Errno::NETDOWN] {
            for (addresses, routes, expected) in [
                (&[V4][..], &[][..], &gone),
                (&[V6], &[], &gone),
                (&[V4, V6], &[], &gone),
                (&[V4], &[FAR_V6], &gone),
                (&[V4, V6], &[FAR_V6], &gone),
                (&[V4], &[FAR_V4], &Failure::Unreachable),
                // Who has addresses that most of the world cannot reach.
                (&[V6], &[FAR_V4], &Failure::Unreachable),
                (&[V6], &[FAR_V4, FAR_V6], &Failure::Unreachable),
            ] {
                let errors: Vec<_> = addresses.iter().map(|ip| (*ip, errno)).collect();
                let failure = failure(&errors, routes, true);
                assert_eq!(failure, *expected, "{errno} {addresses:?} {routes:?}");
            }
        }
    }

    #[test]
    fn a_firewall_that_lets_nothing_out_is_this_hosts() {
        for errno in [Errno::PERM, Errno::ACCESS] {
            let forbidden = [(V4, errno)];
            let all = [FAR_V4, FAR_V6];
            assert_eq!(
                failure(&forbidden, &all, false),
                Failure::Host(HostFault::Firewall)
            );
            assert_eq!(failure(&forbidden, &all, true), Failure::Unreachable);
        }
    }

    /// Connects to no address: each refuses or is silent.
    struct Scripted;

    #[async_trait]
    impl Dial for Scripted {
        async fn dial(&self, address: SocketAddr) -> io::Result<TcpStream> {
            if address.is_ipv4() {
                return Err(Errno::CONNREFUSED.into());
            }
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn of_several_addresses_the_most_telling_error_is_shown() {
        let dialer = HostDialer::new(Box::new(Scripted));
        for addresses in [&[V4, V6][..], &[V6, V4], &[V6, V4, V6], &[V4]] {
            // Sooner than the shortest time-out of the dialects that come with Rung.
            let dialled = timeout(Duration::from_millis(4_900), dialer.dial(addresses, 443));
            let failure = dialled.await.expect("it takes too long").unwrap_err();
            assert_eq!(failure, Failure::Refused, "{addresses:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_other_machines_show_that_connections_come_about() {
        let dialer = HostDialer::new(Box::new(SystemDialer));
        dialer.note_reached(IpAddr::V4(Ipv4Addr::LOCALHOST));
        assert!(!dialer.reaches_others());
        dialer.note_reached(V4);
        assert!(dialer.reaches_others());
        tokio::time::advance(REACHED_LIMIT).await;
        assert!(!dialer.reaches_others());
    }
}
