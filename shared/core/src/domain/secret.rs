//! Signing secrets, and their rotation: a secret that is replaced signs on for a while, so that receivers switch when they like.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Unknown, webhook::Webhook};
use crate::limits::OLD_SECRETS;

/// A signing secret. Its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret, kept exactly as given.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret itself, for signing and for the one answer that shows it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A secret that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldSecret {
    /// The secret.
    pub secret: Secret,
    /// Until when it signs, in milliseconds by the wall clock.
    pub expires_ms: u64,
    /// What a newer version of Rung has stored with it.
    #[serde(flatten)]
    pub unknown: Unknown,
}

/// As many secrets sign already as a webhook may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManySecrets;

impl Webhook {
    /// The secrets that sign at `wall_ms`: the oldest, and those that are newer, the one in force last.
    #[must_use]
    pub fn secrets_at(&self, wall_ms: u64) -> (&str, Vec<&str>) {
        let in_force = self.secret.expose();
        let mut old = self
            .old_secrets
            .iter()
            .filter(|old| old.expires_ms > wall_ms)
            .map(|old| old.secret.expose());
        match old.next() {
            Some(oldest) => (oldest, old.chain([in_force]).collect()),
            None => (in_force, Vec::new()),
        }
    }

    /// When the last of the replaced secrets ends, in milliseconds by the wall clock; `None` when none signs at `wall_ms`.
    #[must_use]
    pub fn old_secret_expires_ms(&self, wall_ms: u64) -> Option<u64> {
        let ends = self.old_secrets.iter().map(|old| old.expires_ms);
        ends.max().filter(|expires_ms| *expires_ms > wall_ms)
    }

    /// Puts `secret` in force. The secrets before it sign on for at most `overlap_ms`, none longer than it was told before. Does
    /// nothing when `secret` is in force already, so that it can be repeated.
    ///
    /// # Errors
    /// When too many would sign on.
    pub fn rotate_secret(
        &mut self,
        secret: Secret,
        wall_ms: u64,
        overlap_ms: u64,
    ) -> Result<(), TooManySecrets> {
        if secret == self.secret {
            return Ok(());
        }
        let end_ms = wall_ms + overlap_ms;
        let mut old_secrets = self.old_secrets.clone();
        old_secrets.push(OldSecret {
            secret: self.secret.clone(),
            expires_ms: end_ms,
            unknown: Unknown::new(),
        });
        // One that comes back into force is an old one no more.
        old_secrets.retain_mut(|old| {
            old.expires_ms = old.expires_ms.min(end_ms);
            old.expires_ms > wall_ms && old.secret != secret
        });
        if old_secrets.len() > OLD_SECRETS {
            return Err(TooManySecrets);
        }
        self.old_secrets = old_secrets;
        self.secret = secret;
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;
    use crate::domain::id::{TenantId, WebhookId};
    use rung_json::Json;

    const HOUR_MS: u64 = 3_600_000;

    pub(crate) fn webhook() -> Webhook {
        Webhook {
            tenant: TenantId::parse("t").unwrap(),
            id: WebhookId::parse("w").unwrap(),
            url: String::new(),
            events: Vec::new(),
            filter: None,
            rate_limit: None,
            pace_epoch: 0,
            max_in_flight: None,
            keep_alive: None,
            name: None,
            description: None,
            secret: Secret::new("a".to_owned()),
            old_secrets: Vec::new(),
            headers: Default::default(),
            secret_headers: Default::default(),
            client_certificate: None,
            metadata: Json::empty(),
            dialect: String::new(),
            challenge: false,
            disabled: None,
            disabled_before_ms: None,
            outage: None,
            pause: None,
            epoch: 0,
            first_epoch: 0,
            revision: 0,
            enabled_ms: 0,
            created_ms: 0,
        }
    }

    fn rotate(webhook: &mut Webhook, secret: &str, at_ms: u64, overlap_ms: u64) {
        let secret = Secret::new(secret.to_owned());
        webhook.rotate_secret(secret, at_ms, overlap_ms).unwrap();
    }

    fn signing(webhook: &Webhook, wall_ms: u64) -> Vec<&str> {
        let (oldest, newer) = webhook.secrets_at(wall_ms);
        [vec![oldest], newer].concat()
    }

    #[test]
    fn the_old_secret_signs_first_until_its_time_is_up() {
        let mut webhook = webhook();
        rotate(&mut webhook, "b", 1000, HOUR_MS);
        assert_eq!(signing(&webhook, 1000 + HOUR_MS - 1), ["a", "b"]);
        assert_eq!(signing(&webhook, 1000 + HOUR_MS), ["b"]);
        assert_eq!(webhook.old_secret_expires_ms(1000), Some(1000 + HOUR_MS));
        assert_eq!(webhook.old_secret_expires_ms(1000 + HOUR_MS), None);
    }

    #[test]
    fn no_overlap_ends_every_older_secret_at_once() {
        let mut webhook = webhook();
        rotate(&mut webhook, "b", 0, HOUR_MS);
        rotate(&mut webhook, "c", 1, 0);
        assert_eq!(signing(&webhook, 1), ["c"]);
        assert!(webhook.old_secrets.is_empty());
    }

    #[test]
    fn a_rotation_within_another_keeps_what_the_first_has_told() {
        let mut webhook = webhook();
        rotate(&mut webhook, "b", 0, HOUR_MS);
        rotate(&mut webhook, "c", 10, 2 * HOUR_MS);
        assert_eq!(signing(&webhook, HOUR_MS - 1), ["a", "b", "c"]);
        assert_eq!(signing(&webhook, HOUR_MS), ["b", "c"]);
        rotate(&mut webhook, "d", 20, 1);
        assert_eq!(signing(&webhook, 20), ["a", "b", "c", "d"]);
        assert_eq!(signing(&webhook, 21), ["d"], "its overlap bounds them all");
    }

    #[test]
    fn a_repeat_changes_nothing_and_going_back_swaps() {
        let mut webhook = webhook();
        rotate(&mut webhook, "b", 0, HOUR_MS);
        let rotated = webhook.clone();
        rotate(&mut webhook, "b", 50, 0);
        assert_eq!(webhook, rotated);
        rotate(&mut webhook, "a", 60, HOUR_MS);
        assert_eq!(signing(&webhook, 60), ["b", "a"]);
    }

    #[test]
    fn only_so_many_sign_on_and_those_that_ended_do_not_count() {
        let mut webhook = webhook();
        for (at_ms, secret) in ["b", "c", "d"].into_iter().enumerate() {
            rotate(&mut webhook, secret, at_ms as u64, HOUR_MS);
        }
        let rotated = webhook.clone();
        let refused = webhook.rotate_secret(Secret::new("e".to_owned()), 3, HOUR_MS);
        assert_eq!(refused, Err(TooManySecrets));
        assert_eq!(webhook, rotated);
        rotate(&mut webhook, "e", HOUR_MS, HOUR_MS);
        assert_eq!(signing(&webhook, HOUR_MS), ["b", "c", "d", "e"]);
    }
}
