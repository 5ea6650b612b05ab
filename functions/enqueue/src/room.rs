//! How much is published at once in one process, and by whom.
//!
//! Two things are bounded: the bytes of the bodies on their way in, and the requests that are there. A request takes its part of the
//! first before its body is read, and its place in the second once all of the body is there, so that a client which sends slowly
//! keeps no place from anybody. Of the requests that are there, tenants take [turns](crate::turn). What is accepted waits in the
//! queue, not here.
//!
//! Both are shared alike: **a tenant may hold as much as is free**. One tenant alone gets half. A second one gets half of what the
//! first leaves, and as the first one's requests end, the two and what is free come to a third each. However many tenants
//! publish as much as they can, the next one finds room. What finds none is answered with 503 and `Retry-After`, after
//! [a while](REFUSAL_DELAY).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    body::{Bytes, HttpBody as _},
    extract::Request,
};
use rung_api::{ApiError, Code};
use rung_core::domain::id::TenantId;
use tokio::time::sleep;

use crate::turn::{Places, Turn};

/// How long a refusal takes. A client that asks again at once would otherwise keep the process busy with refusals, and everybody
/// else's requests would wait for them.
const REFUSAL_DELAY: Duration = Duration::from_millis(100);

/// The room that there is for publishing. Clones share it; the default has no bounds, for where the platform sets them.
#[derive(Debug, Clone, Default)]
pub struct Room {
    bodies: Pool,
    requests: Pool,
    places: Places,
}

/// A body that is there, and the room that its request holds until this is dropped.
pub(crate) struct Received {
    pub(crate) body: Bytes,
    _room: [Option<Part>; 2],
}

impl Room {
    /// Room for so many bytes of bodies, for so many requests, and for so many events being stored at once.
    #[must_use]
    pub fn of(body_bytes: usize, requests: usize, events: usize) -> Self {
        Self {
            bodies: Pool::of(body_bytes),
            requests: Pool::of(requests),
            places: Places::of(events),
        }
    }

    /// A turn for a tenant to store so many events, to be held while they are stored.
    pub(crate) async fn turn(&self, tenant: &TenantId, events: usize) -> Option<Turn> {
        self.places.take(tenant, events).await
    }

    /// Takes in the body of a tenant's request, of at most `most` bytes.
    ///
    /// # Errors
    /// 503 when there is no room for it; else as [`rung_api::bytes`].
    pub(crate) async fn receive(
        &self,
        tenant: &TenantId,
        request: Request,
        most: usize,
    ) -> Result<Received, ApiError> {
        // One that does not say how long it is may be as long as any.
        let announced = request.body().size_hint().upper();
        let announced = announced.and_then(|bytes| usize::try_from(bytes).ok());
        let announced = announced.unwrap_or(most).min(most);
        let bytes = match self.bodies.take(tenant, announced) {
            Ok(bytes) => bytes,
            Err(refused) => return Err(late(refused).await),
        };
        let body = rung_api::bytes(request, most).await?;
        let place = match self.requests.take(tenant, 1) {
            Ok(place) => place,
            Err(refused) => {
                drop((body, bytes));
                return Err(late(refused).await);
            }
        };
        Ok(Received {
            body,
            _room: [bytes, place],
        })
    }
}

async fn late(refused: ApiError) -> ApiError {
    sleep(REFUSAL_DELAY).await;
    refused
}

/// Something of which there is so much, or without end.
#[derive(Debug, Clone, Default)]
struct Pool(Option<Arc<Bounded>>);

#[derive(Debug)]
struct Bounded {
    capacity: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_tenant: HashMap<TenantId, usize>,
}

/// A tenant's part of a pool, given back when dropped.
struct Part {
    pool: Arc<Bounded>,
    tenant: TenantId,
    amount: usize,
}

impl Pool {
    fn of(capacity: usize) -> Self {
        Self(Some(Arc::new(Bounded {
            capacity,
            taken: Mutex::default(),
        })))
    }

    /// Takes a part for a tenant, which then holds no more than was free before.
    fn take(&self, tenant: &TenantId, amount: usize) -> Result<Option<Part>, ApiError> {
        let Some(pool) = &self.0 else {
            return Ok(None);
        };
        let mut taken = pool.taken();
        let free = pool.capacity.saturating_sub(taken.all);
        let held = taken.by_tenant.get(tenant).copied().unwrap_or_default() + amount;
        if held > free {
            return Err(ApiError::new(
                Code::Unavailable,
                "too many concurrent publishing requests of this tenant; send the same request again",
            ));
        }
        taken.all += amount;
        taken.by_tenant.insert(tenant.clone(), held);
        Ok(Some(Part {
            pool: Arc::clone(pool),
            tenant: tenant.clone(),
            amount,
        }))
    }
}

