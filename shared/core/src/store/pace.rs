//! The pace of a webhook that has a limit: `G#t#w` / `pace`, `nxt` the time of its next free place, in microseconds, and `ep` the
//! [`pace_epoch`](Webhook::pace_epoch) that it is of. And the turns of what waits for a pause of a webhook to end: `G#t#w` / `turns`,
//! `o` the pause's [`id`](Pause::id) and [`origin_ms`](Pause::origin_ms) that they are counted from, `n` how many were taken.

use aws_sdk_dynamodb::types::ReturnValue;

use super::{
    Store, StoreError,
    item::{self, Row},
    update_if, webhook_states, webhooks,
};
use crate::{
    domain::{
        id::{TenantId, WebhookId},
        pause::Pause,
        stored::Stored,
        webhook::Webhook,
    },
    limits::{MAINTENANCE_MAX_MS, PAUSE_RAMP_MS},
};

/// How long the row is kept after its last use: longer than any place is ahead.
const KEPT_S: u64 = 7 * 86_400;

/// How long turns are kept after the last was taken: longer than any pause.
const TURNS_KEPT_S: u64 = (MAINTENANCE_MAX_MS + PAUSE_RAMP_MS) / 1000 + 86_400;

const SECOND_US: u64 = 1_000_000;

/// How the next free place is moved, by what the row is like.
#[derive(Debug, Clone, Copy)]
enum Move {
    /// No place is ahead: the one that is taken is now.
    Idle,
    /// Places are ahead: the one that is taken comes behind them.
    Behind,
    /// The places that are ahead are of an earlier limit: the one that is taken begins the next second, since this one may have had as
    /// many as the earlier limit allowed.
    Anew,
}

