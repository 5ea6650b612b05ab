//! The processor time of a process, from `/proc/PID/stat` (proc(5): `utime` and `stime`).

use std::time::Duration;

/// What a process has used so far, user and system together; zero where there is no `/proc`.
pub(crate) fn used(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The command's name, in parentheses, may hold blanks: count from behind it. `utime` is field 14, `stime` 15.
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split(' ')
        .skip(11)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}
