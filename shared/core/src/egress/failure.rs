//! Why a POST has no answer: by the receiver's doing, in its owner's words, or by a fault of this host's.

use std::io;
use std::time::Duration;

use rustls::{AlertDescription, CertificateError, PeerIncompatible};
use thiserror::Error;

use super::policy::UrlFault;
use super::trust;
use crate::domain::attempt::ErrorCode;

/// Why a POST has no answer.
///
/// All variants but [`Failure::Host`] are the receiver's, and `Display` is a sentence for the tenant's log: it names neither
/// addresses nor anything else of the network that deliveries leave from.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// The receiver has no part in it: nothing is known of it, and no attempt was made.
    #[error(transparent)]
    Host(#[from] HostFault),
    /// The deadline passed before the answer's headers were complete.
    #[error("No response within {} s.", .0.as_secs_f64())]
    Timeout(Duration),
    /// The URL is not one that may be posted to (any more).
    #[error("The URL is not allowed: it {0}.")]
    Url(UrlFault),
    /// The request could not be put together.
    #[error("The request could not be built: its URL or a header is invalid.")]
    Unsendable,
    /// It would have gone out unsigned: the webhook's secret cannot sign in its dialect.
    #[error(
        "The request was not sent, because the webhook's secret cannot sign in its dialect. Rotate the secret."
    )]
    Unsigned,
    /// It would have gone out without the certificate that it is to present.
    #[error(
        "The request was not sent, because the webhook's client certificate cannot be used. Set it again."
    )]
    Identity,
    /// The name server knows no address for the host.
    #[error("The host name has no address.")]
    HostNotFound,
    /// The name server could not tell.
    #[error("The host name could not be looked up.")]
    Dns,
    /// At least one of the host's addresses is not public.
    #[error("The host has an address that is not public.")]
    ForbiddenAddress,
    /// The outgoing proxy has rules of its own.
    #[error("The operator's outgoing proxy does not connect to the host.")]
    ForbiddenByProxy,
    /// Nothing listens at the port.
    #[error("The connection was refused.")]
    Refused,
    /// The connection could not be made for another reason.
    #[error("The host could not be reached.")]
    Unreachable,
    /// The certificate is past its validity, or before it.
    #[error("The host's TLS certificate has expired or is not valid yet.")]
    CertificateExpired,
    /// The certificate is for other names.
    #[error("The host's TLS certificate is for another name.")]
    CertificateName,
    /// The certificate doesn't chain to a root that is trusted; often an intermediate certificate is missing.
    #[error(
        "The host's TLS certificate is not issued by a trusted authority (it may be self-signed), or an intermediate certificate is missing."
    )]
    CertificateIssuer,
    /// The certificate is one of an authority itself, as those are that one makes for oneself, and is not trusted.
    #[error("The host's TLS certificate is self-signed: no trusted authority has issued it.")]
    CertificateSelfSigned,
    /// The certificate was refused for another reason.
    #[error("The host's TLS certificate is not valid.")]
    Certificate,
    /// No TLS 1.2 or 1.3 session came about, or it broke.
    #[error("The TLS handshake failed: {0}.")]
    Tls(TlsFault),
    /// It takes no connection from who presents this certificate.
    #[error("The receiver refused the client certificate: {0}.")]
    CertificateRefused(Refusal),
    /// The connection ended before the answer's headers were complete.
    #[error("The host closed the connection before it responded.")]
    Closed,
    /// The connection ended within the answer's head.
    #[error(
        "The host closed the connection before its response's headers were complete.{}",
        began_with(beginning)
    )]
    ClosedEarly {
        /// Its first bytes, escaped.
        beginning: String,
    },
    /// What came isn't HTTP, or more of it than a head may have.
    #[error(
        "The host's response was not valid HTTP, or its headers were too long.{}",
        began_with(beginning)
    )]
    Protocol {
        /// Its first bytes, escaped; empty if they are not known.
        beginning: String,
    },
    /// More interim answers than a receiver has reason to send.
    #[error("The host sent too many interim responses (1xx).")]
    Interim,
}

