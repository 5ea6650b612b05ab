//! Accepted events, with their final bodies, their metadata and the webhooks they match.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::{primitives::Blob, types::AttributeValue};
use bytes::Bytes;
use futures_util::future::try_join_all;
use sha2::{Digest, Sha256};

use super::{
    Item, Query, Range, Store, StoreError, codec,
    event_list::{Call, CallId},
    item::{Builder, Row, json, number, text, time},
    update_if,
};
use crate::{
    domain::{
        hops::Hops,
        id::{DeliveryKey, EventId, JobId, TenantId, WebhookId},
        no_delivery::NoDelivery,
        trace::TraceParent,
    },
    limits::{BATCH_REQUEST_BYTES, INLINE_MATCHES, MATCH_SET_IDS, ROW_BODIES_BYTES},
};

/// A webhook that an event matched when it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The webhook.
    pub webhook: WebhookId,
    /// Whether it was active then; if not, the delivery was missed.
    pub active: bool,
}

/// Events that deliveries can be made of, and until when they are kept.
#[derive(Default)]
pub struct Sendable(HashMap<(EventId, u64), Row>);

impl Sendable {
    /// Whether a delivery's event is one of them.
    #[must_use]
    pub fn has(&self, delivery: &DeliveryKey) -> bool {
        let name = (delivery.event.clone(), delivery.accepted_ms);
        self.0.contains_key(&name)
    }
}

/// An accepted event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whose.
    pub tenant: TenantId,
    /// Its id.
    pub id: EventId,
    /// Its type, aliases resolved.
    pub event_type: String,
    /// Its time, in milliseconds.
    pub timestamp_ms: u64,
    /// When it was accepted, in milliseconds.
    pub accepted_ms: u64,
    /// The hash of what the client gave, by which a repeat is told from a conflict. Zeros once the event is erased: a hash gives
    /// a short content away.
    pub content_hash: [u8; 32],
    /// The trace it was published in.
    pub trace: Option<TraceParent>,
    /// The deliveries that led to it.
    pub hops: Hops,
    /// The delivered body for each dialect among its matches (the tenant's own if there are none).
    pub bodies: BTreeMap<String, Body>,
    /// The published metadata as JSON, an object; `None` without members.
    pub metadata: Option<Body>,
    /// The webhooks it matched, unless they stand in a match set.
    pub matches: Matches,
    /// Why it goes to nobody, if it doesn't.
    pub reason: Option<NoDelivery>,
    /// The call that accepted it, whose row in the tenant's list names it. `None` for a [test](Self::is_test), which no list names.
    pub call: Option<CallId>,
    /// Set once it is erased: it has no bodies and no metadata then, and its id stays taken.
    pub erased: Option<Tombstone>,
}

/// A delivered body, or the published metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// It stood in the event's row.
    Here(Bytes),
    /// It has an item of its own, in the set of this name: the row has no room for it. [`Store::body`] and [`Store::metadata`]
    /// read it.
    Apart(String),
}

/// What is kept of the erasure of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tombstone {
    /// When it was erased, in milliseconds.
    pub at_ms: u64,
    /// The job that erases what was sent of it.
    pub job: JobId,
}

/// Webhooks that an event goes to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GoesTo {
    /// Those that it matched when it was accepted.
    pub matched: Vec<WebhookId>,
    /// Those that a recovery may have sent it to. That a delivery was noted does not mean that there is one.
    pub backfilled: Vec<WebhookId>,
}

impl GoesTo {
    /// The deliveries to all of them.
    #[must_use]
    pub fn deliveries_of(&self, event: &Event) -> Vec<DeliveryKey> {
        let webhooks = self.matched.iter().chain(&self.backfilled);
        let key = |webhook: &WebhookId| DeliveryKey {
            tenant: event.tenant.clone(),
            webhook: webhook.clone(),
            event: event.id.clone(),
            accepted_ms: event.accepted_ms,
        };
        webhooks.map(key).collect()
    }
}

/// What the positions among the webhooks that an event was backfilled to begin with.
const BACKFILLED: &str = "B#";

/// The webhooks that an event matched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// In the event's row.
    Inline(Vec<Match>),
    /// In items of their own, named by a hash of them all.
    Set(String),
}

impl Default for Matches {
    fn default() -> Self {
        Self::Inline(Vec::new())
    }
}

