//! The one table.

use std::fmt;
use std::time::Duration;

/// What one scenario came to.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) deliveries: usize,
    /// From the first publishing to the last arrival.
    pub(crate) took: Duration,
    /// The processor time of the measured process alone.
    pub(crate) cpu: Duration,
    /// Publish to arrival, ascending; empty where nothing is published.
    pub(crate) latencies_us: Vec<u64>,
}

impl Row {
    fn percentile_ms(&self, percent: usize) -> String {
        let last = self.latencies_us.len().saturating_sub(1);
        let value = self.latencies_us.get(last * percent / 100);
        value.map_or_else(
            || "–".to_owned(),
            |us| format!("{:.1}", *us as f64 / 1000.0),
        )
    }
}

/// All rows, printed as a Markdown table.
#[derive(Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    pub(crate) fn add(&mut self, row: Row) {
        eprintln!("measured: {}", row.name);
        self.0.push(row);
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| what | deliveries | seconds | deliveries/s | CPU ms/delivery | p50 ms | p95 ms | p99 ms |"
        )?;
        writeln!(
            f,
            "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
        )?;
        for row in &self.0 {
            let deliveries = row.deliveries as f64;
            writeln!(
                f,
                "| {} | {} | {:.2} | {:.0} | {:.3} | {} | {} | {} |",
                row.name,
                row.deliveries,
                row.took.as_secs_f64(),
                deliveries / row.took.as_secs_f64(),
                row.cpu.as_secs_f64() * 1000.0 / deliveries,
                row.percentile_ms(50),
                row.percentile_ms(95),
                row.percentile_ms(99),
            )?;
        }
        Ok(())
    }
}
