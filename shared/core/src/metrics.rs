//! What the functions count, as CloudWatch metrics.
//!
//! The cast: the flows count into [`Metrics`] while they work; the handler that ends a unit of work (an invocation) calls
//! [`Metrics::flush`], which writes a line of JSON to standard output. CloudWatch makes metrics of the namespace `Rung` of it
//! ([embedded metric format]), so nothing here calls a service and nobody waits.
//!
//! | metric | unit | counts |
//! | --- | --- | --- |
//! | `Accepted` | count | events answered with 202 |
//! | `Delivered` | count | attempts that succeeded |
//! | `Failed` | count | attempts that failed |
//! | `UsedUp` | count | deliveries given up at the end of their ladder |
//! | `Disabled` | count | webhooks disabled by their dialect's rule |
//! | `HostFaults` | count | attempts that this host could not make, which are tried again |
//! | `Unauthorized` | count | requests with a wrong key |
//! | `LatencyMs` | ms | from an attempt's due time (of the first: its event's acceptance) to the end of its answer |
//! | `Refused` | count | messages of the queue of events that went to the dead letters |
//! | `Resent` | count | messages that were lost and are sent again |
//! | `SweepLagMs` | ms | how far the sweep is behind; below a minute when all is well, from ten minutes on waits are late |
//!
//! Each has the dimension `Function`. With a number of tenants to tell apart it has `Function` and `Tenant` too: one line per
//! tenant, and what goes beyond that number in one process counts as `other`. Every combination that occurs is a metric of its
//! own on the bill, so the number is 0 unless the operator raises it.
//!
//! Counts are no truth: a process that dies takes those of its unit of work along.
//!
//! [embedded metric format]: https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html

use std::{
    collections::{BTreeMap, HashSet},
    io::{Write, stdout},
    sync::{Arc, Mutex, PoisonError},
};

use rung_base::clock::Clock;
use serde_json::{Value, json};

use crate::domain::{attempt::Outcome, id::TenantId};

const NAMESPACE: &str = "Rung";
/// Where tenants beyond the number to tell apart are counted.
const OTHER: &str = "other";
/// Values of one metric in one line, as the format allows.
const VALUES: usize = 100;

/// Counts for one process. Clones share them; the default counts nothing.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Mutex<Open>>>);

/// A unit of work under way, and what outlasts it.
struct Open {
    function: String,
    clock: Arc<dyn Clock>,
    sink: Box<dyn Write + Send>,
    most_tenants: usize,
    tenants: HashSet<TenantId>,
    /// By the value of `Tenant`; `None` where there is no such dimension.
    counts: BTreeMap<Option<String>, Counts>,
}

#[derive(Default)]
struct Counts {
    accepted: u64,
    delivered: u64,
    failed: u64,
    used_up: u64,
    disabled: u64,
    host_faults: u64,
    unauthorized: u64,
    refused: u64,
    resent: u64,
    latencies_ms: Vec<u64>,
    sweep_lag_ms: Option<u64>,
}

impl Metrics {
    /// Metrics of the function of this name, written to standard output. At most `most_tenants` tenants have a dimension.
    #[must_use]
    pub fn of(function: &str, most_tenants: usize, clock: Arc<dyn Clock>) -> Self {
        Self::to(Box::new(stdout()), function, most_tenants, clock)
    }

