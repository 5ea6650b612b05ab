//! Who Rung says it is to a receiver that asks (mutual TLS): reading a client certificate and its key, and the connections of each.
//!
//! TLS ties a connection to the certificate that was presented when it was opened. So each identity has pools of its own, and no request
//! goes over a connection of another identity, or of none.

use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::domain::client_certificate::{ClientCertificate, Identity};
use crate::limits::{CLIENT_CERTIFICATES, CLIENT_IDENTITIES};

/// A client certificate with its key, ready to be presented.
#[derive(Clone)]
pub struct Presented(Arc<CertifiedKey>);

/// Why a client certificate cannot be used, as the end of a sentence that begins with the field's name. It has nothing of the key in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IdentityFault {
    /// It is wrong with the certificates.
    #[error(transparent)]
    Certificate(#[from] CertificateFault),
    /// It is wrong with the key.
    #[error(transparent)]
    Key(#[from] KeyFault),
}

/// What is wrong with certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CertificateFault {
    /// A section begins and does not end, or is no base64.
    #[error("is not valid PEM; give the file as it is, with its lines `BEGIN` and `END`")]
    NotPem,
    /// There is none in it.
    #[error(
        "has no certificate; give PEM with `-----BEGIN CERTIFICATE-----`, the client's own certificate first"
    )]
    None,
    /// There are too many in it.
    #[error(
        "has more than {CLIENT_CERTIFICATES} certificates; give the client's own and those between it and the authority that the receiver trusts"
    )]
    TooMany,
    /// The client's own cannot be read.
    #[error(
        "begins with a certificate that cannot be read; the client's own must stand first, and be of X.509 version 3"
    )]
    Unreadable,
}

/// What is wrong with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyFault {
    /// A section begins and does not end, or is no base64.
    #[error("is not valid PEM; give the file as it is, with its lines `BEGIN` and `END`")]
    NotPem,
    /// There is none in it.
    #[error(
        "has no private key; give PEM with `-----BEGIN PRIVATE KEY-----`, `-----BEGIN RSA PRIVATE KEY-----` or `-----BEGIN EC PRIVATE KEY-----`"
    )]
    None,
    /// It is encrypted with a passphrase.
    #[error("is encrypted; decrypt it with `openssl pkey -in FILE`")]
    Encrypted,
    /// It is of no kind that can sign here, or broken.
    #[error(
        "is of no supported kind; use RSA of 2048 to 4096 bits, ECDSA on P-256 or P-384, or Ed25519"
    )]
    Unsupported,
    /// It is another certificate's.
    #[error(
        "does not belong to the first certificate; the client's own certificate must stand first, and this must be its key"
    )]
    Another,
}

impl Presented {
    /// Reads certificates and a key in PEM.
    ///
    /// # Errors
    /// When they are none, or do not belong together.
    pub fn read(certificate: &str, key: &str) -> Result<Self, IdentityFault> {
        let chain = chain(certificate)?;
        let key = private_key(key)?;
        let signing = ring::sign::any_supported_type(&key).map_err(|_| KeyFault::Unsupported)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) => Ok(Self(Arc::new(certified))),
            Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {
                Err(KeyFault::Unsupported.into())
            }
            Err(_) => Err(KeyFault::Another.into()),
        }
    }

    /// The SHA-256 of the client's own certificate in DER, in hex.
    #[must_use]
    pub fn sha256(&self) -> String {
        let leaf = self.0.cert.first().map(AsRef::as_ref);
        hex::encode(Sha256::digest(leaf.unwrap_or_default()))
    }

    /// What TLS signs with.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.0)
    }
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, CertificateFault> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let chain: Result<Vec<_>, _> = certificates.take(CLIENT_CERTIFICATES + 1).collect();
    let chain = chain.map_err(|_| CertificateFault::NotPem)?;
    let leaf = chain.first().ok_or(CertificateFault::None)?;
    if chain.len() > CLIENT_CERTIFICATES {
        return Err(CertificateFault::TooMany);
    }
    ParsedCertificate::try_from(leaf).map_err(|_| CertificateFault::Unreadable)?;
    Ok(chain)
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, KeyFault> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        pem::Error::NoItemsFound if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            KeyFault::Encrypted
        }
        pem::Error::NoItemsFound => KeyFault::None,
        // OpenSSL's own encryption, whose headers are no base64.
        _ if pem.contains("Proc-Type: 4,ENCRYPTED") => KeyFault::Encrypted,
        _ => KeyFault::NotPem,
    })
}

/// What was made for each identity, for those that were used last: at most twice [`CLIENT_IDENTITIES`]. What is dropped closes its
/// idle connections, and lasts until its requests have ended.
pub(super) struct Identities<T>(Mutex<Generations<T>>);

struct Generations<T> {
    young: HashMap<Identity, Arc<T>>,
    /// Those of the generation before, without those that were used since.
    old: HashMap<Identity, Arc<T>>,
}

impl<T> Default for Identities<T> {
    fn default() -> Self {
        Self(Mutex::new(Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        }))
    }
}