/// Why no TLS session came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TlsFault {
    /// It knows older versions only.
    #[error("the host speaks neither TLS 1.2 nor TLS 1.3")]
    Version,
    /// Nothing of what is offered suits it. A server that wants a client certificate over TLS 1.2 may say the same.
    #[error(
        "the host accepts none of the cipher suites offered: those of TLS 1.3, and of TLS 1.2 those with ECDHE and AES-GCM or \
         ChaCha20-Poly1305, not CBC; or it demands a client certificate"
    )]
    Ciphers,
    /// What came is no TLS.
    #[error("the host does not speak TLS at this port")]
    NotTls,
    /// The connection ended.
    #[error("the host closed the connection during it")]
    Closed,
    /// The server has no certificate for the name.
    #[error("the host does not know the URL's host name")]
    UnknownName,
    /// The server wants to know who asks.
    #[error("the host demands a client certificate")]
    ClientCertificate,
    /// It wants another protocol than HTTP.
    #[error("the host speaks neither HTTP/1.1 nor HTTP/2, or not the one that the dialect demands")]
    ApplicationProtocol,
    /// No certificate can be for the name.
    #[error("the URL's host name is none that a certificate can be for")]
    HostName,
    /// Anything else.
    #[error("the host must speak TLS 1.2 or 1.3")]
    Other,
}

impl TlsFault {
    fn of(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::HandshakeFailure | AlertDescription::InsufficientSecurity => {
                    Self::Ciphers
                }
                AlertDescription::ProtocolVersion => Self::Version,
                AlertDescription::UnrecognisedName => Self::UnknownName,
                AlertDescription::NoApplicationProtocol => Self::ApplicationProtocol,
                _ => Self::Other,
            },
            rustls::Error::NoApplicationProtocol => Self::ApplicationProtocol,
            rustls::Error::PeerIncompatible(fault) => match fault {
                PeerIncompatible::ServerDoesNotSupportTls12Or13
                | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig => Self::Version,
                PeerIncompatible::NoCipherSuitesInCommon | PeerIncompatible::NoKxGroupsInCommon => {
                    Self::Ciphers
                }
                _ => Self::Other,
            },
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            _ => Self::Other,
        }
    }
}

/// Why a receiver does not accept a client certificate, as far as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Its time is over, by the receiver's clock.
    #[error("it has expired")]
    Expired,
    /// It was withdrawn.
    #[error("it was revoked")]
    Revoked,
    /// The receiver trusts nobody who has issued it.
    #[error("the receiver does not trust who issued it, or a certificate in between is missing")]
    UnknownAuthority,
    /// The receiver knows it and does not let it in.
    #[error("it gives no access")]
    NoAccess,
    /// The receiver takes no certificates of its kind.
    #[error("its kind is not supported")]
    Unsupported,
    /// It came without one that the receiver could take.
    #[error("the receiver demands another")]
    Required,
    /// The receiver does not say.
    #[error("the receiver does not say why")]
    Other,
}

impl Refusal {
    /// What an alert says of the certificate of whoever receives it.
    fn of(alert: AlertDescription) -> Option<Self> {
        Some(match alert {
            AlertDescription::CertificateExpired => Self::Expired,
            AlertDescription::CertificateRevoked => Self::Revoked,
            AlertDescription::UnknownCA => Self::UnknownAuthority,
            AlertDescription::AccessDenied => Self::NoAccess,
            AlertDescription::UnsupportedCertificate => Self::Unsupported,
            AlertDescription::CertificateRequired => Self::Required,
            AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => Self::Other,
            _ => return None,
        })
    }
}

/// A fault of the machine that deliveries leave from, of its name servers, or of its network. The operator is told, the
/// receiver's owner is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum HostFault {
    /// No file descriptor, port or memory is left for another connection.
    #[error("this host has no file descriptor, port or memory left for another connection")]
    Exhausted,
    /// All connections that may be open at a time were taken for as long as the delivery could wait.
    #[error(
        "no connection slot became free in time; the limit of file descriptors bounds their number"
    )]
    NoSlot,
    /// The name servers answer nothing, whatever they are asked.
    #[error("this host's name servers do not answer")]
    NameServers,
    /// There is no route out of this machine.
    #[error("this host has no route to the internet")]
    NoRoute,
    /// This machine's own firewall lets nothing out.
    #[error("this host's own firewall lets no connection out")]
    Firewall,
    /// The outgoing proxy is not there, or refuses to serve this host.
    #[error("the outgoing proxy cannot be reached, or refuses to serve this host")]
    Proxy,
}

