//! The tables.

use std::fmt;

use rung_tests::metered::{Counts, PARTS, Prices};

use crate::loads::LongWait;

const MINUTES_PER_MONTH: f64 = 30.0 * 24.0 * 60.0;
const WAIT_TARGET_USD: f64 = 1.20;
/// An idle event source asks its queue with five long polls at a time, of 20 s each.
const IDLE_POLLS_PER_MINUTE: f64 = 5.0 * 3.0;
const QUEUES: f64 = 2.0;
/// What is called for a wait: it is parked, the delivery's row moved on, the sweep reads it and sends it to the queue. The rest
/// is called for the attempt at its end.
const WAITING: [&str; 4] = ["BatchWriteItem", "UpdateItem", "Query", "SendMessageBatch"];

/// Rows of US dollars per million deliveries, printed as Markdown.
pub(crate) struct Report<'a> {
    prices: &'a Prices,
    bills: Vec<(String, Counts, Option<f64>)>,
}

impl<'a> Report<'a> {
    pub(crate) fn new(prices: &'a Prices) -> Self {
        Self {
            prices,
            bills: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, name: &str, target_usd: Option<f64>, counts: Counts) {
        eprintln!("counted: {name}");
        self.bills.push((name.to_owned(), counts, target_usd));
    }

    pub(crate) fn add_wait(&mut self, wait: LongWait) {
        let alone = wait.rung.only(&WAITING);
        self.add("a wait of 24 h", Some(WAIT_TARGET_USD), alone);
        self.add("a wait of 24 h with a failed attempt", None, wait.rung);
        self.idle(&wait.idle_minute);
    }

    /// What a month costs in which nothing happens.
    fn idle(&mut self, minute: &Counts) {
        let mut month = Counts::default().plus(minute, MINUTES_PER_MONTH);
        let polls = month.calls.entry("ReceiveMessage".to_owned()).or_default();
        polls.sqs_requests += IDLE_POLLS_PER_MINUTE * QUEUES * MINUTES_PER_MONTH;
        let usd: f64 = month.usd_per_million(self.prices).iter().sum::<f64>() / 1e6;
        println!("A month in which nothing happens: {usd:.2} USD (sweeps and long polls).\n");
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "US dollars per million deliveries:\n")?;
        writeln!(f, "| load | {} | total | target |", PARTS.join(" | "))?;
        writeln!(f, "| --- |{}", " ---: |".repeat(PARTS.len() + 2))?;
        for (name, counts, target) in &self.bills {
            let parts = counts.usd_per_million(self.prices);
            write!(f, "| {name} ")?;
            for part in parts {
                write!(f, "| {part:.3} ")?;
            }
            let target = target.map_or_else(String::new, |usd| format!("{usd:.2}"));
            writeln!(f, "| **{:.2}** | {target} |", parts.iter().sum::<f64>())?;
        }
        writeln!(f, "\nCounted per delivery:\n")?;
        for (name, counts, _) in &self.bills {
            let calls: Vec<_> = counts
                .calls
                .iter()
                .filter(|(_, calls)| calls.count.abs() > 0.0005)
                .map(|(operation, calls)| format!("{operation} {:.3}", calls.count))
                .collect();
            writeln!(
                f,
                "- {name}: {:.3} write units, {:.3} read units, {:.3} invocations, {:.1} MB-s, {:.0} bytes of logs; {}",
                counts.sum(|calls| calls.write_units),
                counts.sum(|calls| calls.read_units),
                counts.invocations,
                counts.gb_s * 1024.0,
                counts.log_bytes,
                calls.join(", ")
            )?;
        }
        Ok(())
    }
}