impl Bounded {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut taken = self.pool.taken();
        taken.all -= self.amount;
        if let Some(held) = taken.by_tenant.get_mut(&self.tenant) {
            *held -= self.amount;
            if *held == 0 {
                taken.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{
        convert::Infallible,
        pin::Pin,
        task::{Context, Poll},
    };

    use axum::body::Body;
    use futures_util::FutureExt as _;
    use http_body::{Frame, SizeHint};
    use tokio::time::Instant;

    use super::*;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    /// Takes as much as a tenant gets, one by one.
    fn all_of(pool: &Pool, id: &str) -> Vec<Part> {
        std::iter::from_fn(|| pool.take(&tenant(id), 1).ok().flatten()).collect()
    }

    #[test]
    fn a_tenant_holds_as_much_as_is_free() {
        let pool = Pool::of(256);
        let first = all_of(&pool, "a");
        assert_eq!(first.len(), 128);
        let second = all_of(&pool, "b");
        assert_eq!(second.len(), 64);
        let third = all_of(&pool, "c");
        assert_eq!(third.len(), 32);
        drop((first, second));
        let error = pool.take(&tenant("a"), 225).err().unwrap();
        assert_eq!(
            (error.code, error.retry_after_s),
            (Code::Unavailable, Some(1))
        );
        assert!(pool.take(&tenant("a"), 224).is_ok());
        drop(third);
        let taken = pool.0.as_ref().unwrap().taken();
        assert_eq!((taken.all, taken.by_tenant.len()), (0, 0));
    }

    #[test]
    fn tenants_that_take_all_they_get_come_to_the_same() {
        let pool = Pool::of(300);
        let mut held = [all_of(&pool, "a"), all_of(&pool, "b")];
        // The requests of both end one by one, and both ask for more at once.
        for _ in 0..1_000 {
            for (parts, id) in held.iter_mut().zip(["a", "b"]) {
                parts.pop();
                parts.extend(all_of(&pool, id));
            }
        }
        let [a, b] = held.map(|parts| parts.len());
        assert!(a.abs_diff(b) <= 2 && (98..=102).contains(&a), "{a}, {b}");
    }

    /// A body that does not come, though it may say how long it is.
    struct Awaited(Option<u64>);

    impl axum::body::HttpBody for Awaited {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }

        fn size_hint(&self) -> SizeHint {
            self.0.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn awaited(length: Option<u64>) -> Request {
        Request::new(Body::new(Awaited(length)))
    }

    fn whole() -> Request {
        Request::new(Body::from("{}"))
    }

    #[tokio::test(start_paused = true)]
    async fn half_sent_bodies_keep_no_place_from_anybody() {
        let room = Room::of(64 * 1_024, 1, 1);
        let (slow, quick) = (tenant("slow"), tenant("quick"));
        let mut waiting = Vec::new();
        // What is announced counts; what is not counts as the most that may come.
        for length in [Some(1), Some(1_024), None] {
            let mut body = Box::pin(room.receive(&slow, awaited(length), 2_048));
            assert!(body.as_mut().now_or_never().is_none());
            waiting.push(body);
        }
        let held = room.bodies.0.as_ref().unwrap().taken().all;
        assert_eq!(held, 1 + 1_024 + 2_048);
        let received = room.receive(&quick, whole(), 2_048).await.unwrap();
        assert_eq!(received.body, "{}");
        let refused = room.receive(&quick, whole(), 2_048).await.err().unwrap();
        assert_eq!(refused.code, Code::Unavailable);
        drop(received);
        assert!(room.receive(&quick, whole(), 2_048).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_tenants_bodies_leave_room_for_anothers() {
        let room = Room::of(64 * 1_024, 256, 1);
        let (slow, quick) = (tenant("slow"), tenant("quick"));
        let mut waiting = Vec::new();
        for _ in 0..32 {
            let mut body = Box::pin(room.receive(&slow, awaited(None), 1_024));
            assert!(body.as_mut().now_or_never().is_none());
            waiting.push(body);
        }
        let refused = room.receive(&slow, awaited(None), 1_024).await;
        assert_eq!(refused.err().unwrap().code, Code::Unavailable);
        assert!(room.receive(&quick, whole(), 1_024).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_takes_a_while_and_holds_nothing_meanwhile() {
        let room = Room::of(4_096, 2, 1);
        let (flood, quick) = (tenant("flood"), tenant("quick"));
        let _received = room.receive(&flood, whole(), 1_024).await.unwrap();
        let start = Instant::now();
        let mut refused = Box::pin(room.receive(&flood, whole(), 1_024));
        assert!(refused.as_mut().now_or_never().is_none());
        let held = room.bodies.0.as_ref().unwrap().taken().all;
        assert_eq!(held, 2, "the body of the first alone");
        assert!(room.receive(&quick, whole(), 1_024).await.is_ok());
        assert_eq!(start.elapsed(), Duration::ZERO);
        assert_eq!(refused.await.err().unwrap().code, Code::Unavailable);
        assert_eq!(start.elapsed(), REFUSAL_DELAY);
    }
}
