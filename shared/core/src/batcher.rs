//! Gathers what concurrent callers want of a service at the same moment into as few calls as possible.
//!
//! The first to come starts a flush, which lets every task that is ready run once before it takes what has gathered: under
//! load calls fill up, and an idle system waits for nothing. A caller that is cancelled takes nobody else's call along.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::oneshot;

/// How much one call takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

type Call<T, R> = dyn Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync;

/// A gate through which single entries leave as batches, each entry with an answer of its own.
pub(crate) struct Batcher<T, R> {
    inner: Arc<Inner<T, R>>,
}

struct Inner<T, R> {
    limits: Limits,
    size: fn(&T) -> usize,
    call: Box<Call<T, R>>,
    waiting: Mutex<Vec<(T, oneshot::Sender<R>)>>,
}

impl<T, R> Clone for Batcher<T, R> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<T: Send + 'static, R: Send + 'static> Batcher<T, R> {
    /// A gate over `call`, which answers for each entry in order; `size` is an entry's in bytes.
    pub(crate) fn new(
        limits: Limits,
        size: fn(&T) -> usize,
        call: impl Fn(Vec<T>) -> BoxFuture<'static, Vec<R>> + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                limits,
                size,
                call: Box::new(call),
                waiting: Mutex::default(),
            }),
        }
    }

    /// The answer for one entry; `None` when the call's task died.
    pub(crate) async fn call(&self, entry: T) -> Option<R> {
        self.push(vec![entry]).pop()?.await.ok()
    }

    /// The answers for all entries, in order.
    pub(crate) async fn call_all(&self, entries: Vec<T>) -> Vec<Option<R>> {
        join_all(
            self.push(entries)
                .into_iter()
                .map(async |answer| answer.await.ok()),
        )
        .await
    }

    fn push(&self, entries: Vec<T>) -> Vec<oneshot::Receiver<R>> {
        let mut answers = Vec::with_capacity(entries.len());
        let first = {
            let mut waiting = self
                .inner
                .waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let first = waiting.is_empty();
            for entry in entries {
                let (sender, answer) = oneshot::channel();
                waiting.push((entry, sender));
                answers.push(answer);
            }
            first && !answers.is_empty()
        };
        if first {
            let inner = Arc::clone(&self.inner);
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                inner.flush().await;
            });
        }
        answers
    }
}

impl<T, R> Inner<T, R> {
    async fn flush(&self) {
        let entries =
            std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(self.calls(entries).into_iter().map(async |call| {
            let (entries, senders): (Vec<_>, Vec<_>) = call.into_iter().unzip();
            for (answer, sender) in (self.call)(entries).await.into_iter().zip(senders) {
                // A caller that has gone away needs no answer.
                let _ = sender.send(answer);
            }
        }))
        .await;
    }

    fn calls(&self, entries: Vec<(T, oneshot::Sender<R>)>) -> Vec<Vec<(T, oneshot::Sender<R>)>> {
        let mut calls = Vec::with_capacity(entries.len() / self.limits.entries + 1);
        let mut call = Vec::new();
        let mut bytes = 0;
        for entry in entries {
            let size = (self.size)(&entry.0);
            if call.len() == self.limits.entries
                || (!call.is_empty() && bytes + size > self.limits.bytes)
            {
                calls.push(std::mem::take(&mut call));
                bytes = 0;
            }
            bytes += size;
            call.push(entry);
        }
        if !call.is_empty() {
            calls.push(call);
        }
        calls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The calls made, each with its entries.
    type Calls = Arc<Mutex<Vec<Vec<u32>>>>;

    fn recorder(limits: Limits) -> (Batcher<u32, Result<(), String>>, Calls) {
        let calls = Calls::default();
        let seen = Arc::clone(&calls);
        let batcher = Batcher::new(
            limits,
            |entry: &u32| *entry as usize,
            move |entries| {
                seen.lock().unwrap().push(entries.clone());
                let results = entries.iter().map(|entry| {
                    if entry % 7 == 0 {
                        Err(entry.to_string())
                    } else {
                        Ok(())
                    }
                });
                let results = results.collect();
                Box::pin(async { results })
            },
        );
        (batcher, calls)
    }

    #[tokio::test]
    async fn concurrent_writes_share_calls_within_the_limits_and_each_gets_its_own_answer() {
        let (batcher, calls) = recorder(Limits {
            entries: 3,
            bytes: 100,
        });
        let answers = join_all((1..=8).map(|entry| batcher.call(entry))).await;
        let failed: Vec<_> = answers
            .iter()
            .flatten()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert_eq!(failed, ["7"]);
        assert_eq!(
            *calls.lock().unwrap(),
            [vec![1, 2, 3], vec![4, 5, 6], vec![7, 8]]
        );
    }

    #[tokio::test]
    async fn a_call_is_closed_before_it_grows_too_large_but_never_empty() {
        let (batcher, calls) = recorder(Limits {
            entries: 10,
            bytes: 100,
        });
        batcher.call_all(vec![60, 41, 500, 1]).await;
        assert_eq!(
            *calls.lock().unwrap(),
            [vec![60], vec![41], vec![500], vec![1]]
        );
    }
}
