//! The four functions and their triggers in one process, over any clients, clock and way to receivers.

use std::{sync::Arc, time::Duration};

use axum::Router;
use rung_api::{Api, openapi};
use rung_base::clock::Clock;
use rung_core::{
    domain::message::webhook_of,
    egress::Transport,
    encryption::KeyRing,
    flow::{
        StatsBuffer, accept::Publisher, control::Control, deliver::Deliverer, post::Poster,
        sweep::Sweeper,
    },
    limits::SWEEP_AHEAD_MS,
    metrics::Metrics,
    queue::{Queue, Urls},
    store::{Store, StoreError},
};
use rung_dialect::Dialects;
use rung_enqueue::Room;
use rung_local_aws::{QueueSpec, Redrive, Sharing, sqs::queue_url};
use tokio::{sync::watch, task::JoinSet};

use crate::event_source::EventSource;

/// The table's name.
pub const TABLE: &str = "rung";
const DELIVER: &str = "deliver";
const RETRY: &str = "retry";
const DELIVER_DEAD: &str = "deliver-dead";
const RETRY_DEAD: &str = "retry-dead";

/// What a batch may take: the function's time-out of 30 s, less the time for reporting.
const BATCH_TIME: Duration = Duration::from_secs(27);
/// Messages of one queue handled at once.
const CONCURRENCY: usize = 5_000;
/// Publishing requests at once, the events of them that are being stored, and the bytes of bodies on their way in: on Lambda the
/// platform bounds them. So many events fill the transactions of the embedded table, and more would only wait for each other.
const PUBLISHING: usize = 256;
const STORING: usize = 64;
const PUBLISHING_BYTES: usize = 128 * 1024 * 1024;
/// How often the sweep runs, in milliseconds of the ladder's clock: twice within the time that it looks ahead, so one that fails costs
/// nothing. On AWS it runs every minute. Under a fast clock that would be most of what this process does.
const SWEEP_EVERY_MS: u64 = SWEEP_AHEAD_MS / 2;

/// What the functions stand on.
pub struct Parts {
    /// DynamoDB.
    pub dynamodb: aws_sdk_dynamodb::Client,
    /// SQS.
    pub sqs: aws_sdk_sqs::Client,
    /// The ladder's clock.
    pub clock: Arc<dyn Clock>,
    /// The way to receivers.
    pub transport: Arc<dyn Transport>,
    /// What webhooks may speak.
    pub dialects: Arc<Dialects>,
    /// The operator's key.
    pub admin_key: String,
    /// What encrypts the secrets in the table.
    pub encryption_keys: KeyRing,
    /// Whether only public HTTPS URLs are taken.
    pub strict: bool,
    /// How long events, deliveries and logs are kept.
    pub retention: Duration,
}

const VISIBILITY_S: u64 = 180;
const DAY_S: u64 = 86_400;
/// High, so that half an hour of a table out of order does not empty a queue into its dead letters.
const MAX_RECEIVES: u32 = 200;

/// The queues as the template makes them, for a ladder's clock that runs `scale` times faster than the wall.
///
/// A receiver may take its 15 s, and a batch its [`BATCH_TIME`], by the wall; a queue's times are by the ladder's clock. Were
/// they not stretched, an attempt under way would be handed out a second time.
#[must_use]
pub fn queues(scale: u32) -> Vec<QueueSpec> {
    let scale = u64::from(scale);
    let main = |name: &str, dead_letter: &str| QueueSpec {
        name: name.to_owned(),
        visibility_timeout_s: VISIBILITY_S * scale,
        retention_s: 7 * DAY_S * scale,
        redrive: Some(Redrive {
            dead_letter: dead_letter.to_owned(),
            max_receive_count: MAX_RECEIVES,
        }),
        sharing: Some(Sharing {
            in_flight: CONCURRENCY,
            line_of: webhook_of,
        }),
    };
    let dead = |name: &str| QueueSpec {
        name: name.to_owned(),
        visibility_timeout_s: VISIBILITY_S * scale,
        retention_s: 14 * DAY_S * scale,
        redrive: None,
        sharing: None,
    };
    vec![
        main(DELIVER, DELIVER_DEAD),
        main(RETRY, RETRY_DEAD),
        dead(DELIVER_DEAD),
        dead(RETRY_DEAD),
    ]
}

