//! The functions over in-memory stores, with one receiver that answers as told.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::result::ConnectorError;
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, response::Parts as Head},
};
use bytes::Bytes;
use rung_api::Api;
use rung_base::clock::{Clock, VirtualClock};
use rung_core::{
    domain::audit::{Action, Origin, Record},
    egress::{Answer, Failure, HostFault, Outgoing, Slot, Transport},
    encryption::KeyRing,
    topic::Topic,
};
use rung_dialect::Dialects;
use rung_local::app::{self, App, Parts};
use rung_local_aws::{
    Aws, Response,
    connector::{Backend, InProcess},
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::contention::Contention;

/// What the audit log says of a change that a test makes past the API.
pub(crate) fn by_nobody() -> Record {
    Record::new(&Origin::system(), None, Action::WebhookUpdated, "by nobody")
}

pub(crate) const ADMIN: &str = "the operator's own key";
const START_MS: u64 = 1_760_000_000_000;

/// What a receiver answers to a request; its body is nobody's business.
type Script = Arc<dyn Fn(&Outgoing) -> http::Response<()> + Send + Sync>;

/// Where Rung itself is a receiver.
pub(crate) const OWN_HOST: &str = "rung.example";

struct Receiver {
    status: AtomicU16,
    /// Its `Retry-After`.
    retry_after: Mutex<Option<String>>,
    posts: AtomicUsize,
    last: Mutex<Option<Outgoing>>,
    /// Posts that are not answered yet, and the most there were at once.
    under_way: (AtomicUsize, AtomicUsize),
    /// What answers at [`OWN_HOST`].
    own: OnceLock<Router>,
    /// Whether the host that delivers cannot send.
    cut_off: AtomicBool,
    /// How long an answer takes, in milliseconds.
    takes_ms: AtomicU64,
    later_ms: AtomicU64,
    /// What answers instead of all this.
    script: Mutex<Option<Script>>,
    /// Why nothing answers at all.
    failure: Mutex<Option<Failure>>,
}

impl Receiver {
    /// What Rung's own API answers to a POST.
    async fn of_own(&self, outgoing: &Outgoing) -> Answer {
        let mut request = Request::post(outgoing.url.path());
        *request.headers_mut().unwrap() = outgoing.headers.clone();
        let request = request.body(Body::from(outgoing.body.clone())).unwrap();
        let router = self.own.get().unwrap().clone();
        let (head, body) = router.oneshot(request).await.unwrap().into_parts();
        Answer {
            status: head.status,
            headers: head.headers,
            body: to_bytes(body, usize::MAX).await.unwrap(),
            body_complete: true,
        }
    }
}

#[async_trait]
impl Transport for Receiver {
    async fn post(&self, outgoing: &Outgoing, _: &Slot) -> Result<Answer, Failure> {
        if self.cut_off.load(Ordering::Relaxed) {
            return Err(HostFault::NameServers.into());
        }
        let before = self.posts.fetch_add(1, Ordering::Relaxed) as u64;
        *self.last.lock().unwrap() = Some(outgoing.clone());
        let (under_way, most) = &self.under_way;
        most.fetch_max(
            1 + under_way.fetch_add(1, Ordering::Relaxed),
            Ordering::Relaxed,
        );
        let later_ms = before * self.later_ms.load(Ordering::Relaxed);
        let takes_ms = self.takes_ms.load(Ordering::Relaxed) + later_ms;
        let takes = Duration::from_millis(takes_ms);
        if takes_ms > 0 {
            tokio::time::sleep(takes.min(outgoing.timeout)).await;
        }
        under_way.fetch_sub(1, Ordering::Relaxed);
        if takes > outgoing.timeout {
            return Err(Failure::Timeout(outgoing.timeout));
        }
        if let Some(failure) = &*self.failure.lock().unwrap() {
            return Err(failure.clone());
        }
        let script = self.script.lock().unwrap().clone();
        if let Some(script) = script {
            let (head, ()) = script(outgoing).into_parts();
            return Ok(Answer {
                status: head.status,
                headers: head.headers,
                body: Bytes::new(),
                body_complete: true,
            });
        }
        if outgoing.url.host_str() == Some(OWN_HOST) {
            return Ok(self.of_own(outgoing).await);
        }
        let mut headers =
            HeaderMap::from_iter([("x-receiver".parse().unwrap(), "r".parse().unwrap())]);
        if let Some(asked) = &*self.retry_after.lock().unwrap() {
            headers.insert("retry-after", asked.parse().unwrap());
        }
        if let Some(echoed) = outgoing.headers.get("authorization") {
            headers.insert("x-echo", echoed.clone());
        }
        // It echoes challenges, unless its path says that it doesn't listen.
        let token = outgoing.headers.get("rung-challenge");
        let token = token.map(|token| Bytes::copy_from_slice(token.as_bytes()));
        let mut query = outgoing.url.query_pairs();
        let asked = query.find(|(name, _)| name == "hub.challenge");
        let token = token.or_else(|| asked.map(|(_, token)| Bytes::from(token.into_owned())));
        let challenge = token.filter(|_| outgoing.url.path() != "/deaf");
        Ok(Answer {
            status: StatusCode::from_u16(self.status.load(Ordering::Relaxed)).unwrap(),
            headers,
            body: challenge.unwrap_or(Bytes::from_static(b"thanks")),
            body_complete: true,
        })
    }
}

/// The builtin ones; `metered`: odin's with a quota for the plan `pro`; `brief`: standard's with one retry, after a second, that
/// no failure disables; `hasty`: the same that three hours of failures disable; `shaped`: `brief` with a challenge by GET, that
/// gives up on answers of the class 4xx; and `sendgrid`, which signs with ECDSA.
fn dialects() -> Dialects {
    let builtin = Dialects::builtin();
    let odin = &builtin.get("odin").unwrap().source;
    let metered = odin
        .replace("name = \"odin\"", "name = \"metered\"")
        .replace(
            "[ladder]",
            "[limits.pro]\nevents_per_month = 20\n\n[ladder]",
        );
    let standard = &builtin.get("standard").unwrap().source;
    let (start, rest) = standard.split_once("waits = [").unwrap();
    let (_, rest) = rest.split_once(']').unwrap();
    let brief = format!("{start}waits = [\"1s\"]{rest}")
        .replace("name = \"standard\"", "name = \"brief\"")
        .replace("{ failing_for = \"5d\" }", "\"never\"");
    let hasty = brief
        .replace("name = \"brief\"", "name = \"hasty\"")
        .replace("\"never\"", "{ failing_for = \"3h\" }");
    let shaped = brief.replace("name = \"brief\"", "name = \"shaped\"\ngive_up = [\"4xx\"]");
    let shaped = format!(
        "{shaped}\n[challenge]\nmethod = \"GET\"\nquery = {{ \"hub.mode\" = \"subscribe\", \"hub.challenge\" = \"{{token}}\" }}\n"
    );
    let files = [
        ("shaped.toml", shaped),
        ("metered.toml", metered),
        ("brief.toml", brief),
        ("hasty.toml", hasty),
        (
            "sendgrid.toml",
            include_str!("../../../../dialects/sendgrid.toml").to_owned(),
        ),
    ];
    files.into_iter().fold(builtin, |dialects, (name, file)| {
        dialects.with_file(name, &file).unwrap()
    })
}

/// What becomes of the writes of statistics.
#[derive(Debug, Clone, Default)]
pub(crate) struct Statistics {
    delay_ms: Arc<AtomicU64>,
    refused: Arc<AtomicBool>,
    writes: Arc<AtomicUsize>,
}

impl Statistics {
    /// From now on each takes so long before it has any effect.
    pub(crate) fn delay(&self, ms: u64) {
        self.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Whether from now on they fail.
    pub(crate) fn refuse(&self, refused: bool) {
        self.refused.store(refused, Ordering::Relaxed);
    }

    /// How many there were.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }
}

/// Partitions of the table whose reads are refused: those that begin with one of these.
#[derive(Debug, Clone, Default)]
pub(crate) struct Throttled(Arc<Mutex<Vec<String>>>);

impl Throttled {
    /// From now on it is these.
    pub(crate) fn set(&self, partitions: &[&str]) {
        *self.0.lock().unwrap() = partitions.iter().map(|&one| one.to_owned()).collect();
    }

    /// What DynamoDB answers to a read of one of them.
    fn refusal(&self, target: &str, text: &str) -> Option<Response> {
        let operation = target.rsplit('.').next().unwrap();
        let reads = ["GetItem", "BatchGetItem", "Query"].contains(&operation);
        let partitions = self.0.lock().unwrap();
        let named = |one: &String| text.contains(&format!(r#"{{"S":"{one}"#));
        (reads && partitions.iter().any(named)).then(|| Response {
            status: 400,
            query_error: None,
            body: br#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"throttled"}"#.to_vec(),
        })
    }
}

/// The way to AWS.
#[derive(Clone)]
struct Wire {
    aws: Aws,
    statistics: Statistics,
    contention: Contention,
    throttled: Throttled,
    /// Calls so far.
    calls: Arc<AtomicUsize>,
}

impl Backend for Wire {
    async fn call(&self, target: &str, body: &[u8]) -> Result<Response, ConnectorError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let text = String::from_utf8_lossy(body);
        if target.ends_with("UpdateItem") && text.contains(r#"{"S":"H#"#) {
            let statistics = &self.statistics;
            statistics.writes.fetch_add(1, Ordering::Relaxed);
            let delay_ms = statistics.delay_ms.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            if statistics.refused.load(Ordering::Relaxed) {
                return Err(ConnectorError::io("refused".into()));
            }
        }
        if let Some(refusal) = self.throttled.refusal(target, &text) {
            return Ok(refusal);
        }
        Ok(self.contention.dispatch(&self.aws, target, body).await)
    }
}

/// Fails unless each time in an answer is RFC 3339 in UTC with exactly three fraction digits. What others have said is as they
/// have said it.
#[track_caller]
fn assert_times_have_three_digits(answer: &Value) {
    const OTHERS: [&str; 6] = [
        "data", "metadata", "payload", "request", "response", "sample",
    ];
    const TIMES: [&str; 6] = ["at", "since", "until", "timestamp", "start", "reached"];
    match answer {
        Value::Array(items) => items.iter().for_each(assert_times_have_three_digits),
        Value::Object(members) => {
            for (name, value) in members {
                let last = name.rsplit('_').next().unwrap();
                if !OTHERS.contains(&name.as_str()) {
                    assert_times_have_three_digits(value);
                }
                if let Some(time) = value.as_str().filter(|_| TIMES.contains(&last)) {
                    let form = time.replace(|char: char| char.is_ascii_digit(), "0");
                    assert_eq!(form, "0000-00-00T00:00:00.000Z", "{name}: {time}");
                }
            }
        }
        _ => (),
    }
}

/// Rung with its triggers running, until it is dropped.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    /// The writes of statistics.
    pub(crate) statistics: Statistics,
    /// What transactions hold.
    pub(crate) contention: Contention,
    /// Partitions that cannot be read.
    pub(crate) throttled: Throttled,
    calls: Arc<AtomicUsize>,
    pub(crate) clock: Arc<dyn Clock>,
    router: Router,
    receiver: Arc<Receiver>,
    /// Its triggers run until this is dropped.
    stop: Option<watch::Sender<bool>>,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl Answered {
    /// The data of a success.
    #[track_caller]
    pub(crate) fn data(&self, status: u16) -> &Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["success"], true, "{}", self.body);
        &self.body["data"]
    }

    /// Fails unless this is such an error.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, code: &str) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.body["success"], false, "{}", self.body);
        assert_eq!(self.body["error"]["code"], code, "{}", self.body);
        let message = self.body["error"]["message"].as_str().unwrap();
        assert!(!message.is_empty());
        assert_eq!(
            self.body["error"]["request_id"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        assert!(self.body["error"]["retryable"].is_boolean());
        for detail in self.body["error"]["details"].as_array().unwrap() {
            assert!(detail["code"].is_string(), "{}", self.body);
        }
    }

    /// The fields that an error is about.
    pub(crate) fn fields(&self) -> Vec<&str> {
        let details = self.body["error"]["details"].as_array().unwrap();
        let fields = details
            .iter()
            .map(|detail| detail["field"].as_str().unwrap());
        fields.collect()
    }
}

/// Who calls.
#[derive(Debug, Clone, Default)]
pub(crate) struct As {
    pub(crate) key: Option<String>,
    tenant: Option<String>,
    idempotency_key: Option<String>,
    traceparent: Option<String>,
    hops: Vec<String>,
    /// Headers that say which version a change begins from.
    preconditions: Vec<(&'static str, String)>,
}

impl As {
    pub(crate) fn nobody() -> Self {
        Self::default()
    }

    pub(crate) fn operator() -> Self {
        Self::key(ADMIN)
    }

    pub(crate) fn operator_for(tenant: &str) -> Self {
        Self::operator().naming(tenant)
    }

    /// The same with the header `Rung-Tenant`.
    pub(crate) fn naming(self, tenant: &str) -> Self {
        Self {
            tenant: Some(tenant.to_owned()),
            ..self
        }
    }

    pub(crate) fn key(key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::default()
        }
    }

    /// What its header `Authorization` says.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.key.as_deref().unwrap_or_default())
    }

    /// The tenant that it names.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The same with an `Idempotency-Key`.
    pub(crate) fn with_idempotency_key(self, key: &str) -> Self {
        Self {
            idempotency_key: Some(key.to_owned()),
            ..self
        }
    }

    /// The same with such headers `Rung-Hops`.
    pub(crate) fn carrying(&self, hops: &[&str]) -> Self {
        Self {
            hops: hops.iter().map(|&hops| hops.to_owned()).collect(),
            ..self.clone()
        }
    }

    /// The same with such a precondition.
    pub(crate) fn when(mut self, header: &'static str, tag: &str) -> Self {
        self.preconditions.push((header, tag.to_owned()));
        self
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self) -> String {
        format!("Bearer {}", self.key.as_ref().unwrap())
    }

    /// The same in a trace.
    pub(crate) fn tracing(&self, traceparent: &str) -> Self {
        Self {
            traceparent: Some(traceparent.to_owned()),
            ..self.clone()
        }
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::telling(None).await
    }

    /// A world whose operator has a topic.
    pub(crate) async fn telling(topic: Option<Topic>) -> Self {
        let mut world = Self::still().await;
        let operator = &mut world.app.deliverer.control.operator;
        *operator = operator.clone().with_topic(topic);
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(world.app.clone().run(stopped));
        world.stop = Some(stop);
        world
    }

    /// A world whose table is encrypted with these keys, and whose triggers do nothing until they are told to.
    pub(crate) async fn with_keys(keys: &str) -> Self {
        Self::still_with(KeyRing::parse(keys).unwrap()).await
    }

    /// A world whose triggers do nothing until they are told to.
    pub(crate) async fn still() -> Self {
        Self::still_with(KeyRing::of_tests()).await
    }

    async fn still_with(encryption_keys: KeyRing) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(VirtualClock::starting_at(START_MS));
        let receiver = Arc::new(Receiver {
            status: AtomicU16::new(200),
            retry_after: Mutex::default(),
            posts: AtomicUsize::new(0),
            own: OnceLock::new(),
            cut_off: AtomicBool::new(false),
            takes_ms: AtomicU64::new(0),
            later_ms: AtomicU64::new(0),
            script: Mutex::default(),
            failure: Mutex::default(),
            last: Mutex::default(),
            under_way: Default::default(),
        });
        let aws = Aws::memory(&app::queues(1), Arc::clone(&clock)).unwrap();
        let (statistics, contention) = (Statistics::default(), Contention::default());
        let throttled = Throttled::default();
        let calls = Arc::<AtomicUsize>::default();
        let (dynamodb, sqs) = rung_local_aws::clients(InProcess::new(Wire {
            aws: aws.clone(),
            statistics: statistics.clone(),
            contention: contention.clone(),
            throttled: throttled.clone(),
            calls: Arc::clone(&calls),
        }));
        let app = App::new(Parts {
            dynamodb: dynamodb.clone(),
            sqs: sqs.clone(),
            clock: Arc::clone(&clock),
            transport: receiver.clone(),
            dialects: Arc::new(dialects()),
            admin_key: ADMIN.to_owned(),
            encryption_keys,
            strict: true,
            retention: Duration::from_secs(30 * 86_400),
        })
        .await
        .unwrap();
        let router = app.router();
        receiver.own.set(router.clone()).unwrap();
        Self {
            clock,
            router,
            app,
            dynamodb,
            sqs,
            statistics,
            contention,
            throttled,
            calls,
            receiver,
            stop: None,
        }
    }

    /// Restarts the functions with other encryption keys.
    pub(crate) async fn change_keys(&mut self, keys: &str) {
        self.app = App::new(Parts {
            dynamodb: self.dynamodb.clone(),
            sqs: self.sqs.clone(),
            clock: Arc::clone(&self.clock),
            transport: self.receiver.clone(),
            dialects: Arc::new(dialects()),
            admin_key: ADMIN.to_owned(),
            encryption_keys: KeyRing::parse(keys).unwrap(),
            strict: true,
            retention: Duration::from_secs(30 * 86_400),
        })
        .await
        .unwrap();
        self.router = self.app.router();
    }

    /// The same functions in another process, over the same table and queues.
    pub(crate) async fn beside(&self) -> Self {
        let app = App::new(Parts {
            dynamodb: self.dynamodb.clone(),
            sqs: self.sqs.clone(),
            clock: Arc::clone(&self.clock),
            transport: self.receiver.clone(),
            dialects: Arc::new(dialects()),
            admin_key: ADMIN.to_owned(),
            encryption_keys: KeyRing::of_tests(),
            strict: true,
            retention: Duration::from_secs(30 * 86_400),
        });
        let app = app.await.unwrap();
        Self {
            router: app.router(),
            app,
            dynamodb: self.dynamodb.clone(),
            sqs: self.sqs.clone(),
            statistics: self.statistics.clone(),
            contention: self.contention.clone(),
            throttled: self.throttled.clone(),
            calls: Arc::clone(&self.calls),
            clock: Arc::clone(&self.clock),
            receiver: Arc::clone(&self.receiver),
            stop: None,
        }
    }

    /// Gives the operator another key, as a restart does.
    pub(crate) fn change_admin_key(&mut self, key: &str) {
        let Api {
            store,
            dialects,
            clock,
            strict,
            ..
        } = self.app.api.clone();
        self.app.api = Api::new(store, dialects, clock, key, strict);
        self.router = self.app.router();
    }

    /// Restarts the functions with settings of their API that were changed.
    pub(crate) fn restart(&mut self) {
        self.router = self.app.router();
    }

    /// Another process on the same table, which knows nothing of what this one has read.
    pub(crate) fn another_process(&self) -> Self {
        let Api {
            store,
            dialects,
            clock,
            strict,
            ..
        } = self.app.api.clone();
        let mut app = self.app.clone();
        app.api = Api::new(store, dialects, clock, ADMIN, strict);
        Self {
            router: app.router(),
            app,
            sqs: self.sqs.clone(),
            dynamodb: self.dynamodb.clone(),
            statistics: self.statistics.clone(),
            contention: self.contention.clone(),
            throttled: self.throttled.clone(),
            calls: Arc::clone(&self.calls),
            clock: Arc::clone(&self.clock),
            receiver: Arc::clone(&self.receiver),
            stop: None,
        }
    }

    /// Lets a tenant have so many webhooks.
    pub(crate) fn limit_webhooks(&mut self, webhooks_per_tenant: u32) {
        self.app.api.webhooks_per_tenant = webhooks_per_tenant;
        self.restart();
    }

    /// Lets a tenant publish so many events in a second.
    pub(crate) fn limit_rate(&mut self, events_per_second: u64) {
        self.app.api.events_per_second = Some(events_per_second);
        self.restart();
    }

    /// Makes a tenant and a key of all scopes; who that key is.
    pub(crate) async fn tenant(&self, id: &str, dialect: &str, plan: &str) -> As {
        let tenant = json!({"id": id, "name": id, "dialect": dialect, "plan": plan});
        let made = self
            .send(&As::operator(), "POST", "/v1/tenants", tenant)
            .await;
        made.data(201);
        let scopes = json!({"scopes": ["manage", "publish", "catalogue"]});
        self.key(id, scopes).await
    }

    /// Makes a key of a tenant; who that is.
    pub(crate) async fn key(&self, tenant: &str, key: Value) -> As {
        let path = format!("/v1/tenants/{tenant}/keys");
        let made = self.send(&As::operator(), "POST", &path, key).await;
        As::key(made.data(201)["key"]["key"].as_str().unwrap())
    }

    /// Makes a webhook for everything; its id.
    pub(crate) async fn webhook(&self, caller: &As) -> String {
        let webhook = json!({"url": "https://example.com/hook", "events": ["*"]});
        let made = self.send(caller, "POST", "/v1/webhooks", webhook).await;
        made.data(201)["webhook"]["id"].as_str().unwrap().to_owned()
    }

    /// What the receiver answers from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.receiver.status.store(status, Ordering::Relaxed);
    }

    /// The same with this `Retry-After`.
    pub(crate) fn answer_asking(&self, status: u16, retry_after: &str) {
        *self.receiver.retry_after.lock().unwrap() = Some(retry_after.to_owned());
        self.answer(status);
    }

    /// From now on the receiver takes so long to answer.
    pub(crate) fn answer_after(&self, ms: u64) {
        self.receiver.takes_ms.store(ms, Ordering::Relaxed);
    }

    /// From now on the receiver takes so much longer for each request than for the one before it.
    pub(crate) fn answer_later_each_time(&self, ms: u64) {
        self.receiver.later_ms.store(ms, Ordering::Relaxed);
    }

    /// From now on this answers.
    pub(crate) fn answer_by(
        &self,
        script: impl Fn(&Outgoing) -> http::Response<()> + Send + Sync + 'static,
    ) {
        *self.receiver.script.lock().unwrap() = Some(Arc::new(script));
    }

    /// From now on all POSTs fail so.
    pub(crate) fn fail(&self, failure: Failure) {
        *self.receiver.failure.lock().unwrap() = Some(failure);
    }

    /// Whether from now on the host that delivers cannot send.
    pub(crate) fn cut_off(&self, cut_off: bool) {
        self.receiver.cut_off.store(cut_off, Ordering::Relaxed);
    }

    /// The headers of the last POST that the receiver has got.
    pub(crate) fn last_headers(&self) -> HeaderMap {
        self.last_post().headers
    }

    /// The last request that a receiver got.
    pub(crate) fn last_post(&self) -> Outgoing {
        let last = self.receiver.last.lock().unwrap();
        last.clone().expect("nothing was posted")
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.receiver.under_way.1.load(Ordering::Relaxed)
    }

    /// How many POSTs the receiver has got.
    pub(crate) fn posts(&self) -> usize {
        self.receiver.posts.load(Ordering::Relaxed)
    }

    /// How many calls of DynamoDB and SQS there were.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// Runs the triggers of a world that stands still, for so long.
    pub(crate) async fn run_for(&self, ms: u64) {
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(self.app.clone().run(stopped));
        self.pass(ms).await;
        stop.send(true).unwrap();
        running.await.unwrap();
    }

    /// Everything that the table holds.
    pub(crate) async fn items(&self) -> Vec<HashMap<String, AttributeValue>> {
        let mut pages = self
            .dynamodb
            .scan()
            .table_name(app::TABLE)
            .into_paginator()
            .items()
            .send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.unwrap());
        }
        items
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, ms: u64) {
        self.clock.sleep_until_ms(self.clock.now_ms() + ms).await;
    }

    pub(crate) async fn get(&self, caller: &As, path: &str) -> Answered {
        self.send_text(caller, "GET", path, "").await
    }

    pub(crate) async fn send(
        &self,
        caller: &As,
        method: &str,
        path: &str,
        body: Value,
    ) -> Answered {
        self.send_text(caller, method, path, &body.to_string())
            .await
    }

    pub(crate) async fn send_text(
        &self,
        caller: &As,
        method: &str,
        path: &str,
        body: &str,
    ) -> Answered {
        let method: Method = method.parse().unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if let Some(key) = &caller.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        for hops in &caller.hops {
            request = request.header("rung-hops", hops);
        }
        if let Some(tenant) = &caller.tenant {
            request = request.header("rung-tenant", tenant);
        }
        if let Some(key) = &caller.idempotency_key {
            request = request.header("idempotency-key", key);
        }
        for (name, tag) in &caller.preconditions {
            request = request.header(*name, tag);
        }
        if let Some(traceparent) = &caller.traceparent {
            request = request.header("traceparent", traceparent);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let (head, body) = self.plain(request).await;
        // Lines of JSON are told as a text.
        let body: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
        if body["success"] == true {
            assert_times_have_three_digits(&body["data"]);
        }
        Answered {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        }
    }

    /// An answer that need not be JSON.
    pub(crate) async fn plain(&self, request: Request<Body>) -> (Head, String) {
        let (head, body) = self.bytes(request).await;
        (head, String::from_utf8(body.into()).unwrap())
    }

    /// The same for an answer that may not be text.
    pub(crate) async fn bytes(&self, request: Request<Body>) -> (Head, Bytes) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        (head, to_bytes(body, usize::MAX).await.unwrap())
    }
}
