//! One queue's messages, as an index in memory: which are visible, in which order, and when the
//! others will be. Pure: time is an argument, nothing is stored or awaited.
//!
//! A message is *ready* (visible, in line) or *waiting* for its time: still delayed if it was
//! never received, else in flight. Ready messages stand in lines: groups are served in turn, and so
//! are the lines within a group. So a flood in one group does not hold up the others, whatever it is
//! spread over. Nor do messages that nobody gets done: what may be in flight is shared out to groups
//! and lines as [`rung_base::fair`] says.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use rung_base::fair::{Idle as _, Shares, Turns};

/// How long an exhausted message is out of sight: ample time to move it; if that fails, the next
/// receive after it tries again.
const MOVE_MS: u64 = 30_000;

/// A message's place in line and what is told of it with the body.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// The fair-queue group; empty if there is none.
    pub(super) group: Arc<str>,
    /// Its line within the group; empty if the group has one only.
    pub(super) line: Arc<str>,
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
        line: Arc<str>,
        sent_ms: u64,
        visible_ms: u64,
        body: Option<Arc<str>>,
    ) -> Self {
        Self {
            group,
            line,
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
#[derive(Debug)]
pub(super) struct Queue {
    messages: BTreeMap<u64, Message>,
    /// Waiting messages by the time they become visible.
    waiting: BTreeSet<(u64, u64)>,
    ready: Turns<Arc<str>, Turns<Arc<str>, VecDeque<u64>>>,
    delayed: usize,
    in_flight: InFlight,
    held_up: bool,
}

impl Queue {
    /// An empty queue. Groups share what may be in flight.
    pub(super) fn new(in_flight: usize) -> Self {
        Self {
            messages: BTreeMap::new(),
            waiting: BTreeSet::new(),
            ready: Turns::default(),
            delayed: 0,
            in_flight: InFlight(Shares::of(in_flight)),
            held_up: false,
        }
    }

    pub(super) fn insert(&mut self, id: u64, mut message: Message) {
        // The names as they are kept, to spare a copy per message.
        if let Some((group, lines)) = self.ready.get(&message.group) {
            if let Some((line, _)) = lines.get(&message.line) {
                message.line = Arc::clone(line);
            }
            message.group = Arc::clone(group);
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
            self.in_flight.land(&message);
        }
        Some(message)
    }

    /// Whether messages were left in line because as many as may be are in flight.
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
            && let Some(id) = self.next()
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
            self.in_flight.take_off(message);
            if exhausted {
                batch.exhausted.push(id);
            } else {
                batch.received.push((id, message.clone()));
            }
        }
        self.held_up = batch.received.len() < max && !self.ready.is_idle();
        batch
    }

    /// The next message in turn that is still there and may be in flight.
    fn next(&mut self) -> Option<u64> {
        let (messages, in_flight) = (&self.messages, &self.in_flight);
        self.ready.next(|group, lines| {
            if !in_flight.may_take_off(group) {
                return None;
            }
            lines.next(|line, ids| {
                if !in_flight.line_may_take_off(group, line) {
                    return None;
                }
                std::iter::from_fn(|| ids.pop_front()).find(|id| messages.contains_key(id))
            })
        })
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
                    self.in_flight.land(message);
                }
                message.ready = true;
                self.ready
                    .of(&message.group)
                    .of(&message.line)
                    .push_back(id);
            }
        }
    }
}

/// The messages in flight, by whose they are. Without a group there is nobody to be fair to.
#[derive(Debug)]
struct InFlight(Shares<Arc<str>, (Arc<str>, Arc<str>)>);

impl InFlight {
    fn may_take_off(&self, group: &Arc<str>) -> bool {
        group.is_empty() || self.0.group_may(group)
    }

    fn line_may_take_off(&self, group: &Arc<str>, line: &Arc<str>) -> bool {
        let name = (Arc::clone(group), Arc::clone(line));
        group.is_empty() || self.0.line_may(group, &name)
    }

    fn take_off(&mut self, message: &Message) {
        let Message { group, line, .. } = message;
        if !group.is_empty() {
            let name = (Arc::clone(group), Arc::clone(line));
            self.0.hold(Arc::clone(group), name);
        }
    }

    fn land(&mut self, message: &Message) {
        let Message { group, line, .. } = message;
        if !group.is_empty() {
            let name = (Arc::clone(group), Arc::clone(line));
            self.0.release(group, &name);
        }
    }
}
