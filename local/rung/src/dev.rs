//! `rung dev`: everything on one machine.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use rung_api::Api;
use rung_base::clock::{Clock, ScaledClock};
use rung_core::{
    config::{Settings, check_admin_key, given_encryption_keys, load_dialects, load_roots},
    egress,
    store::{StoreError, span::Order},
};
use rung_local_aws::Aws;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use url::Url;

use crate::{
    Error,
    app::{self, App, Parts},
    data::DataFolder,
    descriptors, flags,
    server::{self, Front, Origin},
};

/// How long attempts are gathered for the statistics: the same counts are written so often at most.
const STATS_GATHERED: Duration = Duration::from_millis(100);

/// How often the ladder's clock is kept, in wall time.
const KEEP_CLOCK_EVERY: Duration = Duration::from_secs(1);

/// Tenants that are read at a time when looking for those without their dialect.
const TENANTS_PAGE: usize = 100;

/// The flags of `dev`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  rung dev
  rung dev --addr 127.0.0.1:0 --data /tmp/rung --time-scale 3600
  RUNG_ADMIN_KEY=… rung dev --strict")]
pub(crate) struct Args {
    /// Where the API listens; port 0 picks a free one
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8080", value_parser = flags::address)]
    pub(crate) addr: SocketAddr,
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "./.rung")]
    pub(crate) data: PathBuf,
    /// The operator's key, at least 16 characters [env: RUNG_ADMIN_KEY] [default: generated once and stored in the data folder]
    #[arg(long, value_name = "KEY")]
    pub(crate) admin_key: Option<String>,
    /// Deliver only to HTTPS URLs at public addresses, as in production
    #[arg(long)]
    pub(crate) strict: bool,
    /// Run the clock of retries N times faster than real time (above 20000 the sweep alone takes a core)
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) time_scale: u32,
    /// An additional dialect file; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) dialect: Vec<PathBuf>,
    /// A file of certificates (PEM) to trust besides the public authorities; repeatable
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Vec<PathBuf>,
    /// An origin whose pages may call the API, such as http://localhost:3000; repeatable
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) cors_origin: Vec<Origin>,
}

/// Runs until SIGINT or SIGTERM.
pub(crate) fn main(args: Args) -> Result<(), Error> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_max_level(tracing::Level::WARN)
        .init();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?
        .block_on(run(args))
}

async fn run(args: Args) -> Result<(), Error> {
    let settings = Settings::from_env()?;
    // Whoever brings a key knows it, and this may be read by others.
    let is_own_key = args.admin_key.is_none() && settings.admin_key.is_none();
    let server = Server::open(&args, settings).await?;
    println!("rung: listening on http://{}", server.addr);
    if is_own_key {
        println!("rung: admin key {}", server.admin_key);
    }
    println!("rung: dashboard http://{}/", server.addr);
    if !server.strict {
        eprintln!(
            "rung: warning: receivers may be http:// and private addresses; --strict forbids them"
        );
    }
    for missing in &server.missing_dialects {
        eprintln!("rung: warning: {missing}");
    }
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let asked_to_end = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    server.serve(asked_to_end).await
}

/// Everything on one machine, listening.
pub(crate) struct Server {
    /// Where.
    pub(crate) addr: SocketAddr,
    /// The operator's key.
    pub(crate) admin_key: String,
    /// Whether receivers must be public.
    strict: bool,
    /// What tenants use and no file that was given describes.
    missing_dialects: Vec<MissingDialect>,
    front: Front,
    listener: TcpListener,
    app: App,
    data: Arc<DataFolder>,
    /// The ladder's clock where it runs faster than the wall: it has to be kept.
    fast_clock: Option<Arc<dyn Clock>>,
}

