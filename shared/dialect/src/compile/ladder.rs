//! The waits between attempts.

use crate::{
    document::{Table, duration_ms},
    fault::Faults,
    ladder::Ladder,
    limits::LADDER_WAIT_MS,
};

/// The waits of a file that says nothing of them, in milliseconds: those of `standard`.
const DEFAULT_WAITS_MS: [u64; 9] = [
    5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000,
    86_400_000,
];
const DEFAULT_JITTER: f64 = 0.1;

pub(super) fn compile(file: &Table<'_>, faults: &Faults) -> Ladder {
    let Some(ladder) = file.table("ladder") else {
        return Ladder::new(DEFAULT_WAITS_MS.to_vec(), DEFAULT_JITTER);
    };
    let grows = ["first", "factor", "retries"].map(|key| ladder.has(key));
    let waits_ms = match (ladder.has("waits"), grows) {
        (true, [false, false, false]) if !ladder.has("cap") => {
            let waits = ladder.texts("waits").into_iter();
            waits.filter_map(|wait| duration_ms(wait.text)).collect()
        }
        (false, [true, true, true]) => growing(&ladder, faults),
        _ => {
            let reason = "a ladder has either `waits`, or `first`, `factor` and `retries`";
            let mend = "for example `waits = [\"10s\", \"5min\"]`, or `first = \"30s\"`, `factor = 4`, `retries = 5` and, if you like, `cap = \"1h\"`";
            faults.add(ladder.at, reason, mend);
            Vec::new()
        }
    };
    Ladder::new(waits_ms, ladder.decimal("jitter").unwrap_or(0.0))
}

fn growing(ladder: &Table<'_>, faults: &Faults) -> Vec<u64> {
    let (Some(first_ms), Some(factor), Some(retries)) = (
        ladder.duration_ms("first"),
        ladder.decimal("factor"),
        ladder.whole("retries"),
    ) else {
        return Vec::new();
    };
    let cap_ms = ladder.duration_ms("cap");
    let retries = i32::try_from(retries).unwrap_or(0);
    let waits = (0..retries).map(|retry| (first_ms as f64 * factor.powi(retry)).round());
    let capped = waits.map(|wait_ms| cap_ms.map_or(wait_ms, |cap_ms| wait_ms.min(cap_ms as f64)));
    let waits: Vec<f64> = capped.collect();
    if waits
        .last()
        .is_some_and(|last_ms| *last_ms > LADDER_WAIT_MS as f64)
    {
        let reason = "the last wait is longer than 30 days";
        let mend =
            "a wait is at most 30 days: add a `cap`, or take a smaller `factor` or fewer `retries`";
        faults.add(ladder.place("factor"), reason, mend);
        return Vec::new();
    }
    waits.into_iter().map(|wait_ms| wait_ms as u64).collect()
}