impl Event {
    /// Whether it was sent to test a webhook: nobody published it.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.call.is_none()
    }

    /// The dialect of the body for a webhook to which nothing of the event was posted yet: the one that the webhook speaks or, if it
    /// has learnt that since, another.
    #[must_use]
    pub fn dialect_for(&self, dialect: &str) -> Option<&str> {
        let own = self.bodies.get_key_value(dialect);
        let (dialect, _) = own.or_else(|| self.bodies.first_key_value())?;
        Some(dialect)
    }

    /// Its bodies by their dialects, and its metadata by [`METADATA`].
    fn contents(&self) -> impl Iterator<Item = (&str, &Body)> {
        let bodies = self.bodies.iter().map(|(dialect, body)| (&**dialect, body));
        bodies.chain(self.metadata.iter().map(|metadata| (METADATA, metadata)))
    }

    /// The set that those of its contents stand in that have items of their own.
    fn body_set(&self) -> Option<&str> {
        self.contents().find_map(|(_, body)| match body {
            Body::Here(_) => None,
            Body::Apart(set) => Some(set.as_str()),
        })
    }
}

impl Store {
    /// Writes the matches' items if they are many, and answers how the event's row names them.
    ///
    /// The set's name is its content's, so a set left behind by a crash is never taken for another.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_matches(
        &self,
        tenant: &TenantId,
        event: &EventId,
        matches: Vec<Match>,
    ) -> Result<Matches, StoreError> {
        if matches.len() <= INLINE_MATCHES {
            return Ok(Matches::Inline(matches));
        }
        let texts: Vec<_> = matches.chunks(MATCH_SET_IDS).map(write_matches).collect();
        let hash = hex::encode(
            &texts
                .iter()
                .fold(Sha256::new(), |hash, text| hash.chain_update(text))
                .finalize()[..16],
        );
        let expiry = self.expiry_of(tenant).await?;
        let items = texts.iter().enumerate().map(|(index, text)| {
            let names = codec::compress(text.as_bytes()).map_err(unwritable)?;
            let item = Builder::new(partition(tenant, event), format!("S#{hash}#{index:06}"));
            Ok(item.bytes("m", names).number("exp", expiry).build())
        });
        self.put_all(items.collect::<Result<_, StoreError>>()?)
            .await?;
        Ok(Matches::Set(hash))
    }

    /// Writes an event unless one of its id is there, which is answered then.
    ///
    /// Bodies and metadata that the row has no room for are written before it. Their set is named by what is in it, so one that a crash leaves
    /// behind is never taken for another's.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn put_event(&self, event: &Event) -> Result<Option<Event>, StoreError> {
        let expiry = self.expiry_of(&event.tenant).await?;
        let stored = Stored::of(event)?;
        let Some(set) = &stored.set else {
            let standing = self.put_new(event_item(event, stored, expiry)?).await?;
            return standing.map(read_event).transpose();
        };
        if let Some(standing) = self.event(&event.tenant, &event.id).await? {
            return Ok(Some(standing));
        }
        let pk = partition(&event.tenant, &event.id);
        let keys = stored.apart.iter().map(|(name, _)| body_key(set, name));
        let keys: Vec<_> = keys.map(|sk| (pk.clone(), sk)).collect();
        let items = keys.iter().zip(&stored.apart);
        let items = items.map(|((pk, sk), (_, body))| {
            let item = Builder::new(pk, sk).bytes("b", body.clone());
            item.number("exp", expiry).build()
        });
        self.put_all(items.collect()).await?;
        let set = set.clone();
        let standing = self.put_new(event_item(event, stored, expiry)?).await?;
        let standing = standing.map(read_event).transpose()?;
        if let Some(standing) = &standing
            && standing.body_set() != Some(&set)
        {
            self.delete_all(keys).await?;
        }
        Ok(standing)
    }

    /// An event's body in a dialect, read if need be; `None` if it has none.
    ///
    /// # Errors
    /// When the table cannot be read, or the event was erased since it was read.
    pub async fn body(&self, event: &Event, dialect: &str) -> Result<Option<Bytes>, StoreError> {
        match event.bodies.get(dialect) {
            None => Ok(None),
            Some(body) => self.content(event, dialect, body).await.map(Some),
        }
    }

    /// An event's metadata, read if need be; `None` without members, or once the event is erased.
    ///
    /// # Errors
    /// When the table cannot be read, or the event was erased since it was read.
    pub async fn metadata(&self, event: &Event) -> Result<Option<Bytes>, StoreError> {
        match &event.metadata {
            None => Ok(None),
            Some(metadata) => self.content(event, METADATA, metadata).await.map(Some),
        }
    }

    /// A body of this dialect, or the metadata, wherever it stands.
    async fn content(&self, event: &Event, name: &str, body: &Body) -> Result<Bytes, StoreError> {
        let set = match body {
            Body::Here(body) => return Ok(body.clone()),
            Body::Apart(set) => set,
        };
        let (pk, sk) = (partition(&event.tenant, &event.id), body_key(set, name));
        let row = self.get(&*pk, &*sk).await?;
        let row = row.unwrap_or_else(|| Row(Builder::new(pk, sk).build()));
        expanded_body(row.bytes("b")?).ok_or_else(|| row.missing("b"))
    }

    /// Deletes what of an event's bodies and metadata has items of its own.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn delete_bodies(&self, tenant: &TenantId, id: &EventId) -> Result<(), StoreError> {
        let pk = partition(tenant, id);
        let query = Query {
            range: Range::Prefix(BODIES),
            ..Query::of(&pk)
        };
        let rows = self.query_all(query).await?;
        let keys = rows
            .iter()
            .map(|row| row.key().map(|(pk, sk)| (pk.to_owned(), sk.to_owned())));
        self.delete_all(keys.collect::<Result<_, _>>()?).await
    }

    /// An event, by a strong read.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn event(
        &self,
        tenant: &TenantId,
        id: &EventId,
    ) -> Result<Option<Event>, StoreError> {
        self.get(partition(tenant, id), "-")
            .await?
            .map(read_event)
            .transpose()
    }

    /// Those of the named events that exist, in no order, by strong reads. None may be named twice.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn events(&self, names: &[(TenantId, EventId)]) -> Result<Vec<Event>, StoreError> {
        let keys = names
            .iter()
            .map(|(tenant, id)| (partition(tenant, id), "-".to_owned()))
            .collect();
        self.get_all(keys)
            .await?
            .into_iter()
            .map(read_event)
            .collect()
    }

    /// The events of a tenant's deliveries that can still be sent: those that are there, by the times at which they were accepted, and are
    /// not erased.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn sendable(
        &self,
        tenant: &TenantId,
        deliveries: &[&DeliveryKey],
    ) -> Result<Sendable, StoreError> {
        let partitions = deliveries.iter().map(|key| partition(tenant, &key.event));
        let mut left = partitions.collect::<BTreeSet<_>>();
        let keys = |left: &BTreeSet<String>| {
            let keys = left.iter().map(|pk| (pk.clone(), "-".to_owned()));
            keys.collect::<Vec<_>>()
        };
        let mut kept = Sendable::default();
        let mut found = self
            .get_all_soon(keys(&left), "pk, sk, exp, mh, a, c, er")
            .await?;
        for row in &found {
            left.remove(&row.parsed("pk", |pk| Some(pk.to_owned()))?);
        }
        // One that has just been accepted may not be there yet for an eventual read.
        if !left.is_empty() {
            found.extend(self.get_all(keys(&left)).await?);
        }
        for row in found {
            let accepted_ms = row.number("a")?;
            if !row.0.contains_key("er") {
                let event = row.parsed("pk", |pk| EventId::parse(pk.rsplit('#').next()?).ok())?;
                kept.0.insert((event, accepted_ms), row);
            }
        }
        Ok(kept)
    }

    /// Keeps those of the events that would expire before `end_s` until `until_s`, in
    /// seconds of the wall clock.
    ///
    /// # Errors
    /// When the table cannot be read or written.
    pub async fn outlast(
        &self,
        tenant: &TenantId,
        kept: Sendable,
        end_s: u64,
        until_s: u64,
    ) -> Result<(), StoreError> {
        let brief = kept.0.into_values().filter(|row| {
            let expiry = row.maybe_number::<u64>("exp");
            expiry.is_some_and(|expiry| expiry < end_s)
        });
        try_join_all(brief.map(async |mut row| {
            let pk = row.text("pk")?;
            // What stands apart, the names of the webhooks and the entry in the list go with it, or they would be out of reach.
            let mut keys = vec![(pk.clone(), "-".to_owned())];
            if let Some(call) = row.maybe_text("c") {
                let call = Call {
                    accepted_ms: row.number("a")?,
                    id: CallId::stored(call),
                };
                keys.push(call.row_key(tenant));
            }
            let matches = row.maybe_text("mh").map(|hash| format!("S#{hash}#"));
            for prefix in matches.into_iter().chain([BODIES.to_owned()]) {
                let query = Query {
                    range: Range::Prefix(&prefix),
                    ..Query::of(&pk)
                };
                for row in self.query_all(query).await? {
                    keys.push((pk.clone(), row.parsed("sk", |sk| Some(sk.to_owned()))?));
                }
            }
            // The event last: this is done again until that is.
            for (pk, sk) in keys.iter().rev() {
                self.keep_until(pk, sk, until_s).await?;
            }
            Ok(())
        }))
        .await
        .map(drop)
    }

    /// Lets an item that has not expired live until then, unless it lives longer.
    async fn keep_until(&self, pk: &str, sk: &str, until_s: u64) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&*self.table)
            .key("pk", text(pk))
            .key("sk", text(sk))
            .update_expression("SET exp = :until")
            .condition_expression("exp > :now AND exp < :until")
            .expression_attribute_values(":now", self.now())
            .expression_attribute_values(":until", number(until_s));
        update_if(update).await.map(drop)
    }

    /// All webhooks that an event matched.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn matches(&self, event: &Event) -> Result<Vec<Match>, StoreError> {
        self.matches_of(&event.tenant, &event.id, &event.matches)
            .await
    }

    pub(super) async fn matches_of(
        &self,
        tenant: &TenantId,
        event: &EventId,
        matches: &Matches,
    ) -> Result<Vec<Match>, StoreError> {
        let hash = match matches {
            Matches::Inline(matches) => return Ok(matches.clone()),
            Matches::Set(hash) => hash,
        };
        let pk = partition(tenant, event);
        let prefix = format!("S#{hash}#");
        let rows = self
            .query_all(Query {
                range: Range::Prefix(&prefix),
                ..Query::of(&pk)
            })
            .await?;
        rows.iter()
            .map(read_matches)
            .collect::<Result<Vec<_>, _>>()
            .map(|matches| matches.concat())
    }

    /// Notes deliveries of events to webhooks that they did not match, so that an event leads to them all. None may be named
    /// twice.
    ///
    /// # Errors
    /// When the table cannot be written.
    pub async fn note_backfills(
        &self,
        tenant: &TenantId,
        keys: &[DeliveryKey],
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let expiry = self.expiry_of(tenant).await?;
        let items = keys.iter().map(|key| {
            let (pk, sk) = backfill_key(key);
            Builder::new(pk, sk).number("exp", expiry).build()
        });
        self.put_all(items.collect()).await
    }

    /// A page of the webhooks that an event goes to, those that it matched first, from behind the position `after` on (one that an
    /// earlier call returned), and the position to go on from, `None` at the end.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn webhooks_of_event(
        &self,
        event: &Event,
        after: Option<&str>,
        limit: usize,
    ) -> Result<(GoesTo, Option<String>), StoreError> {
        let backfilled_after = after.and_then(|position| position.strip_prefix(BACKFILLED));
        let mut goes_to = GoesTo::default();
        if backfilled_after.is_none() {
            // An event's matches never change, so a place among them is a position.
            let matches = self.matches(event).await?;
            let first = after.and_then(|place| place.parse().ok()).unwrap_or(0);
            let rest = matches.into_iter().skip(first).map(|found| found.webhook);
            goes_to.matched = rest.collect();
            if goes_to.matched.len() > limit {
                goes_to.matched.truncate(limit);
                return Ok((goes_to, Some((first + limit).to_string())));
            }
        }
        let room = limit - goes_to.matched.len();
        // One more, which tells whether there is a next page.
        let after = backfilled_after.filter(|id| !id.is_empty());
        goes_to.backfilled = self.backfilled(event, after, room + 1).await?;
        let next = (goes_to.backfilled.len() > room).then(|| {
            goes_to.backfilled.truncate(room);
            let last = goes_to.backfilled.last().map_or("", WebhookId::as_str);
            format!("{BACKFILLED}{last}")
        });
        Ok((goes_to, next))
    }

    /// What [`webhooks_of_event`](Self::webhooks_of_event) says of this webhook alone; `None` if the event does not go to it.
    ///
    /// # Errors
    /// When the table cannot be read.
    pub async fn whether_to(
        &self,
        event: &Event,
        webhook: &WebhookId,
    ) -> Result<Option<GoesTo>, StoreError> {
        let mut goes_to = GoesTo::default();
        let matches = self.matches(event).await?;
        if matches.iter().any(|found| found.webhook == *webhook) {
            goes_to.matched.push(webhook.clone());
            return Ok(Some(goes_to));
        }
        let pk = partition(&event.tenant, &event.id);
        let sk = format!("{}{webhook}", backfills(event.accepted_ms));
        let noted = self.get(pk, sk).await?;
        Ok(noted.map(|_| {
            goes_to.backfilled.push(webhook.clone());
            goes_to
        }))
    }

    /// The webhooks that an event was noted to be sent to though it did not match them, in the order of their ids: up to `limit`
    /// after the one of the id `after`, by a strong read.
    async fn backfilled(
        &self,
        event: &Event,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<WebhookId>, StoreError> {
        let pk = partition(&event.tenant, &event.id);
        let prefix = backfills(event.accepted_ms);
        let page = self
            .query(Query {
                range: Range::Prefix(&prefix),
                limit: Some(limit),
                after: after.map(|id| Builder::new(&pk, format!("{prefix}{id}")).build()),
                ..Query::of(&pk)
            })
            .await?;
        let id = |sk: &str| WebhookId::parse(sk.strip_prefix(&prefix)?).ok();
        page.rows.iter().map(|row| row.parsed("sk", id)).collect()
    }
}