/// The description of the API in OpenAPI 3.1, made from the routes of [`App::router`].
#[must_use]
pub fn openapi() -> serde_json::Value {
    let documented = rung_subscriptions::documented().into_iter();
    openapi::document(documented.chain(rung_enqueue::documented()).collect())
}

/// The functions.
#[derive(Clone)]
pub struct App {
    sqs: aws_sdk_sqs::Client,
    urls: Urls,
    clock: Arc<dyn Clock>,
    /// What the HTTP functions share.
    pub api: Api,
    /// The function `enqueue`.
    pub publisher: Publisher,
    /// The function `deliver`.
    pub deliverer: Deliverer,
    /// The function `sweep`.
    pub sweeper: Sweeper,
}

impl App {
    /// Builds the functions and makes the table unless it is there.
    ///
    /// # Errors
    /// When the table cannot be made.
    pub async fn new(parts: Parts) -> Result<Self, StoreError> {
        let Parts {
            dynamodb,
            sqs,
            clock,
            transport,
            dialects,
            admin_key,
            encryption_keys,
            strict,
            retention,
        } = parts;
        let store = Store::new(
            dynamodb,
            TABLE,
            encryption_keys,
            Arc::clone(&clock),
            retention,
        );
        store.create_table().await?;
        let urls = Urls {
            deliver: queue_url(DELIVER),
            retry: queue_url(RETRY),
            dead: queue_url(DELIVER_DEAD),
            retry_dead: queue_url(RETRY_DEAD),
        };
        let queue = Queue::new(&sqs, &urls);
        let publisher = Publisher::new(
            store.clone(),
            queue.clone(),
            Arc::clone(&dialects),
            Arc::clone(&clock),
        );
        let mut control = Control::new(
            store.clone(),
            queue.clone(),
            Arc::clone(&dialects),
            Arc::clone(&clock),
            publisher.clone(),
        );
        control.index_lag_ms = 0;
        let poster = Poster::new(transport, Arc::clone(&clock));
        let mut deliverer = Deliverer::new(control, poster, Metrics::default());
        // Nothing freezes this process, and nobody pays for its time.
        deliverer.stats = StatsBuffer::new(BATCH_TIME);
        Ok(Self {
            sqs,
            urls,
            api: Api::new(
                store.clone(),
                dialects,
                Arc::clone(&clock),
                &admin_key,
                strict,
            ),
            publisher,
            deliverer,
            sweeper: Sweeper {
                store,
                queue,
                clock: Arc::clone(&clock),
                metrics: Metrics::default(),
            },
            clock,
        })
    }

    /// The HTTP functions behind one door.
    pub fn router(&self) -> Router {
        let room = Room::of(PUBLISHING_BYTES, PUBLISHING, STORING);
        let publishing = rung_enqueue::routes(self.api.clone(), self.publisher.clone(), room);
        let Deliverer {
            control, poster, ..
        } = self.deliverer.clone();
        let managing = rung_subscriptions::routes(self.api.clone(), control, poster);
        rung_api::router(managing.merge(publishing))
    }

