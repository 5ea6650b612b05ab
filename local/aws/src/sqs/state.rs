//! All queues in memory, and as many of their bodies as a budget allows.

use std::sync::Arc;

use super::{
    journal::{Stored, Write},
    queue::{Message, Queue},
    wire::MAX_DELAY_S,
};

/// The queues, by index, and the bodies' budget.
pub(super) struct State {
    queues: Vec<Queue>,
    resident_bytes: usize,
    budget_bytes: usize,
}

impl State {
    /// Empty queues. Bodies beyond `budget_bytes` are dropped: whoever hands out such a message
    /// reads it from where it is stored.
    pub(super) fn new(queues: Vec<Queue>, budget_bytes: usize) -> Self {
        Self {
            queues,
            resident_bytes: 0,
            budget_bytes,
        }
    }

    pub(super) fn queue(&mut self, index: usize) -> &mut Queue {
        &mut self.queues[index]
    }

    /// Makes a change that has been stored.
    pub(super) fn apply(&mut self, write: &Write) {
        match write {
            Write::Put {
                id,
                queue,
                group,
                line,
                sent_ms,
                visible_ms,
                body,
            } => {
                let body = self.has_room(body.len()).then(|| Arc::clone(body));
                let (group, line) = (Arc::clone(group), Arc::clone(line));
                let message = Message::new(group, line, *sent_ms, *visible_ms, body);
                self.insert(*queue, *id, message);
            }
            Write::Move {
                id,
                from,
                to,
                now_ms,
            } => {
                if let Some(Message {
                    group,
                    line,
                    sent_ms,
                    body,
                    ..
                }) = self.remove(*from, *id)
                {
                    let message = Message::new(group, line, sent_ms, *now_ms, body);
                    self.insert(*to, *id, message);
                }
            }
            Write::Delete { id, queue } => {
                self.remove(*queue, *id);
            }
        }
    }

    /// Takes in a message found in the file. None was delayed for more than 15 minutes, so none is
    /// hidden for longer now, however far the clock was set back. `line_of` tells a message's line by its body; those whose
    /// body is not read stand in one.
    pub(super) fn restore(
        &mut self,
        stored: &Stored<'_>,
        now_ms: u64,
        line_of: impl Fn(&str) -> Arc<str>,
    ) -> rusqlite::Result<()> {
        let (line, body) = if self.has_room(1) {
            let body = stored.body()?;
            let kept = self.has_room(body.len()).then(|| Arc::from(body));
            (line_of(body), kept)
        } else {
            (Arc::default(), None)
        };
        let visible_ms = stored
            .visible_ms
            .min(now_ms.saturating_add(1_000 * MAX_DELAY_S));
        let group = stored.group.into();
        let mut message = Message::new(group, line, stored.sent_ms, visible_ms, body);
        message.in_doubt = visible_ms <= now_ms;
        self.insert(stored.queue, stored.id, message);
        Ok(())
    }

    /// Drops what has been kept long enough, and names it.
    pub(super) fn expire(&mut self, queue: usize, now_ms: u64, retention_ms: u64) -> Vec<u64> {
        let expired = self.queues[queue].expire(now_ms, retention_ms);
        expired
            .into_iter()
            .map(|(id, message)| {
                self.release(&message);
                id
            })
            .collect()
    }

    /// The size of the bodies in memory.
    #[cfg(test)]
    pub(super) fn resident_bytes(&self) -> usize {
        self.resident_bytes
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.resident_bytes.saturating_add(bytes) <= self.budget_bytes
    }

    fn insert(&mut self, queue: usize, id: u64, message: Message) {
        self.resident_bytes += message.body.as_ref().map_or(0, |body| body.len());
        self.queues[queue].insert(id, message);
    }

    fn remove(&mut self, queue: usize, id: u64) -> Option<Message> {
        let message = self.queues[queue].remove(id)?;
        self.release(&message);
        Some(message)
    }

    fn release(&mut self, message: &Message) {
        self.resident_bytes -= message.body.as_ref().map_or(0, |body| body.len());
    }
}