/// What the sort keys of bodies and metadata begin with that have items of their own.
const BODIES: &str = "P#";

/// What metadata are called where bodies are called by their dialects: no dialect is.
const METADATA: &str = "";

fn body_key(set: &str, name: &str) -> String {
    format!("{BODIES}{set}#{name}")
}

/// An event's bodies and metadata as they are stored: in the row as many as [`ROW_BODIES_BYTES`] hold, the others apart.
struct Stored {
    /// The row's attribute of the bodies.
    bodies: AttributeValue,
    /// The row's attribute of the metadata.
    metadata: Option<AttributeValue>,
    apart: Vec<(String, Vec<u8>)>,
    /// The name of the set of those apart, if there are any.
    set: Option<String>,
}

impl Stored {
    fn of(event: &Event) -> Result<Self, StoreError> {
        let (mut row, mut apart) = (HashMap::with_capacity(event.bodies.len()), Vec::new());
        let mut room = ROW_BODIES_BYTES;
        for (name, body) in event.contents() {
            let Body::Here(body) = body else {
                continue;
            };
            let body = codec::compress(body).map_err(unwritable)?;
            if let Some(left) = room.checked_sub(body.len()) {
                room = left;
                row.insert(name.to_owned(), AttributeValue::B(Blob::new(body)));
            } else {
                apart.push((name.to_owned(), body));
            }
        }
        let mut set = None;
        if !apart.is_empty() {
            let hash = apart.iter().fold(Sha256::new(), |hash, (name, body)| {
                hash.chain_update(name).chain_update([0]).chain_update(body)
            });
            let hash = hex::encode(&hash.finalize()[..16]);
            row.extend(apart.iter().map(|(name, _)| (name.clone(), text(&hash))));
            set = Some(hash);
        }
        Ok(Self {
            metadata: row.remove(METADATA),
            bodies: AttributeValue::M(row),
            apart,
            set,
        })
    }
}

