//! Whose certificates are trusted: the authorities that were compiled in, and the operator's own.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WantsClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, OtherError,
    RootCertStore, SignatureScheme,
};

use super::identity::Presented;

/// The roots that are trusted.
#[derive(Clone, Debug)]
pub struct Roots(RootCertStore);

/// Why a file of roots is refused.
#[derive(Debug, thiserror::Error)]
pub enum RootsFault {
    /// The file cannot be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
    /// It is no PEM text.
    #[error("it is not in PEM format: {0}")]
    NotPem(String),
    /// It has no certificate.
    #[error("it has no certificate: a PEM file has `-----BEGIN CERTIFICATE-----`")]
    Empty,
    /// One of its certificates cannot be read.
    #[error("its certificate number {number} is not valid: {reason}")]
    Invalid {
        /// Counted from 1.
        number: usize,
        /// What is wrong with it.
        reason: Error,
    },
}

impl Roots {
    /// Those that were compiled in: Mozilla's.
    #[must_use]
    pub fn builtin() -> Self {
        Self(webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect())
    }

    /// Adds the certificates of a PEM file: of authorities, or a receiver's own self-signed one.
    ///
    /// # Errors
    /// When the file cannot be read, or anything in it is not a certificate.
    pub fn add_file(&mut self, path: &Path) -> Result<(), RootsFault> {
        self.add(&std::fs::read(path)?)
    }

    fn add(&mut self, pem: &[u8]) -> Result<(), RootsFault> {
        let mut number = 0;
        for certificate in CertificateDer::pem_slice_iter(pem) {
            number += 1;
            let certificate = certificate.map_err(|error| RootsFault::NotPem(error.to_string()))?;
            let added = self.0.add(certificate);
            added.map_err(|reason| RootsFault::Invalid { number, reason })?;
        }
        if number == 0 {
            return Err(RootsFault::Empty);
        }
        Ok(())
    }
}

impl From<RootCertStore> for Roots {
    fn from(roots: RootCertStore) -> Self {
        Self(roots)
    }
}

/// How many sessions of an identity are kept, to be resumed: it is commonly presented to one receiver.
const SESSIONS_OF_IDENTITY: usize = 8;

/// What clients that speak TLS 1.2 and 1.3, and trust the same roots, have in common.
#[derive(Clone)]
pub(super) struct Trust(ConfigBuilder<ClientConfig, WantsClientCert>);

impl Trust {
    pub(super) fn new(roots: Roots) -> Self {
        Self(trusting(roots))
    }

    /// A client that presents no certificate.
    pub(super) fn anonymous(&self) -> ClientConfig {
        self.0.clone().with_no_client_auth()
    }

    /// A client that presents a certificate. It resumes its own sessions alone: those of others were opened by others.
    pub(super) fn presenting(&self, presented: &Presented) -> ClientConfig {
        let certified = SingleCertAndKey::from(presented.certified());
        let builder = self.0.clone();
        let mut config = builder.with_client_cert_resolver(Arc::new(certified));
        config.resumption = Resumption::in_memory_sessions(SESSIONS_OF_IDENTITY);
        config
    }
}

fn trusting(roots: Roots) -> ConfigBuilder<ClientConfig, WantsClientCert> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3");
    match Verifier::new(roots.clone(), provider) {
        Some(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier)),
        // Without roots nobody is trusted.
        None => builder.with_root_certificates(roots.0),
    }
}

/// Verifies as rustls does, but for a receiver that shows one of the roots itself. Self-signed certificates are commonly made so that
/// they may issue others, and such a one is refused as a server's by rustls, even if the operator trusts that very certificate.
#[derive(Debug)]
struct Verifier {
    inner: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
}

impl Verifier {
    fn new(roots: Roots, provider: Arc<CryptoProvider>) -> Option<Self> {
        let roots = Arc::new(roots.0);
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), provider);
        Some(Self {
            inner: inner.build().ok()?,
            roots,
        })
    }

    fn is_root(&self, certificate: &CertificateDer<'_>) -> bool {
        let mut own = RootCertStore::empty();
        own.add(certificate.clone()).is_ok()
            && own.roots.iter().all(|own| self.roots.roots.contains(own))
    }
}

/// Whether a certificate was refused as a server's because it is an authority's.
pub(super) fn is_authoritys(fault: &CertificateError) -> bool {
    let CertificateError::Other(OtherError(error)) = fault else {
        return false;
    };
    let error = error.downcast_ref::<webpki::Error>();
    error == Some(&webpki::Error::CaUsedAsEndEntity)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.inner.verify_server_cert(
            end_entity,
            intermediates,
            server_name,
            ocsp_response,
            now,
        );
        match verified {
            // Its validity was checked before.
            Err(Error::InvalidCertificate(fault))
                if is_authoritys(&fault) && self.is_root(end_entity) =>
            {
                let certificate = ParsedCertificate::try_from(end_entity)?;
                rustls::client::verify_server_name(&certificate, server_name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn only_certificates_are_roots() {
        let pem = |name: &str| {
            let certified = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
            certified.cert.pem()
        };
        let mut roots = Roots(RootCertStore::empty());
        let text = format!("a comment\n{}{}", pem("a.example"), pem("b.example"));
        roots.add(text.as_bytes()).unwrap();
        assert_eq!(roots.0.len(), 2);
        assert!(matches!(roots.add(b""), Err(RootsFault::Empty)));
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert!(matches!(roots.add(key.as_bytes()), Err(RootsFault::Empty)));
        let cut = &text[..text.len() - 40];
        assert!(matches!(
            roots.add(cut.as_bytes()),
            Err(RootsFault::NotPem(_))
        ));
        let wrong = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let text = pem("c.example") + wrong;
        let refused = roots.add(text.as_bytes());
        assert!(matches!(
            refused,
            Err(RootsFault::Invalid { number: 2, .. })
        ));
        let missing = roots.add_file(Path::new("/no/such/file.pem"));
        assert!(matches!(missing, Err(RootsFault::Unreadable(_))));
    }
}
