//! What the figures were measured on, and the time and order statistics they are made of.

use std::fs::{File, read_to_string};
use std::io::Write as _;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use anling::clock::Stopwatch;

use super::Run;
use super::table::Table;

/// Forces measured for the machine's own line.
const FORCES: usize = 500;

/// Nanoseconds since the run began.
pub fn now() -> u64 {
    static BEGAN: OnceLock<Stopwatch> = OnceLock::new();
    u64::try_from(BEGAN.get_or_init(Stopwatch::start).elapsed().as_nanos()).unwrap()
}

/// Sleeps until then; says when it woke, or `at` itself when that had passed already.
pub fn sleep_until(at: u64) -> u64 {
    let before = now();
    if at <= before {
        return at;
    }
    std::thread::sleep(Duration::from_nanos(at - before));
    now()
}

/// Milliseconds of nanoseconds.
pub fn ms(ns: u64) -> f64 {
    ns as f64 / 1e6
}

/// The value below which `percent` of all lie; 0 of none.
pub fn percentile(values: &mut [u64], percent: f64) -> u64 {
    values.sort_unstable();
    let last = values.len().saturating_sub(1);
    let at = (last as f64 * percent / 100.0).ceil() as usize;
    values.get(at).copied().unwrap_or(0)
}

/// The middle one.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

pub fn facts(run: &Run, table: &mut Table) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<&str> = load.split(' ').take(3).collect();
    let (mut took, path) = (Vec::new(), run.dir.join("forces"));
    let mut file = File::create(&path).unwrap();
    for _ in 0..FORCES {
        let began = now();
        file.write_all(&[b'x'; 600]).unwrap();
        rustix::fs::fdatasync(&file).unwrap();
        took.push(now() - began);
    }
    table.fact(format!(
        "{cores} cores, kernel {}, {}; load before: {}",
        kernel.trim(),
        file_system(&run.dir),
        load.join(" ")
    ));
    table.fact(format!(
        "append of 600 B + fdatasync: p50 {:.3} ms, p99 {:.3} ms; {} run",
        ms(percentile(&mut took, 50.0)),
        ms(percentile(&mut took, 99.0)),
        run.pick("full", "short")
    ));
}

/// The file system of the longest mount point above the folder.
fn file_system(dir: &Path) -> String {
    let mounts = read_to_string("/proc/self/mounts").unwrap_or_default();
    let of = |line: &str| -> Option<(usize, String)> {
        let mut words = line.split(' ');
        let (device, point, kind) = (words.next()?, words.next()?, words.next()?);
        let above = dir.starts_with(point);
        above.then(|| (point.len(), format!("{kind} on {device}")))
    };
    mounts.lines().filter_map(of).max().map_or_else(String::new, |(_, text)| text)
}