/// What stands in the row, or the name of the set that it stands in.
fn stored_body(stored: &AttributeValue) -> Option<Body> {
    match stored {
        AttributeValue::B(body) => expanded_body(body.as_ref()).map(Body::Here),
        AttributeValue::S(set) => Some(Body::Apart(set.clone())),
        _ => None,
    }
}

fn expanded_body(stored: &[u8]) -> Option<Bytes> {
    let body = codec::expand(stored, BATCH_REQUEST_BYTES).ok()?;
    Some(body.into())
}

fn event_item(event: &Event, stored: Stored, expiry: u64) -> Result<Item, StoreError> {
    let item = Builder::new(partition(&event.tenant, &event.id), "-")
        .text("y", &event.event_type)
        .number("ts", event.timestamp_ms)
        .number("a", event.accepted_ms)
        .bytes("h", event.content_hash.to_vec())
        .maybe("tp", event.trace.as_ref().map(|trace| text(trace.as_str())))
        .hops(event.hops)
        .with("b", stored.bodies)
        .maybe("md", stored.metadata)
        .maybe("why", event.reason.as_ref().map(json))
        .maybe("c", event.call.as_ref().map(|call| text(call.as_str())))
        .number("exp", expiry);
    Ok(match &event.matches {
        Matches::Inline(matches) => item.bytes(
            "m",
            codec::compress(write_matches(matches).as_bytes()).map_err(unwritable)?,
        ),
        Matches::Set(hash) => item.text("mh", hash),
    }
    .build())
}

