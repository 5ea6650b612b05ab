//! The queue's index against a model that is too simple to be wrong: a list of messages, looked
//! through from the start each time.

use std::{collections::BTreeMap, sync::Arc};

use proptest::{collection::vec, prelude::*};

use crate::sqs::queue::{Message, NotChanged, Queue, Receipt};

const GROUPS: usize = 3;
const RETENTION_MS: u64 = 500;
const MAX_RECEIVES: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
    Send { group: usize, delay_ms: u64 },
    Receive { max: usize, visibility_ms: u64 },
    Delete { pick: usize },
    Change { pick: usize, visibility_ms: u64 },
    Pass { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..GROUPS, prop_oneof![Just(0), 0_u64..50])
            .prop_map(|(group, delay_ms)| Step::Send { group, delay_ms }),
        3 => (1_usize..4, 0_u64..40)
            .prop_map(|(max, visibility_ms)| Step::Receive { max, visibility_ms }),
        2 => any::<usize>().prop_map(|pick| Step::Delete { pick }),
        1 => (any::<usize>(), 0_u64..40)
            .prop_map(|(pick, visibility_ms)| Step::Change { pick, visibility_ms }),
        2 => (0_u64..60).prop_map(|ms| Step::Pass { ms }),
    ]
}

struct Entry {
    group: usize,
    sent_ms: u64,
    visible_ms: u64,
    receives: u32,
    /// Given up, on its way to the dead letters.
    is_leaving: bool,
}

proptest! {
    #[test]
    fn the_index_agrees_with_a_plain_list(steps in vec(step(), 1..120)) {
        let mut queue = Queue::new(usize::MAX);
        let mut model: BTreeMap<u64, Entry> = BTreeMap::new();
        let mut receipts: Vec<Receipt> = Vec::new();
        let mut now_ms = 1_000;
        for (id, step) in (1..).zip(steps) {
            model.retain(|_, entry| entry.sent_ms + RETENTION_MS > now_ms);
            queue.expire(now_ms, RETENTION_MS);
            match step {
                Step::Send { group, delay_ms } => {
                    let visible_ms = now_ms + delay_ms;
                    let name = group.to_string().into();
                    queue.insert(id, Message::new(name, Arc::default(), now_ms, visible_ms, None));
                    let entry = Entry {
                        group,
                        sent_ms: now_ms,
                        visible_ms,
                        receives: 0,
                        is_leaving: false,
                    };
                    model.insert(id, entry);
                }
                Step::Receive { max, visibility_ms } => {
                    let visible = model.iter().filter(|(_, entry)| entry.visible_ms <= now_ms);
                    let fresh = visible.filter(|(_, entry)| entry.receives < MAX_RECEIVES);
                    let fresh: Vec<_> = fresh.map(|(&id, entry)| (id, entry.group)).collect();
                    let mut taken = Vec::new();
                    let batch = queue.take(now_ms, max, visibility_ms, Some(MAX_RECEIVES));
                    prop_assert_eq!(batch.received.len(), fresh.len().min(max));
                    let (mut served, mut turns) = ([0; GROUPS], [0; GROUPS]);
                    for (id, message) in &batch.received {
                        let entry = model.get_mut(id).unwrap();
                        prop_assert!(entry.visible_ms <= now_ms);
                        prop_assert!(entry.receives < MAX_RECEIVES);
                        entry.receives += 1;
                        entry.visible_ms = now_ms + visibility_ms;
                        prop_assert_eq!(message.receives, entry.receives);
                        served[entry.group] += 1;
                        turns[entry.group] += 1;
                        taken.push(*id);
                        receipts.push(Receipt { id: *id, receives: entry.receives });
                    }
                    for id in batch.exhausted {
                        let entry = model.get_mut(&id).unwrap();
                        prop_assert!(entry.visible_ms <= now_ms);
                        prop_assert_eq!(entry.receives, MAX_RECEIVES);
                        entry.is_leaving = true;
                        turns[entry.group] += 1;
                    }
                    model.retain(|id, entry| {
                        if entry.is_leaving {
                            queue.remove(*id);
                        }
                        !entry.is_leaving
                    });
                    // A group that is left with something had as many turns as any other.
                    for left in fresh.iter().filter(|(id, _)| !taken.contains(id)) {
                        let fewest = turns[left.1];
                        prop_assert!(served.iter().all(|&served| served <= fewest + 1));
                    }
                }
                Step::Delete { pick } if !receipts.is_empty() => {
                    let receipt = receipts[pick % receipts.len()];
                    let latest = model.get(&receipt.id).map(|entry| entry.receives);
                    let holds = queue.holds(receipt);
                    prop_assert_eq!(holds, latest == Some(receipt.receives));
                    if holds {
                        prop_assert!(queue.remove(receipt.id).is_some());
                        model.remove(&receipt.id);
                    }
                }
                Step::Change { pick, visibility_ms } if !receipts.is_empty() => {
                    let receipt = receipts[pick % receipts.len()];
                    let entry = model.get_mut(&receipt.id);
                    let entry = entry.filter(|entry| entry.receives == receipt.receives);
                    let expected = match entry {
                        None => Err(NotChanged::Gone),
                        Some(entry) if entry.visible_ms <= now_ms => Err(NotChanged::Visible),
                        Some(entry) => {
                            entry.visible_ms = now_ms + visibility_ms;
                            Ok(())
                        }
                    };
                    let changed = queue.change_visibility(receipt, now_ms, visibility_ms);
                    prop_assert_eq!(changed, expected);
                }
                Step::Delete { .. } | Step::Change { .. } => {}
                Step::Pass { ms } => now_ms += ms,
            }
            model.retain(|_, entry| entry.sent_ms + RETENTION_MS > now_ms);
            queue.expire(now_ms, RETENTION_MS);
            let counts = queue.counts(now_ms);
            let count = |state: fn(&Entry) -> bool, is_visible: bool| {
                let entries = model.values();
                let entries = entries.filter(|entry| (entry.visible_ms <= now_ms) == is_visible);
                entries.filter(|entry| state(entry)).count()
            };
            prop_assert_eq!(counts.visible, count(|_| true, true));
            prop_assert_eq!(counts.delayed, count(|entry| entry.receives == 0, false));
            prop_assert_eq!(counts.in_flight, count(|entry| entry.receives > 0, false));
            let waiting = model.values().map(|entry| entry.visible_ms);
            let next_ms = waiting.filter(|&visible_ms| visible_ms > now_ms).min();
            prop_assert_eq!(queue.next_visible_ms(), next_ms);
        }
    }
}
