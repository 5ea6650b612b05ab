//! Encryption of what must not be read from the table: secrets, and what they could be found with.
//!
//! The operator has one or more encryption keys, the newest first: that one encrypts, all of them decrypt. So a key is replaced
//! by putting another before it, and dropped once nothing is encrypted with it any more.
//!
//! A ciphertext is a format byte, the id of its key, a random nonce, and what AES-256-GCM makes of it. The names of where it
//! belongs are authenticated along with it: moved to another row or attribute, it does not decrypt. With random nonces a key is good
//! for 2³² ciphertexts (NIST SP 800-38D, 8.3).

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit, Mac};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rung_base::chance;
use sha2::Sha256;

use crate::limits::{ENCRYPTION_KEY_CHARS, ENCRYPTION_KEYS};

const FORMAT: u8 = 1;
const ID_BYTES: usize = 4;
const HEAD_BYTES: usize = 1 + ID_BYTES;

/// What tells the encryption keys apart: it follows from the key, and tells nothing of it. Shown in hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId([u8; ID_BYTES]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Why a text holds no encryption keys. It names none of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyRingFault {
    /// There is none.
    #[error("no encryption key is there; make one with `openssl rand -base64 32`")]
    Empty,
    /// There are more than anybody needs.
    #[error(
        "there are more than {ENCRYPTION_KEYS} encryption keys; remove those that encrypt nothing any more"
    )]
    TooMany,
    /// One is too short to be random, or too long to be a key.
    #[error(
        "encryption key {0} has fewer than {least} or more than {most} characters; make one with `openssl rand -base64 32`",
        least = ENCRYPTION_KEY_CHARS.start(), most = ENCRYPTION_KEY_CHARS.end()
    )]
    Length(usize),
    /// One stands twice.
    #[error("encryption key {0} is there twice")]
    Twice(usize),
}

/// Why something was not decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecryptFault {
    /// It was encrypted with a key that is not here.
    UnknownKey(KeyId),
    /// It was changed, comes from another place, or is no ciphertext.
    Forged,
}

/// The encryption keys, newest first. Clones share them. Its `Debug` says nothing of them.
#[derive(Clone)]
pub struct KeyRing(Arc<[Key]>);

struct Key {
    id: KeyId,
    cipher: LessSafeKey,
}

impl KeyRing {
    /// Reads keys, newest first, with blanks or line ends between them: any texts of 32 characters or more.
    ///
    /// # Errors
    /// When there is none, too many, one of another length, or the same one twice.
    pub fn parse(text: &str) -> Result<Self, KeyRingFault> {
        let mut keys: Vec<Key> = Vec::new();
        for (place, text) in (1..).zip(text.split_ascii_whitespace()) {
            if place > ENCRYPTION_KEYS {
                return Err(KeyRingFault::TooMany);
            }
            if !ENCRYPTION_KEY_CHARS.contains(&text.len()) {
                return Err(KeyRingFault::Length(place));
            }
            let key = Key::of(text);
            if keys.iter().any(|other| other.id == key.id) {
                return Err(KeyRingFault::Twice(place));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(KeyRingFault::Empty);
        }
        Ok(Self(keys.into()))
    }

    /// One key, which is no secret: for tests.
    #[must_use]
    pub fn of_tests() -> Self {
        Self([Key::of("an encryption key of tests, which is no secret")].into())
    }

    /// No keys, for functions that neither read nor write what is encrypted.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::default())
    }

    /// The key that encrypts; `None` without keys.
    #[must_use]
    pub fn newest(&self) -> Option<KeyId> {
        self.0.first().map(|key| key.id)
    }

    /// Encrypts with the newest key; `None` without keys. `place` names where the ciphertext belongs; no name has a zero byte in it.
    #[must_use]
    pub fn encrypt(&self, place: &[&str], plain: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.first()?;
        let nonce = chance::bytes::<NONCE_LEN>();
        let mut body = plain.to_vec();
        let associated = associated(key.id, place);
        key.cipher
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated),
                &mut body,
            )
            .expect("AES-GCM encrypts up to 64 GiB");
        let mut out = Vec::with_capacity(HEAD_BYTES + NONCE_LEN + body.len());
        out.push(FORMAT);
        out.extend(key.id.0);
        out.extend(nonce);
        out.append(&mut body);
        Some(out)
    }

    /// Undoes [`encrypt`](Self::encrypt) at the same place.
    ///
    /// # Errors
    /// When the key is not here, or the ciphertext was not made for this place.
    pub fn decrypt(&self, place: &[&str], ciphertext: &[u8]) -> Result<Vec<u8>, DecryptFault> {
        let id = key_of(ciphertext).ok_or(DecryptFault::Forged)?;
        let key = self.0.iter().find(|key| key.id == id);
        let key = key.ok_or(DecryptFault::UnknownKey(id))?;
        let rest = &ciphertext[HEAD_BYTES..];
        let (nonce, body) = rest
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(DecryptFault::Forged)?;
        let mut body = body.to_vec();
        let opened = key.cipher.open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(associated(id, place)),
            &mut body,
        );
        let length = opened.map_err(|_| DecryptFault::Forged)?.len();
        body.truncate(length);
        Ok(body)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|key| key.id))
            .finish()
    }
}