pub(super) fn partition(tenant: &TenantId, event: &EventId) -> String {
    format!("E#{tenant}#{event}")
}

/// What the sort keys of an event's backfilled webhooks begin with. An id used again after its retention names another event.
fn backfills(accepted_ms: u64) -> String {
    format!("B#{}#", time(accepted_ms))
}

/// The key of the row that notes a delivery to a webhook that its event did not match.
pub(super) fn backfill_key(key: &DeliveryKey) -> (String, String) {
    let sk = format!("{}{}", backfills(key.accepted_ms), key.webhook);
    (partition(&key.tenant, &key.event), sk)
}

fn unwritable(error: std::io::Error) -> StoreError {
    StoreError::Unavailable(error.to_string().into())
}

/// One id a line, a missed one with `!` before it.
fn write_matches(matches: &[Match]) -> String {
    let mut text = String::new();
    for found in matches {
        if !found.active {
            text.push('!');
        }
        text.push_str(found.webhook.as_str());
        text.push('\n');
    }
    text
}

fn read_matches(row: &Row) -> Result<Vec<Match>, StoreError> {
    // Ids of 64 characters, their marks and line ends.
    let limit = MATCH_SET_IDS * 66;
    let text = codec::expand(row.bytes("m")?, limit).map_err(|_| row.missing("m"))?;
    let text = std::str::from_utf8(&text).map_err(|_| row.missing("m"))?;
    let read = |line: &str| {
        let active = !line.starts_with('!');
        WebhookId::parse(line.trim_start_matches('!')).map(|webhook| Match { webhook, active })
    };
    text.lines()
        .map(read)
        .collect::<Result<_, _>>()
        .map_err(|_| row.missing("m"))
}

