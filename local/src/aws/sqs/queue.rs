//! One queue's messages, as an index in memory: which are visible, in which order, and when the
//! others will be. Pure: time is an argument, nothing is stored or awaited.
//!
//! A message is *ready* (visible, in line) or *waiting* for its time: still delayed if it was
//! never received, else in flight. Ready messages stand in one line per group, and the lines are
//! served in turn, so that a flood in one group does not hold up the others. Nor do the messages of
//! one group that nobody gets done: of no group are more than so many in flight.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// How long an exhausted message is out of sight: ample time to move it; if that fails, the next
/// receive after it tries again.
const MOVE_MS: u64 = 30_000;

/// Most messages of one group in flight: a fraction of what an event source handles at once.
const GROUP_IN_FLIGHT: usize = 1_000;

/// A message's place in line and what is told of it with the body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The fair-queue group; empty if there is none.
    pub(super) group: Arc<str>,
    pub(super) sent_ms: u64,
    /// When a waiting message becomes visible.
    pub(super) visible_ms: u64,
    pub(super) first_received_ms: u64,
    pub(super) receives: u32,
    /// Whether it may have been received before the last start: receives are not stored, and a message that says that it
    /// comes for the first time is believed.
    pub(super) in_doubt: bool,
    /// Absent if it has to be read from the disk.
    pub(super) body: Option<Arc<str>>,
    ready: bool,
}

impl Message {
    /// A message as sent, not received yet.
    pub(super) fn new(
        group: Arc<str>,
        sent_ms: u64,
        visible_ms: u64,
        body: Option<Arc<str>>,
    ) -> Self {
        Self {
            group,
            sent_ms,
            visible_ms,
            first_received_ms: 0,
            receives: 0,
            in_doubt: false,
            body,
            ready: false,
        }
    }

    fn is_delayed(&self) -> bool {
        !self.ready && self.receives == 0
    }

    fn is_in_flight(&self) -> bool {
        !self.ready && self.receives > 0
    }
}

/// Names one receive of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) id: u64,
    /// The receive count at that receive: a later one makes the receipt stale.
    pub(super) receives: u32,
}

/// What a receive took out of the line.
#[derive(Debug, Default)]
pub(super) struct Batch {
    /// For the receiver, in order.
    pub(super) received: Vec<(u64, Message)>,
    /// Received too often: for the dead-letter queue. In flight until they are there.
    pub(super) exhausted: Vec<u64>,
}

/// How many messages are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) visible: usize,
    pub(super) in_flight: usize,
    pub(super) delayed: usize,
}

/// Why a visibility time-out could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotChanged {
    /// No such message, or received again since.
    Gone,
    /// It is visible.
    Visible,
}

/// The messages of one queue. Ids ascend with the time of sending.
#[derive(Debug, Default)]
pub(super) struct Queue {
    messages: BTreeMap<u64, Message>,
    /// Waiting messages by the time they become visible.
    waiting: BTreeSet<(u64, u64)>,
    ready: Lines,
    delayed: usize,
    /// How many messages of a group are in flight.
    in_flight: HashMap<Arc<str>, usize>,
    held_up: bool,
}

