//! The table of docs/benchmarks.md, held against a short count on this tree.

use std::{collections::BTreeMap, sync::Arc};

use rung_tests::metered::{PARTS, Prices};

use crate::loads::PUBLISHING;

/// Few, for they are counted by a debug build.
const DELIVERIES: usize = 400;
/// Processor time depends on the machine and the build.
const MEASURED: &str = "Lambda GB-s";
/// What the documented table, of many more deliveries, may differ by.
const SHARE: f64 = 0.05;
const USD: f64 = 0.01;

/// The rows of the documented table: what the parts of each load cost.
fn documented() -> BTreeMap<&'static str, Vec<f64>> {
    let docs = include_str!("../../../../docs/benchmarks.md");
    let head = format!("| load | {} | total |", PARTS.join(" | "));
    let (_, table) = docs
        .split_once(&head)
        .expect("the table of costs, with a column for each part");
    let rows = table
        .lines()
        .skip(2)
        .map_while(|line| line.strip_prefix("| "));
    let rows = rows.map(|row| {
        let (load, parts) = row.split_once(" | ").expect("a row of several cells");
        let parts = parts.split(" | ").take(PARTS.len());
        (
            load,
            parts.map(|usd| usd.parse().expect("US dollars")).collect(),
        )
    });
    rows.collect()
}

#[test]
fn the_documented_costs_are_those_of_this_tree() {
    let documented = documented();
    let prices = Arc::new(Prices::read());
    let mut outdated = Vec::new();
    let loads = PUBLISHING.into_iter();
    for load in loads.filter(|load| load.batch <= 10 && !load.far_between) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let counted = runtime.block_on(load.run(&prices, DELIVERIES));
        let counted = counted.usd_per_million(&prices);
        let parts = PARTS.iter().zip(counted).zip(&documented[load.name]);
        for ((part, counted), documented) in parts.filter(|((part, _), _)| **part != MEASURED) {
            if (counted - documented).abs() > USD.max(SHARE * documented) {
                let name = load.name;
                outdated.push(format!(
                    "{name}: {part} {counted:.3}, documented {documented:.3}"
                ));
            }
        }
    }
    assert!(
        outdated.is_empty(),
        "docs/benchmarks.md is older than the code; run `cargo run --release -p rung-tests --bin cost`:\n{}",
        outdated.join("\n")
    );
}