/// An event's id, when it was accepted and what it matched; `None` of one that is erased.
pub(super) fn read_matched(mut row: Row) -> Result<Option<(EventId, u64, Matches)>, StoreError> {
    if row.maybe_number::<u64>("er").is_some() {
        return Ok(None);
    }
    let (_, id) = names_of(&row)?;
    Ok(Some((id, row.number("a")?, matches_in(&mut row)?)))
}

fn names_of(row: &Row) -> Result<(TenantId, EventId), StoreError> {
    row.parsed("pk", |pk| {
        let mut parts = pk.split('#').skip(1);
        Some((
            TenantId::parse(parts.next()?).ok()?,
            EventId::parse(parts.next()?).ok()?,
        ))
    })
}

fn matches_in(row: &mut Row) -> Result<Matches, StoreError> {
    Ok(match row.maybe_text("mh") {
        Some(hash) => Matches::Set(hash),
        None => Matches::Inline(read_matches(row)?),
    })
}

fn read_event(mut row: Row) -> Result<Event, StoreError> {
    let (tenant, id) = names_of(&row)?;
    let mut bodies = BTreeMap::new();
    if let Some(AttributeValue::M(map)) = row.0.get("b") {
        for (dialect, body) in map {
            let body = stored_body(body).ok_or_else(|| row.missing("b"))?;
            bodies.insert(dialect.clone(), body);
        }
    }
    let metadata = match row.0.get("md") {
        Some(metadata) => Some(stored_body(metadata).ok_or_else(|| row.missing("md"))?),
        None => None,
    };
    let erased = match row.maybe_number("er") {
        Some(at_ms) => Some(Tombstone {
            at_ms,
            job: row.parsed("ej", |id| JobId::parse(id).ok())?,
        }),
        None => None,
    };
    let matches = matches_in(&mut row)?;
    Ok(Event {
        tenant,
        id,
        event_type: row.text("y")?,
        reason: row.maybe_json("why")?,
        call: row.maybe_text("c").map(CallId::stored),
        timestamp_ms: row.number("ts")?,
        accepted_ms: row.number("a")?,
        content_hash: match &erased {
            Some(_) => [0; 32],
            None => row.bytes("h")?.try_into().map_err(|_| row.missing("h"))?,
        },
        erased,
        trace: row
            .maybe_text("tp")
            .and_then(|trace| TraceParent::parse(&trace).ok()),
        hops: row.hops(),
        bodies,
        metadata,
        matches,
    })
}