    /// Runs the triggers until `stop` says so; then what is under way is finished, and the statistics with it.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let mut triggers = JoinSet::new();
        for queue_url in [&self.urls.deliver, &self.urls.retry] {
            let source = EventSource {
                client: self.sqs.clone(),
                queue_url: queue_url.clone(),
                concurrency: CONCURRENCY,
            };
            let deliverer = self.deliverer.clone();
            let handler = move |event| {
                let deliverer = deliverer.clone();
                async move { rung_deliver::handle(&deliverer, event, BATCH_TIME).await }
            };
            triggers.spawn(source.run(handler, stop.clone()));
        }
        let deliverer = self.deliverer.clone();
        triggers.spawn(self.sweep(stop));
        while triggers.join_next().await.is_some() {}
        deliverer.flush_stats().await;
    }

    /// The schedule of the function `sweep`.
    async fn sweep(self, mut stop: watch::Receiver<bool>) {
        loop {
            if let Err(error) = rung_sweep::handle(&self.sweeper).await {
                tracing::error!(%error, "the sweep failed; the next one continues");
            }
            let next_ms = self.clock.now_ms() + SWEEP_EVERY_MS;
            tokio::select! {
                () = self.clock.sleep_until_ms(next_ms) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rung_base::clock::VirtualClock;
    use rung_core::{
        domain::{
            id::{DeliveryKey, EventId, TenantId, WebhookId},
            message::{AttemptMessage, Message},
            position::Position,
        },
        queue::QueueName,
    };

    use super::*;
    use rung_local_aws::{Aws, connector::InProcess};

    /// Queues in memory: what sends to them, and what receives from them.
    struct Queues {
        queue: Queue,
        sqs: aws_sdk_sqs::Client,
    }

    impl Queues {
        fn open() -> Self {
            let clock = Arc::new(VirtualClock::starting_at(0));
            let aws = Aws::memory(&queues(1), clock).unwrap();
            let (_, sqs) = rung_local_aws::clients(InProcess::new(aws));
            let urls = Urls {
                deliver: queue_url(DELIVER),
                retry: queue_url(RETRY),
                dead: queue_url(DELIVER_DEAD),
                retry_dead: queue_url(RETRY_DEAD),
            };
            Self {
                queue: Queue::new(&sqs, &urls),
                sqs,
            }
        }

        /// Sends attempts for a tenant to webhooks of these numbers.
        async fn send(
            &self,
            queue: QueueName,
            tenant: &str,
            webhooks: impl Iterator<Item = usize>,
        ) {
            let messages: Vec<_> = webhooks
                .map(|webhook| (attempt(tenant, webhook), 0))
                .collect();
            let sent = self.queue.send_all(queue, &messages).await;
            assert!(sent.iter().all(Result::is_ok));
        }

        /// Receives a batch as the event source does, and says for whom it is.
        async fn receive(&self, queue: &str) -> Vec<(String, String)> {
            let receive = self.sqs.receive_message().queue_url(queue_url(queue));
            let received = receive.max_number_of_messages(10).send().await.unwrap();
            let messages = received.messages.unwrap_or_default().into_iter();
            let parsed = messages.map(|message| Message::parse(&message.body.unwrap()).unwrap());
            let attempts = parsed.map(|message| match message {
                Message::Attempt(message) => {
                    let DeliveryKey {
                        tenant, webhook, ..
                    } = message.delivery;
                    (tenant.to_string(), webhook.to_string())
                }
                other => panic!("{other:?}"),
            });
            attempts.collect()
        }
    }

    fn attempt(tenant: &str, webhook: usize) -> Message {
        let delivery = DeliveryKey {
            tenant: TenantId::parse(tenant).unwrap(),
            webhook: WebhookId::parse(&format!("w{webhook}")).unwrap(),
            event: EventId::parse("e").unwrap(),
            accepted_ms: 0,
        };
        Message::Attempt(AttemptMessage::new(delivery, Position::first(0, 0)))
    }

    #[tokio::test]
    async fn a_fan_out_lets_another_tenants_delivery_through_at_the_next_receive() {
        let queues = Queues::open();
        queues.send(QueueName::Deliver, "wide", 0..1_000).await;
        queues.send(QueueName::Deliver, "calm", 0..1).await;
        let received = queues.receive(DELIVER).await;
        assert_eq!(received.len(), 10);
        assert_eq!(received[1].0, "calm");
    }

    #[tokio::test]
    async fn a_receiver_that_nobody_gets_done_leaves_room_to_its_tenants_others_and_to_other_tenants()
     {
        for (queue, name) in [(QueueName::Deliver, DELIVER), (QueueName::Retry, RETRY)] {
            let queues = Queues::open();
            let stuck = (0..CONCURRENCY).map(|_| 0);
            queues.send(queue, "stuck", stuck).await;
            let mut in_flight = 0;
            loop {
                let received = queues.receive(name).await.len();
                if received == 0 {
                    break;
                }
                in_flight += received;
            }
            assert_eq!(in_flight, CONCURRENCY.div_ceil(3));
            queues.send(queue, "stuck", 1..2).await;
            queues.send(queue, "calm", 1..2).await;
            let received = queues.receive(name).await;
            let who: Vec<_> = received.iter().map(|(tenant, _)| tenant.as_str()).collect();
            assert_eq!(who, ["stuck", "calm"]);
        }
    }
}