impl Store {
    /// Takes the next free place of a webhook that gets `per_second` deliveries a second: the second, in milliseconds, from whose
    /// beginning the delivery may be made. No place is given twice; one that nobody uses is lost. `None` when the limit was changed
    /// since the webhook was read.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn take_place(
        &self,
        webhook: &Webhook,
        per_second: u32,
    ) -> Result<Option<u64>, StoreError> {
        // Rounded up: no second has room for one more.
        let step_us = SECOND_US.div_ceil(u64::from(per_second.max(1)));
        // Most often nobody waits.
        let mut how = Move::Idle;
        loop {
            let now_us = self.clock.now_ms() * 1000;
            match self.move_place(webhook, how, step_us, now_us).await? {
                Ok(next_us) => return Ok(Some((next_us - step_us) / SECOND_US * 1000)),
                Err(found) => {
                    let next_us: u64 = found.maybe_number("nxt").unwrap_or_default();
                    let epoch: u64 = found.maybe_number("ep").unwrap_or_default();
                    if epoch > webhook.pace_epoch {
                        return Ok(None);
                    }
                    how = if next_us < now_us {
                        Move::Idle
                    } else if epoch == webhook.pace_epoch {
                        Move::Behind
                    } else {
                        Move::Anew
                    };
                }
            }
        }
    }

    /// Whether messages of a webhook wait for their places in its pace, or for a pause.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn holds_back(
        &self,
        tenant: &TenantId,
        webhook: &WebhookId,
    ) -> Result<bool, StoreError> {
        let (pk, sk) = webhooks::row_key(tenant, webhook);
        let (row, pace) = tokio::try_join!(
            self.get(pk, sk),
            self.get(partition(tenant, webhook), "pace")
        )?;
        let Some(row) = row else {
            return Ok(false);
        };
        let now_ms = self.clock.now_ms();
        let (epoch, is_active) = (row.number::<u64>("epoch")?, !row.0.contains_key("disabled"));
        let pause: Option<Stored<Pause>> = webhook_states::stored(&row)?;
        let is_paused = pause.is_some_and(|Stored { value: pause, .. }| {
            let holds_back = pause.holds_back(now_ms, self.clock.wall_ms());
            pause.epoch == epoch && is_active && holds_back
        });
        let next_us = pace.and_then(|pace| pace.maybe_number::<u64>("nxt"));
        let is_paced = row.0.contains_key("pace") && next_us.is_some_and(|us| us > now_ms * 1000);
        Ok(is_paused || is_paced)
    }

    /// Takes the next turn among what waits for a pause to end: its number, from 0. `None` when turns are counted from a later time
    /// by now: the pause has changed since it was read.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn take_turn(
        &self,
        webhook: &Webhook,
        pause: &Pause,
    ) -> Result<Option<u64>, StoreError> {
        // Of one pause it only rises, and so do the numbers of pauses.
        let origin = format!("{}#{}", item::time(pause.id), item::time(pause.origin_ms));
        loop {
            for (set, condition) in [
                ("n = n + :one", "o = :o"),
                ("o = :o, n = :one", "attribute_not_exists(o) OR o < :o"),
            ] {
                let update = self
                    .client
                    .update_item()
                    .table_name(&*self.table)
                    .key("pk", item::text(partition(&webhook.tenant, &webhook.id)))
                    .key("sk", item::text("turns"))
                    .update_expression(format!("SET {set}, exp = :exp"))
                    .condition_expression(condition)
                    .return_values(ReturnValue::UpdatedNew)
                    .expression_attribute_values(":one", item::number(1))
                    .expression_attribute_values(":o", item::text(&*origin))
                    .expression_attribute_values(
                        ":exp",
                        item::number(self.clock.wall_ms() / 1000 + TURNS_KEPT_S),
                    );
                match update_if(update).await? {
                    Ok(set) => return Row(set).number::<u64>("n").map(|taken| Some(taken - 1)),
                    Err(found) => {
                        let mut found = Row(found.unwrap_or_default());
                        if found.maybe_text("o").is_some_and(|taken| taken > origin) {
                            return Ok(None);
                        }
                    }
                }
            }
        }
    }

    /// Moves the next free place; answers it, or the row that stands there where that is not as `how` has it.
    async fn move_place(
        &self,
        webhook: &Webhook,
        how: Move,
        step_us: u64,
        now_us: u64,
    ) -> Result<Result<u64, Row>, StoreError> {
        let (set, condition, value) = match how {
            Move::Idle => (
                ":value",
                "attribute_not_exists(nxt) OR nxt < :now AND (attribute_not_exists(ep) OR ep <= :ep)",
                now_us + step_us,
            ),
            Move::Behind if webhook.pace_epoch == 0 => (
                "nxt + :value",
                "nxt >= :now AND (attribute_not_exists(ep) OR ep = :ep)",
                step_us,
            ),
            Move::Behind => ("nxt + :value", "nxt >= :now AND ep = :ep", step_us),
            Move::Anew => (
                ":value",
                "nxt >= :now AND (attribute_not_exists(ep) OR ep < :ep)",
                (now_us / SECOND_US + 1) * SECOND_US + step_us,
            ),
        };
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", item::text(partition(&webhook.tenant, &webhook.id)))
            .key("sk", item::text("pace"))
            .update_expression(format!("SET nxt = {set}, ep = :ep, exp = :exp"))
            .condition_expression(condition)
            .return_values(ReturnValue::UpdatedNew)
            .expression_attribute_values(":now", item::number(now_us))
            .expression_attribute_values(":ep", item::number(webhook.pace_epoch))
            .expression_attribute_values(":value", item::number(value))
            .expression_attribute_values(
                ":exp",
                item::number(self.clock.wall_ms() / 1000 + KEPT_S),
            );
        match update_if(update).await? {
            Ok(set) => Row(set).number("nxt").map(Ok),
            Err(found) => Ok(Err(Row(found.unwrap_or_default()))),
        }
    }
}

/// The partition of what is kept of a webhook beside its row.
pub(super) fn partition(tenant: &TenantId, webhook: &WebhookId) -> String {
    format!("G#{tenant}#{webhook}")
}