    /// The same, written to `sink`.
    #[must_use]
    pub fn to(
        sink: Box<dyn Write + Send>,
        function: &str,
        most_tenants: usize,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Some(Arc::new(Mutex::new(Open {
            function: function.to_owned(),
            clock,
            sink,
            most_tenants,
            tenants: HashSet::new(),
            counts: BTreeMap::new(),
        }))))
    }

    /// An event was accepted.
    pub fn accepted(&self, tenant: &TenantId) {
        self.count(tenant, |counts| counts.accepted += 1);
    }

    /// An attempt ended, this long after it was due.
    pub fn attempted(&self, tenant: &TenantId, outcome: Outcome, latency_ms: u64) {
        self.count(tenant, |counts| {
            match outcome {
                Outcome::Succeeded => counts.delivered += 1,
                Outcome::Failed => counts.failed += 1,
            }
            counts.latencies_ms.push(latency_ms);
        });
    }

    /// A delivery's ladder is used up.
    pub fn used_up(&self, tenant: &TenantId) {
        self.count(tenant, |counts| counts.used_up += 1);
    }

    /// A webhook was disabled by its dialect's rule.
    pub fn disabled(&self, tenant: &TenantId) {
        self.count(tenant, |counts| counts.disabled += 1);
    }

    /// An attempt could not be made, by a fault of this host's own. It is no tenant's.
    pub fn host_fault(&self) {
        self.with(|open| open.counts.entry(None).or_default().host_faults += 1);
    }

    /// A request came with a wrong key.
    pub fn unauthorized(&self) {
        self.with(|open| open.counts.entry(None).or_default().unauthorized += 1);
    }

    /// A message of the queue of events went to the dead letters. Whose its events are may be what is wrong with it.
    pub fn refused(&self) {
        self.with(|open| open.counts.entry(None).or_default().refused += 1);
    }

    /// So many messages were lost, and are sent again. They are no one tenant's.
    pub fn resent(&self, messages: usize) {
        self.with(|open| open.counts.entry(None).or_default().resent += messages as u64);
    }

    /// A sweep began this far behind.
    pub fn sweep_lag(&self, lag_ms: u64) {
        self.with(|open| open.counts.entry(None).or_default().sweep_lag_ms = Some(lag_ms));
    }

    /// Ends a unit of work: writes what was counted, if anything was.
    pub fn flush(&self) {
        self.with(Open::flush);
    }

    fn count(&self, tenant: &TenantId, count: impl FnOnce(&mut Counts)) {
        self.with(|open| {
            let label = open.label(tenant);
            let counts = open.counts.entry(label).or_default();
            count(counts);
            if counts.latencies_ms.len() == VALUES {
                open.flush();
            }
        });
    }

    fn with(&self, act: impl FnOnce(&mut Open)) {
        if let Some(open) = &self.0 {
            act(&mut open.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

impl Open {
    /// The value of the dimension `Tenant`: the tenant if it is among the first that came, so that there is a bound to them.
    fn label(&mut self, tenant: &TenantId) -> Option<String> {
        if self.most_tenants == 0 {
            return None;
        }
        if self.tenants.len() < self.most_tenants {
            self.tenants.insert(tenant.clone());
        }
        let known = self.tenants.contains(tenant);
        Some(if known { tenant.name() } else { OTHER }.to_owned())
    }

    fn flush(&mut self) {
        let time_ms = self.clock.wall_ms();
        for (tenant, counts) in std::mem::take(&mut self.counts) {
            let line = line(time_ms, &self.function, tenant.as_deref(), counts);
            // Where standard output is closed nobody reads metrics.
            let _ = writeln!(self.sink, "{line}");
        }
        let _ = self.sink.flush();
    }
}

/// A line of the embedded metric format.
fn line(time_ms: u64, function: &str, tenant: Option<&str>, counts: Counts) -> Value {
    let count = |name, count: u64| (name, "Count", (count > 0).then(|| count.into()));
    let metrics = [
        count("Accepted", counts.accepted),
        count("Delivered", counts.delivered),
        count("Failed", counts.failed),
        count("UsedUp", counts.used_up),
        count("Disabled", counts.disabled),
        count("HostFaults", counts.host_faults),
        count("Unauthorized", counts.unauthorized),
        count("Refused", counts.refused),
        count("Resent", counts.resent),
        (
            "LatencyMs",
            "Milliseconds",
            (!counts.latencies_ms.is_empty()).then(|| counts.latencies_ms.into()),
        ),
        (
            "SweepLagMs",
            "Milliseconds",
            counts.sweep_lag_ms.map(Value::from),
        ),
    ];
    let counted = || metrics.iter().filter(|(_, _, value)| value.is_some());
    let definitions: Vec<_> = counted()
        .map(|(name, unit, _)| json!({ "Name": name, "Unit": unit }))
        .collect();
    let dimensions = match tenant {
        None => json!([["Function"]]),
        Some(_) => json!([["Function"], ["Function", "Tenant"]]),
    };
    let mut line = json!({
        "_aws": {
            "Timestamp": time_ms,
            "CloudWatchMetrics": [
                { "Namespace": NAMESPACE, "Dimensions": dimensions, "Metrics": definitions },
            ],
        },
        "Function": function,
    });
    if let Some(tenant) = tenant {
        line["Tenant"] = tenant.into();
    }
    for (name, _, value) in metrics {
        if let Some(value) = value {
            line[name] = value;
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use rung_base::clock::VirtualClock;

    const NOW_MS: u64 = 1_760_000_000_000;

    /// Standard output as CloudWatch would read it.
    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Written {
        fn lines(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            let lines = str::from_utf8(&bytes).unwrap().lines();
            lines
                .map(|line| serde_json::from_str(line).unwrap())
                .collect()
        }
    }

    fn metrics(most_tenants: usize) -> (Metrics, Written) {
        let written = Written::default();
        let clock = Arc::new(VirtualClock::starting_at(NOW_MS));
        let sink = Box::new(written.clone());
        (
            Metrics::to(sink, "rung-deliver", most_tenants, clock),
            written,
        )
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_unit_of_work_is_one_line_that_defines_what_it_counted() {
        let (metrics, written) = metrics(0);
        metrics.attempted(&tenant("a"), Outcome::Succeeded, 12);
        metrics.attempted(&tenant("b"), Outcome::Failed, 90);
        metrics.used_up(&tenant("b"));
        metrics.disabled(&tenant("b"));
        assert!(written.lines().is_empty(), "nothing before the end");
        metrics.flush();
        let expected = json!({
            "_aws": {
                "Timestamp": NOW_MS,
                "CloudWatchMetrics": [{
                    "Namespace": "Rung",
                    "Dimensions": [["Function"]],
                    "Metrics": [
                        { "Name": "Delivered", "Unit": "Count" },
                        { "Name": "Failed", "Unit": "Count" },
                        { "Name": "UsedUp", "Unit": "Count" },
                        { "Name": "Disabled", "Unit": "Count" },
                        { "Name": "LatencyMs", "Unit": "Milliseconds" },
                    ],
                }],
            },
            "Function": "rung-deliver",
            "Delivered": 1,
            "Failed": 1,
            "UsedUp": 1,
            "Disabled": 1,
            "LatencyMs": [12, 90],
        });
        assert_eq!(written.lines(), [expected]);

        metrics.flush();
        assert_eq!(written.lines().len(), 1, "nothing counted, nothing written");
    }

    #[tokio::test(start_paused = true)]
    async fn tenants_beyond_the_bound_are_counted_together_for_as_long_as_the_process_lives() {
        let (metrics, written) = metrics(2);
        for id in ["a", "b", "c", "d", "a"] {
            metrics.accepted(&tenant(id));
        }
        metrics.flush();
        metrics.accepted(&tenant("c"));
        metrics.flush();
        let lines = written.lines();
        let counted: Vec<_> = lines
            .iter()
            .map(|line| (line["Tenant"].as_str(), line["Accepted"].as_u64()))
            .collect();
        let expected = [("a", 2), ("b", 1), ("other", 2), ("other", 1)];
        let expected = expected.map(|(tenant, count)| (Some(tenant), Some(count)));
        assert_eq!(counted, expected);
        let dimensions = &lines[0]["_aws"]["CloudWatchMetrics"][0]["Dimensions"];
        assert_eq!(*dimensions, json!([["Function"], ["Function", "Tenant"]]));
    }

    #[tokio::test(start_paused = true)]
    async fn no_line_has_more_values_than_the_format_allows() {
        let (metrics, written) = metrics(0);
        for latency_ms in 0..250 {
            metrics.attempted(&tenant("a"), Outcome::Succeeded, latency_ms);
        }
        metrics.flush();
        let lines = written.lines();
        let values = |line: &Value| line["LatencyMs"].as_array().unwrap().len();
        assert_eq!(lines.iter().map(values).collect::<Vec<_>>(), [100, 100, 50]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_of_the_host_is_no_tenants() {
        let (metrics, written) = metrics(2);
        metrics.host_fault();
        metrics.host_fault();
        metrics.flush();
        let line = &written.lines()[0];
        assert_eq!(line["HostFaults"], json!(2));
        assert_eq!(line["Tenant"], Value::Null);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_key_has_no_tenant() {
        let (metrics, written) = metrics(2);
        metrics.unauthorized();
        metrics.unauthorized();
        metrics.flush();
        let line = &written.lines()[0];
        assert_eq!(line["Unauthorized"], json!(2));
        assert_eq!(line.get("Tenant"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweep_has_no_tenant() {
        let (metrics, written) = metrics(2);
        metrics.sweep_lag(0);
        metrics.flush();
        let line = &written.lines()[0];
        assert_eq!(line["SweepLagMs"], json!(0));
        assert_eq!(
            line["_aws"]["CloudWatchMetrics"][0]["Dimensions"],
            json!([["Function"]])
        );
    }
}