impl Server {
    /// Opens the data and the port.
    pub(crate) async fn open(args: &Args, settings: Settings) -> Result<Self, Error> {
        descriptors::raise();
        let Settings {
            retention,
            mut dialect_files,
            mut ca_files,
            strict,
            egress_ips,
            webhooks_per_tenant,
            events_per_second,
            admin_key,
            public_url,
            branding,
            egress_proxy,
        } = settings;
        let given_key = args.admin_key.clone().or(admin_key);
        given_key.as_deref().map_or(Ok(()), check_admin_key)?;
        let strict = args.strict || strict.unwrap_or(false);
        dialect_files.extend_from_slice(&args.dialect);
        let dialects = Arc::new(load_dialects(&dialect_files, retention)?);
        ca_files.extend_from_slice(&args.ca);
        let roots = load_roots(&ca_files)?;
        let listener = TcpListener::bind(args.addr).await.map_err(|error| {
            format!(
                "cannot listen on {}: {error}; choose another address with --addr",
                args.addr
            )
        })?;
        let data = Arc::new(DataFolder::open(&args.data)?);
        let admin_key = data.admin_key(given_key)?;
        check_admin_key(&admin_key)?;
        let encryption_keys = match given_encryption_keys()? {
            Some(keys) => keys,
            None => data.encryption_keys()?,
        };
        data.make_databases()?;
        let clock = start_clock(&data, args.time_scale)?;
        let aws = Aws::open(
            data.path(),
            &app::queues(args.time_scale),
            Arc::clone(&clock),
        )?;
        let (dynamodb, sqs) =
            rung_local_aws::clients(rung_local_aws::connector::InProcess::new(aws));
        let mut app = App::new(Parts {
            dynamodb,
            sqs,
            clock: Arc::clone(&clock),
            transport: Arc::new(egress::Client::new(
                egress::Policy {
                    strict,
                    proxy: egress_proxy,
                },
                roots,
                descriptors::deliveries(),
            )),
            dialects,
            admin_key: admin_key.clone(),
            encryption_keys,
            strict,
            retention,
        })
        .await?;
        // Keys that do not open this data are noticed here rather than at the first webhook.
        app.api.store.deployment_key().await?;
        let missing_dialects = missing_dialects(&app.api).await?;
        let addr = listener.local_addr()?;
        app.api = app
            .api
            .with_egress_ips(egress_ips)
            .with_webhooks_per_tenant(webhooks_per_tenant)
            .with_events_per_second(events_per_second)
            .with_public_url(public_url.clone().or_else(|| own_url(addr)))
            .with_branding(branding);
        let deliverer = &mut app.deliverer;
        deliverer.stats = deliverer.stats.clone().gathering(STATS_GATHERED);
        Ok(Self {
            addr,
            admin_key,
            strict,
            missing_dialects,
            front: Front::new(addr, public_url.as_ref(), args.cors_origin.clone()),
            listener,
            app,
            data,
            fast_clock: (args.time_scale > 1).then_some(clock),
        })
    }

    /// Serves until `ended`; then attempts in flight finish, and everything else waits in the data for the next start.
    pub(crate) async fn serve(self, ended: impl Future<Output = ()>) -> Result<(), Error> {
        let Self {
            front,
            listener,
            app,
            data,
            fast_clock,
            ..
        } = self;
        let (stop, stopped) = watch::channel(false);
        let router = front.before(app.router());
        let triggers = tokio::spawn(app.run(stopped.clone()));
        let keeper =
            fast_clock.map(|clock| tokio::spawn(keep_clock(Arc::clone(&data), clock, stopped)));
        let ended = async move {
            ended.await;
            // Without receivers there is nothing left to stop.
            let _ = stop.send(true);
        };
        server::serve(listener, router, descriptors::clients(), ended).await;
        triggers.await?;
        if let Some(keeper) = keeper {
            keeper.await?;
        }
        // Only now may another process have the folder.
        drop(data);
        Ok(())
    }
}

/// A dialect that tenants use and that is not loaded.
struct MissingDialect {
    name: String,
    /// One of the tenants.
    tenant: String,
    tenants: usize,
}

impl fmt::Display for MissingDialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tenant, .. } = self;
        let tenants = match self.tenants {
            1 => format!("the tenant {tenant} uses"),
            number => format!("{number} tenants ({tenant} is one) use"),
        };
        write!(
            f,
            "{tenants} the dialect {name}, which is not loaded: publishing fails and deliveries wait until a start with its file \
             (--dialect FILE or RUNG_DIALECTS)"
        )
    }
}