impl<T> Identities<T> {
    /// What belongs to a certificate; `make` makes it if it is not known.
    ///
    /// # Errors
    /// When the certificate cannot be used.
    pub(super) fn of(
        &self,
        certificate: &ClientCertificate,
        make: impl FnOnce(Presented) -> T,
    ) -> Result<Arc<T>, IdentityFault> {
        let identity = certificate.identity();
        // Reading a key takes up to milliseconds; whoever waits would have to read the same one, or waits for no longer than that.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(young) = known.young.get(&identity) {
            return Ok(Arc::clone(young));
        }
        let it = match known.old.remove(&identity) {
            Some(old) => old,
            None => {
                let key = certificate.private_key.expose();
                Arc::new(make(Presented::read(&certificate.certificate, key)?))
            }
        };
        if known.young.len() >= CLIENT_IDENTITIES {
            known.old = mem::take(&mut known.young);
        }
        known.young.insert(identity, Arc::clone(&it));
        Ok(it)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

    use super::*;
    use crate::domain::Unknown;
    use crate::domain::secret::Secret;

    /// PKCS#1, of 2048 bits, made by `openssl genrsa -traditional 2048`; its certificate by `openssl req -x509 -key`.
    const RSA_KEY: &str = include_str!("tests/client-rsa.key");
    const RSA_CERTIFICATE: &str = include_str!("tests/client-rsa.pem");
    /// SEC1, with its parameters before it, made by `openssl ecparam -genkey -name prime256v1`.
    const EC_KEY: &str = include_str!("tests/client-ec.key");
    const EC_CERTIFICATE: &str = include_str!("tests/client-ec.pem");

    fn of(name: &str, key: &KeyPair) -> String {
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        params.self_signed(key).unwrap().pem()
    }

    fn pair(name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (of(name, &key), key.serialize_pem())
    }

    fn fault(certificate: &str, key: &str) -> IdentityFault {
        Presented::read(certificate, key).err().unwrap()
    }

    #[test]
    fn keys_of_every_form_and_kind_are_read() {
        for algorithm in [&PKCS_ED25519, &PKCS_ECDSA_P384_SHA384] {
            let key = KeyPair::generate_for(algorithm).unwrap();
            Presented::read(&of("a.example", &key), &key.serialize_pem()).unwrap();
        }
        Presented::read(RSA_CERTIFICATE, RSA_KEY).unwrap();
        Presented::read(EC_CERTIFICATE, EC_KEY).unwrap();
        let (certificate, key) = pair("a.example");
        let presented = Presented::read(&certificate, &key).unwrap();
        let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
        assert_eq!(presented.sha256(), hex::encode(Sha256::digest(&der)));
        // As files commonly have it: both in one, with words around.
        let both = format!("Bag Attributes\n{key}\nsubject=a\n{certificate}");
        assert_eq!(
            Presented::read(&both, &both).unwrap().sha256(),
            presented.sha256()
        );
    }

    #[test]
    fn what_cannot_be_presented_is_told_apart() {
        let (certificate, key) = pair("a.example");
        let (other, _) = pair("b.example");
        let cut = |pem: &str| pem[..pem.len() - 40].to_owned();
        for (wrong, expected) in [
            ("no PEM".to_owned(), CertificateFault::None),
            (key.clone(), CertificateFault::None),
            (cut(&certificate), CertificateFault::NotPem),
            (
                certificate.repeat(CLIENT_CERTIFICATES + 1),
                CertificateFault::TooMany,
            ),
            (
                "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
                CertificateFault::Unreadable,
            ),
        ] {
            assert_eq!(fault(&wrong, &key), expected.into(), "{wrong}");
        }
        assert!(Presented::read(&certificate.repeat(CLIENT_CERTIFICATES), &key).is_ok());
        for (wrong, expected) in [
            ("no PEM".to_owned(), KeyFault::None),
            (certificate.clone(), KeyFault::None),
            (cut(&key), KeyFault::NotPem),
            (key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"), KeyFault::Encrypted),
            (
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: x,y\n\nAAAA\n-----END RSA PRIVATE KEY-----\n".to_owned(),
                KeyFault::Encrypted,
            ),
            (
                "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".to_owned(),
                KeyFault::Unsupported,
            ),
            (RSA_KEY.to_owned(), KeyFault::Another),
        ] {
            assert_eq!(fault(&certificate, &wrong), expected.into(), "{expected:?}");
        }
        // The client's own does not stand first.
        assert_eq!(
            fault(&(other + &certificate), &key),
            KeyFault::Another.into()
        );
    }

    #[test]
    fn only_so_many_identities_are_kept_and_those_in_use_stay() {
        let (certificate, key) = pair("a.example");
        let identities = Identities::<usize>::default();
        let mut made = 0;
        let mut of = |name: usize| {
            let certificate = ClientCertificate {
                // Words around are part of the identity.
                certificate: format!("{name}\n{certificate}"),
                private_key: Secret::new(key.clone()),
                sha256: String::new(),
                unknown: Unknown::new(),
            };
            let it = identities.of(&certificate, |_| {
                made += 1;
                name
            });
            assert_eq!(*it.unwrap(), name);
            made
        };
        assert_eq!((of(0), of(0)), (1, 1));
        for name in 1..=3 * CLIENT_IDENTITIES {
            assert_eq!(of(name), 1 + name);
            assert_eq!(of(0), 1 + name, "what is in use is made once");
        }
        let known = identities.0.lock().unwrap();
        assert!(known.young.len() <= CLIENT_IDENTITIES);
        assert!(known.old.len() <= CLIENT_IDENTITIES);
        drop(known);
        assert_eq!(of(1), 2 + 3 * CLIENT_IDENTITIES, "it was forgotten");
    }
}