impl Queue {
    pub(super) fn insert(&mut self, id: u64, mut message: Message) {
        if let Some(group) = self.ready.group(&message.group) {
            message.group = group;
        }
        message.ready = false;
        self.waiting.insert((message.visible_ms, id));
        self.delayed += usize::from(message.is_delayed());
        self.messages.insert(id, message);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Message> {
        let message = self.messages.remove(&id)?;
        // A ready one stays in its line, which skips those that are gone.
        if !message.ready {
            self.waiting.remove(&(message.visible_ms, id));
            self.delayed -= usize::from(message.is_delayed());
        }
        if message.is_in_flight() {
            landed(&mut self.in_flight, &message.group);
        }
        Some(message)
    }

    /// Whether messages were left in line because too many of their group are in flight.
    pub(super) fn is_held_up(&self) -> bool {
        self.held_up
    }

    /// Removes and names the messages sent `retention_ms` ago or before.
    pub(super) fn expire(&mut self, now_ms: u64, retention_ms: u64) -> Vec<(u64, Message)> {
        let mut expired = Vec::new();
        while let Some((&id, oldest)) = self.messages.first_key_value() {
            if oldest.sent_ms.saturating_add(retention_ms) > now_ms {
                break;
            }
            expired.extend(self.remove(id).map(|message| (id, message)));
        }
        expired
    }

    /// Takes up to `max` messages in turn of their groups, and hides them for `visibility_ms`.
    /// One that was received `max_receives` times already is not handed out.
    pub(super) fn take(
        &mut self,
        now_ms: u64,
        max: usize,
        visibility_ms: u64,
        max_receives: Option<u32>,
    ) -> Batch {
        self.advance(now_ms);
        let mut batch = Batch::default();
        while batch.received.len() < max
            && let Some(id) = self.ready.pop(
                |id| self.messages.contains_key(&id),
                |group| self.in_flight.get(group).copied().unwrap_or(0) < GROUP_IN_FLIGHT,
            )
            && let Some(message) = self.messages.get_mut(&id)
        {
            let exhausted = max_receives.is_some_and(|most| message.receives >= most);
            let hidden_ms = if exhausted { MOVE_MS } else { visibility_ms };
            message.ready = false;
            message.visible_ms = now_ms.saturating_add(hidden_ms);
            self.waiting.insert((message.visible_ms, id));
            if message.receives == 0 {
                message.first_received_ms = now_ms;
            }
            let missed = u32::from(std::mem::take(&mut message.in_doubt));
            message.receives = message.receives.saturating_add(1 + missed);
            // Without a group there is nobody to be fair to.
            if !message.group.is_empty() {
                *self.in_flight.entry(message.group.clone()).or_default() += 1;
            }
            if exhausted {
                batch.exhausted.push(id);
            } else {
                batch.received.push((id, message.clone()));
            }
        }
        self.held_up = batch.received.len() < max && !self.ready.turns.is_empty();
        batch
    }

    /// Whether the message is there and `receipt` is of its latest receive.
    pub(super) fn holds(&self, receipt: Receipt) -> bool {
        self.messages
            .get(&receipt.id)
            .is_some_and(|message| message.receives == receipt.receives)
    }

    /// Hides a message in flight until `visibility_ms` from now.
    pub(super) fn change_visibility(
        &mut self,
        receipt: Receipt,
        now_ms: u64,
        visibility_ms: u64,
    ) -> Result<(), NotChanged> {
        self.advance(now_ms);
        let message = self
            .messages
            .get_mut(&receipt.id)
            .filter(|message| message.receives == receipt.receives)
            .ok_or(NotChanged::Gone)?;
        if message.ready {
            return Err(NotChanged::Visible);
        }
        self.waiting.remove(&(message.visible_ms, receipt.id));
        message.visible_ms = now_ms.saturating_add(visibility_ms);
        self.waiting.insert((message.visible_ms, receipt.id));
        Ok(())
    }

    /// When the next waiting message becomes visible.
    pub(super) fn next_visible_ms(&self) -> Option<u64> {
        self.waiting.first().map(|&(visible_ms, _)| visible_ms)
    }

    pub(super) fn counts(&mut self, now_ms: u64) -> Counts {
        self.advance(now_ms);
        Counts {
            visible: self.messages.len() - self.waiting.len(),
            in_flight: self.waiting.len() - self.delayed,
            delayed: self.delayed,
        }
    }

    /// Puts in line what has become visible by `now_ms`.
    fn advance(&mut self, now_ms: u64) {
        while let Some(&(visible_ms, id)) = self.waiting.first()
            && visible_ms <= now_ms
        {
            self.waiting.pop_first();
            if let Some(message) = self.messages.get_mut(&id) {
                self.delayed -= usize::from(message.is_delayed());
                if message.is_in_flight() {
                    landed(&mut self.in_flight, &message.group);
                }
                message.ready = true;
                self.ready.push(&message.group, id);
            }
        }
    }
}

fn landed(in_flight: &mut HashMap<Arc<str>, usize>, group: &str) {
    if let Some(count) = in_flight.get_mut(group) {
        *count -= 1;
        if *count == 0 {
            in_flight.remove(group);
        }
    }
}

/// A line of message ids per group, served in turn.
#[derive(Debug, Default)]
struct Lines {
    lines: HashMap<Arc<str>, VecDeque<u64>>,
    /// The groups that have a line, each once.
    turns: VecDeque<Arc<str>>,
}

impl Lines {
    /// The group's name as kept here, to spare a copy per message.
    fn group(&self, name: &str) -> Option<Arc<str>> {
        self.lines
            .get_key_value(name)
            .map(|(group, _)| group.clone())
    }

    fn push(&mut self, group: &Arc<str>, id: u64) {
        if let Some(line) = self.lines.get_mut(group) {
            line.push_back(id);
        } else {
            self.lines.insert(group.clone(), VecDeque::from([id]));
            self.turns.push_back(group.clone());
        }
    }

    /// The next id in turn of those that `is_there` knows, the others are dropped; groups that are not `open` are passed over.
    fn pop(
        &mut self,
        is_there: impl Fn(u64) -> bool,
        is_open: impl Fn(&str) -> bool,
    ) -> Option<u64> {
        let mut passed_over = 0;
        while passed_over < self.turns.len()
            && let Some(group) = self.turns.pop_front()
        {
            if !is_open(&group) {
                self.turns.push_back(group);
                passed_over += 1;
                continue;
            }
            let Some(line) = self.lines.get_mut(&group) else {
                continue;
            };
            let next = std::iter::from_fn(|| line.pop_front()).find(|&id| is_there(id));
            if line.is_empty() {
                self.lines.remove(&group);
            } else {
                self.turns.push_back(group);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}