/// The dialects that tenants use and that are not loaded.
async fn missing_dialects(api: &Api) -> Result<Vec<MissingDialect>, StoreError> {
    let mut missing = BTreeMap::new();
    let mut after = None;
    loop {
        let tenants = api
            .store
            .tenants(Order::OldestFirst, after.as_deref(), TENANTS_PAGE);
        let page = tenants.await?;
        for tenant in page.items {
            if api.dialects.get(&tenant.dialect).is_none() {
                let first = || MissingDialect {
                    name: tenant.dialect.clone(),
                    tenant: tenant.id.name().to_owned(),
                    tenants: 0,
                };
                let of_dialect = missing.entry(tenant.dialect.clone());
                of_dialect.or_insert_with(first).tenants += 1;
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok(missing.into_values().collect());
        }
    }
}

/// Where browsers of this machine reach a server that listens there.
fn own_url(addr: SocketAddr) -> Option<Url> {
    let host = match addr.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    Url::parse(&format!("http://{}/", SocketAddr::new(host, addr.port()))).ok()
}

/// The clock goes on where it stood, never behind the wall: a faster one stands still while nobody runs it.
fn start_clock(data: &DataFolder, scale: u32) -> Result<Arc<dyn Clock>, Error> {
    let kept_ms = data.ladder_ms()?.unwrap_or(0);
    Ok(Arc::new(ScaledClock::start(scale, kept_ms)))
}

/// Keeps where the ladder's clock stands, for the next start.
async fn keep_clock(data: Arc<DataFolder>, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
    loop {
        if let Err(error) = data.keep_ladder_ms(clock.now_ms()) {
            tracing::warn!(%error, "the ladder's clock is not kept");
        }
        tokio::select! {
            () = tokio::time::sleep(KEEP_CLOCK_EVERY) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use axum::{body::Body, http::Request};
    use clap::Parser as _;
    use tower::ServiceExt as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Dev {
        #[command(flatten)]
        args: Args,
    }

    /// The key of a server that was given these, or why there is none.
    async fn key_with(
        flag: Option<&str>,
        variable: Option<&str>,
        data: &str,
    ) -> Result<String, String> {
        let mut given = vec!["dev", "--addr", "127.0.0.1:0", "--data", data];
        given.extend(flag.iter().flat_map(|key| ["--admin-key", key]));
        let settings = Settings {
            admin_key: variable.map(str::to_owned),
            ..Settings::default()
        };
        let args = Dev::parse_from(given).args;
        let server = Server::open(&args, settings).await;
        server
            .map(|server| server.admin_key)
            .map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_flag_comes_before_the_variable_and_that_before_the_kept_key() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_str().unwrap();
        let kept = key_with(None, None, data).await.unwrap();
        assert!(kept.starts_with("ra_"));
        let (flag, variable) = ("the key of the flag", "that of the variable");
        assert_eq!(
            key_with(None, Some(variable), data).await.unwrap(),
            variable
        );
        assert_eq!(
            key_with(Some(flag), Some(variable), data).await.unwrap(),
            flag
        );
        assert_eq!(key_with(None, None, data).await.unwrap(), kept);
        for (flag, variable) in [
            (Some("short"), None),
            (None, Some("short")),
            (Some(""), None),
        ] {
            let error = key_with(flag, variable, data).await.unwrap_err();
            assert!(error.contains("at least 16 characters"), "{error}");
        }
    }
    #[tokio::test]
    async fn a_start_without_a_dialect_that_tenants_use_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let file = folder.path().join("acme.toml");
        let text = include_str!("../../../shared/dialects/standard.toml");
        let acme = text.replacen("name = \"standard\"", "name = \"acme\"", 1);
        std::fs::write(&file, acme).unwrap();
        let open = async |files: Vec<PathBuf>| {
            let given = ["dev", "--addr", "127.0.0.1:0", "--data"];
            let given = given.into_iter().chain([data.to_str().unwrap()]);
            let settings = Settings {
                admin_key: Some("the operator's own key".to_owned()),
                dialect_files: files,
                ..Settings::default()
            };
            Server::open(&Dev::parse_from(given).args, settings)
                .await
                .map_err(|error| error.to_string())
                .unwrap()
        };
        let said = |server: &Server| {
            let missing = server.missing_dialects.iter();
            missing.map(ToString::to_string).collect::<Vec<_>>()
        };
        let server = open(vec![file.clone()]).await;
        for (id, dialect) in [("one", "acme"), ("two", "standard")] {
            let body = format!(r#"{{"id": "{id}", "dialect": "{dialect}", "name": "Test"}}"#);
            let request = Request::post("/v1/tenants")
                .header("authorization", "Bearer the operator's own key")
                .body(Body::from(body))
                .unwrap();
            let answer = server.app.router().oneshot(request).await.unwrap();
            assert_eq!(answer.status(), 201);
        }
        assert!(said(&server).is_empty());
        drop(server);
        let server = open(Vec::new()).await;
        let [warning] = &said(&server)[..] else {
            panic!("{:?}", said(&server));
        };
        assert!(
            warning.starts_with("the tenant one uses the dialect acme, which is not loaded"),
            "{warning}"
        );
        drop(server);
        assert!(said(&open(vec![file]).await).is_empty());
    }
}