impl Key {
    fn of(text: &str) -> Self {
        let derived = |purpose: &str| {
            let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(text.as_bytes())
                .expect("HMAC takes a key of any length");
            mac.update(purpose.as_bytes());
            <[u8; 32]>::from(mac.finalize().into_bytes())
        };
        let [a, b, c, d, ..] = derived("rung: id of an encryption key");
        let key = UnboundKey::new(&AES_256_GCM, &derived("rung: encryption of the table"))
            .expect("AES-256 has keys of 32 bytes");
        Self {
            id: KeyId([a, b, c, d]),
            cipher: LessSafeKey::new(key),
        }
    }
}

/// Which key a ciphertext was made with; `None` if it is no ciphertext.
#[must_use]
pub fn key_of(ciphertext: &[u8]) -> Option<KeyId> {
    let (head, _) = ciphertext.split_first_chunk::<HEAD_BYTES>()?;
    let [FORMAT, id @ ..] = *head else {
        return None;
    };
    Some(KeyId(id))
}

/// What is authenticated along with a ciphertext.
fn associated(id: KeyId, place: &[&str]) -> Vec<u8> {
    let mut bytes = vec![FORMAT];
    bytes.extend(id.0);
    for name in place {
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(0);
    }
    bytes
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OLD: &str = "the-old-key-of-32-characters-xxxx";
    const NEW: &str = "the-new-key-of-32-characters-xxxx";
    const PLACE: [&str; 3] = ["T#acme", "W#1", "secret"];

    fn ring(keys: &[&str]) -> KeyRing {
        KeyRing::parse(&keys.join("\n")).unwrap()
    }

    #[test]
    fn what_is_encrypted_decrypts_at_its_own_place_alone() {
        let ring = ring(&[NEW]);
        for plain in [&b""[..], b"whsec_x", &[7; 20_000]] {
            let ciphertext = ring.encrypt(&PLACE, plain).unwrap();
            assert_eq!(ring.decrypt(&PLACE, &ciphertext).unwrap(), plain);
            for place in [
                ["T#other", "W#1", "secret"],
                ["T#acme", "W#2", "secret"],
                ["T#acme", "W#1", "old_secrets"],
                ["T#acmeW", "#1", "secret"],
            ] {
                let moved = ring.decrypt(&place, &ciphertext);
                assert_eq!(moved, Err(DecryptFault::Forged), "{place:?}");
            }
            let shorter = ring.decrypt(&PLACE[..2], &ciphertext);
            assert_eq!(shorter, Err(DecryptFault::Forged));
        }
    }

    #[test]
    fn no_byte_of_it_can_be_changed_or_cut_off() {
        let ring = ring(&[NEW]);
        let ciphertext = ring.encrypt(&PLACE, b"secret").unwrap();
        for place in 0..ciphertext.len() {
            let mut changed = ciphertext.clone();
            changed[place] ^= 1;
            let opened = ring.decrypt(&PLACE, &changed);
            if (1..HEAD_BYTES).contains(&place) {
                assert!(
                    matches!(opened, Err(DecryptFault::UnknownKey(_))),
                    "{place}"
                );
            } else {
                assert_eq!(opened, Err(DecryptFault::Forged), "{place}");
            }
            assert!(
                ring.decrypt(&PLACE, &ciphertext[..place]).is_err(),
                "{place}"
            );
        }
    }

    #[test]
    fn the_same_text_twice_has_nothing_in_common() {
        let ring = ring(&[NEW]);
        let one = ring.encrypt(&PLACE, b"secret").unwrap();
        let two = ring.encrypt(&PLACE, b"secret").unwrap();
        assert_eq!(one[..HEAD_BYTES], two[..HEAD_BYTES]);
        assert_ne!(one[HEAD_BYTES..], two[HEAD_BYTES..]);
    }

    #[test]
    fn the_newest_key_encrypts_and_all_decrypt() {
        let before = ring(&[OLD]).encrypt(&PLACE, b"secret").unwrap();
        let both = ring(&[NEW, OLD]);
        assert_eq!(both.decrypt(&PLACE, &before).unwrap(), b"secret");
        let after = both.encrypt(&PLACE, b"secret").unwrap();
        assert_eq!(key_of(&after), both.newest());
        assert_eq!(ring(&[NEW]).decrypt(&PLACE, &after).unwrap(), b"secret");
        let id = key_of(&after).unwrap();
        assert_eq!(
            ring(&[OLD]).decrypt(&PLACE, &after),
            Err(DecryptFault::UnknownKey(id))
        );
        assert_eq!(KeyRing::empty().encrypt(&PLACE, b"secret"), None);
        assert!(KeyRing::empty().decrypt(&PLACE, &after).is_err());
    }

    #[test]
    fn keys_that_are_none_are_refused_without_being_named() {
        let fault = |text: &str| KeyRing::parse(text).unwrap_err();
        assert_eq!(fault(" \n"), KeyRingFault::Empty);
        assert_eq!(fault(&format!("{NEW} short")), KeyRingFault::Length(2));
        assert_eq!(fault(&"x".repeat(1025)), KeyRingFault::Length(1));
        assert_eq!(
            fault(&format!("{NEW}\n{OLD}\n{NEW}")),
            KeyRingFault::Twice(3)
        );
        let many: Vec<String> = (0..=ENCRYPTION_KEYS).map(|n| format!("{NEW}{n}")).collect();
        assert_eq!(fault(&many.join(" ")), KeyRingFault::TooMany);
        assert!(
            !fault(&format!("{NEW} short"))
                .to_string()
                .contains("short key")
        );
        let shown = format!("{:?}", ring(&[NEW, OLD]));
        assert!(!shown.contains("the-"), "{shown}");
    }
}