impl HostFault {
    /// A stable code for programs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Exhausted => "host_exhausted",
            Self::NoSlot => "host_no_slot",
            Self::NameServers => "host_name_servers",
            Self::NoRoute => "host_no_route",
            Self::Firewall => "host_firewall",
            Self::Proxy => "host_proxy",
        }
    }
}

impl Failure {
    /// A stable code for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Host(fault) => fault.code(),
            Self::Timeout(_) => "timeout",
            Self::Url(_) => "url_forbidden",
            Self::Unsendable | Self::Unsigned | Self::Identity => "request_invalid",
            Self::HostNotFound => "host_not_found",
            Self::Dns => "dns_failed",
            Self::ForbiddenAddress | Self::ForbiddenByProxy => "address_forbidden",
            Self::Refused => "connection_refused",
            Self::Unreachable => "host_unreachable",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateName => "certificate_name_mismatch",
            Self::CertificateIssuer => "certificate_untrusted",
            Self::CertificateSelfSigned => "certificate_self_signed",
            Self::Certificate => "certificate_invalid",
            Self::CertificateRefused(_) => "client_certificate_refused",
            Self::Tls(_) => "tls_failed",
            Self::Closed | Self::ClosedEarly { .. } => "connection_closed",
            Self::Protocol { .. } | Self::Interim => "protocol_error",
        }
    }

    /// What the log has of it, for programs.
    #[must_use]
    pub fn error_code(&self) -> ErrorCode {
        match self {
            Self::Timeout(_) => ErrorCode::Timeout,
            Self::Url(_) => ErrorCode::UrlForbidden,
            Self::Unsendable | Self::Unsigned | Self::Identity => ErrorCode::Request,
            Self::HostNotFound | Self::Dns => ErrorCode::Dns,
            Self::ForbiddenAddress | Self::ForbiddenByProxy => ErrorCode::AddressForbidden,
            Self::Refused => ErrorCode::Refused,
            Self::Unreachable | Self::Host(_) => ErrorCode::Unreachable,
            Self::CertificateExpired
            | Self::CertificateName
            | Self::CertificateIssuer
            | Self::CertificateSelfSigned
            | Self::Certificate
            | Self::CertificateRefused(_)
            | Self::Tls(_) => ErrorCode::Tls,
            Self::Closed | Self::ClosedEarly { .. } => ErrorCode::Reset,
            Self::Protocol { .. } | Self::Interim => ErrorCode::Protocol,
        }
    }

    /// The same, with what `quoted` makes of the receiver's own words in it.
    #[must_use]
    pub(crate) fn quoting(mut self, quoted: impl FnOnce(String) -> String) -> Self {
        if let Self::ClosedEarly { beginning } | Self::Protocol { beginning } = &mut self {
            *beginning = quoted(std::mem::take(beginning));
        }
        self
    }

    /// A failure of TLS, if `error` carries one. `presents` says whether the receiver was shown a certificate if it asked for one.
    pub(super) fn from_tls(error: &io::Error, presents: bool) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        Some(match error {
            rustls::Error::InvalidCertificate(fault) => Self::from_certificate(fault),
            rustls::Error::AlertReceived(alert) => match Refusal::of(*alert) {
                Some(refusal) if presents => Self::CertificateRefused(refusal),
                // Nothing else has a receiver to refuse so: it wants to be shown one.
                Some(_) => Self::Tls(TlsFault::ClientCertificate),
                None => Self::Tls(TlsFault::of(error)),
            },
            error => Self::Tls(TlsFault::of(error)),
        })
    }

    fn from_certificate(fault: &CertificateError) -> Self {
        match fault {
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. } => Self::CertificateExpired,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::CertificateName
            }
            CertificateError::UnknownIssuer => Self::CertificateIssuer,
            fault if trust::is_authoritys(fault) => Self::CertificateSelfSigned,
            _ => Self::Certificate,
        }
    }
}

fn began_with(beginning: &str) -> String {
    if beginning.is_empty() {
        String::new()
    } else {
        format!(" It began with \"{beginning}\".")
    }
}

impl From<UrlFault> for Failure {
    fn from(fault: UrlFault) -> Self {
        Self::Url(fault)
    }
}
