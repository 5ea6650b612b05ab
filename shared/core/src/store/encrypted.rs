//! Attributes that are encrypted in the table: each belongs to its row and its name, and is good nowhere else.

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};

use super::{Store, StoreError, item::Row};
use crate::encryption::{DecryptFault, KeyId, key_of};

impl Store {
    /// The key that encrypts; `None` where there is none.
    #[must_use]
    pub fn encryption_key(&self) -> Option<KeyId> {
        self.keys.newest()
    }

    /// The value of an attribute, encrypted for the row of this key.
    pub(super) fn encrypt(
        &self,
        (pk, sk): (&str, &str),
        attribute: &'static str,
        plain: &[u8],
    ) -> Result<AttributeValue, StoreError> {
        let ciphertext = self.keys.encrypt(&[pk, sk, attribute], plain);
        let ciphertext = ciphertext.ok_or(StoreError::NoEncryptionKey)?;
        Ok(AttributeValue::B(Blob::new(ciphertext)))
    }

    /// The text that an attribute of a row was encrypted from.
    pub(super) fn decrypt(
        &self,
        row: &Row,
        attribute: &'static str,
    ) -> Result<Vec<u8>, StoreError> {
        let ciphertext = row.bytes(attribute)?;
        let (pk, sk) = row.key()?;
        let plain = self.keys.decrypt(&[pk, sk, attribute], ciphertext);
        plain.map_err(|fault| match fault {
            DecryptFault::UnknownKey(id) => StoreError::UnknownEncryptionKey {
                key: format!("{pk} / {sk}"),
                attribute,
                id,
            },
            DecryptFault::Forged => row.missing(attribute),
        })
    }

    /// The text of an attribute that may be missing.
    pub(super) fn maybe_decrypt(
        &self,
        row: &Row,
        attribute: &'static str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let is_there = row.0.contains_key(attribute);
        is_there.then(|| self.decrypt(row, attribute)).transpose()
    }

    /// Whether an attribute of a row is there and was not encrypted with the newest key.
    pub(super) fn is_of_older_key(&self, row: &Row, attribute: &'static str) -> bool {
        row.0.contains_key(attribute)
            && row.bytes(attribute).ok().and_then(key_of) != self.keys.newest()
    }
}
