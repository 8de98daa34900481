//! `/metrics`: the hub in numbers for Prometheus and its kin.
//!
//! In OpenMetrics 1.0 for who asks for it, else in the older text form that every scraper reads. Both
//! are written from one list, so that they cannot say different things; a crate for this was not taken
//! because it writes one of them only, and keeps numbers of its own where ours stand in the desk. No
//! name, place or id of a resident, a person or a device is in it: labels are words of the config and
//! of this program.
//!
//! When the desk does not answer, `anling_up` is 0 and the process's own numbers are all there is.

use std::fmt::Write as _;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::Counter;
use super::answer::typed;
use crate::counter::{ArchiveView, Ask, FORCE_BOUNDS, Figures, Histogram, RecordView, Reply};
use crate::terms::Wall;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `GET /metrics`.
pub(super) async fn show(State(counter): State<Counter>, headers: HeaderMap) -> Response {
    let figures = match counter.ask(Ask::Figures).await {
        Some(Reply::Figures(figures)) => Some(*figures),
        _ => None,
    };
    let mut page = Page::new(wants_open_metrics(&headers));
    page.gauge("anling_up", "Whether the desk answers.", f64::from(u8::from(figures.is_some())));
    if let Some(figures) = &figures {
        whole(&mut page, figures);
    }
    page.gauge("anling_followers", "Readers of events.", count(counter.feed.followers()));
    if let Some(bytes) = resident_bytes().await {
        let help = "Memory of the process that is in use.";
        page.gauge("process_resident_memory_bytes", help, bytes);
    }
    page.finish()
}

fn wants_open_metrics(headers: &HeaderMap) -> bool {
    let said = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    said.flat_map(|accept| accept.split(',')).any(|kind| {
        kind.split(';').next().is_some_and(|kind| kind.trim() == "application/openmetrics-text")
    })
}

/// The second number of Linux's `statm` in pages; the box's pages have 4 KiB.
async fn resident_bytes() -> Option<f64> {
    const PAGE_BYTES: u32 = 4096;
    let statm = tokio::fs::read_to_string("/proc/self/statm").await.ok()?;
    let pages: u32 = statm.split(' ').nth(1)?.parse().ok()?;
    Some(f64::from(pages) * f64::from(PAGE_BYTES))
}

fn whole(page: &mut Page, figures: &Figures) {
    calls(page, figures);
    record(page, figures);
    ways(page, figures);
    let status = &figures.status;
    page.family("anling_build_info", Kind::Gauge, "The program that runs.");
    page.sample("", &[("version", &status.version)], 1.0);
    let help = "How long the hub has been up.";
    page.gauge("anling_uptime_seconds", help, seconds(status.up_ms));
    let help = "Whether the wall clock can be trusted.";
    page.gauge("anling_clock_trusted", help, flag(status.clock_trusted));
    let help = "Whether the config on disk cannot be used, and the last accepted one runs.";
    page.gauge("anling_old_config", help, flag(status.old_config));
    page.counter("anling_desk_turns", "Completed turns of the desk.", figures.turns);
    page.family("anling_devices", Kind::Gauge, "Registered devices.");
    let devices = status.devices;
    page.sample("", &[("heard", "since_start")], count(devices.heard));
    page.sample("", &[("heard", "never")], count(devices.never));
    let earlier = devices.registered.saturating_sub(devices.heard + devices.never);
    page.sample("", &[("heard", "earlier")], count(earlier));
    let (boards, audible) = figures.boards;
    page.family("anling_boards", Kind::Gauge, "Wall boards heard within the last minute.");
    page.sample("", &[("sound", "audible")], count(audible));
    page.sample("", &[("sound", "mute")], count(boards - audible));
}

fn calls(page: &mut Page, figures: &Figures) {
    page.family("anling_incidents_open", Kind::Gauge, "Open incidents.");
    for open in &figures.open {
        let labels = [("class", open.class.word()), ("stage", open.stage.word())];
        page.sample("", &labels, count(open.count));
    }
    let help = "Orders to people that are not settled.";
    page.gauge("anling_orders_outstanding", help, count(figures.orders));
    page.family("anling_reports", Kind::Counter, "Readings of devices, by what they were.");
    for (what, heard) in &figures.heard {
        page.sample("_total", &[("what", what)], whole_number(*heard));
    }
    let help = "Signals of devices that could not be read.";
    page.counter("anling_signals_refused", help, figures.status.refused);
    let help =
        "Messages on the built-in broker, by whether they were acknowledged after being stored.";
    page.family("anling_receipts", Kind::Counter, help);
    page.sample("_total", &[("stored", "yes")], whole_number(figures.stored));
    page.sample("_total", &[("stored", "no")], whole_number(figures.unstored));
}

fn record(page: &mut Page, figures: &Figures) {
    let status = &figures.status;
    let help = "The newest entry of the record that is on disk.";
    page.gauge("anling_journal_seq", help, whole_number(status.last_seq.0));
    let volatile = matches!(status.record, RecordView::Volatile { .. });
    let help = "Whether calls are held in memory only, because the disk fails.";
    page.gauge("anling_journal_volatile", help, flag(volatile));
    let help = "How long facts that somebody waits for took to be forced to disk.";
    page.histogram("anling_journal_force_seconds", help, &figures.forced);
    if let Some(free) = status.disk_free {
        page.gauge("anling_disk_free_bytes", "Free space for the record.", whole_number(free));
    }
    let level = flag(matches!(status.archive, ArchiveView::Level));
    page.gauge("anling_archive_level", "Whether the archive holds all that is on disk.", level);
}

fn ways(page: &mut Page, figures: &Figures) {
    let status = &figures.status;
    let carriers = || status.carriers.iter().map(|one| (one, [("carrier", one.carrier.word())]));
    page.family("anling_carrier_waiting", Kind::Gauge, "Messages that wait for a carrier.");
    carriers().for_each(|(one, label)| page.sample("", &label, count(one.waiting)));
    page.family("anling_carrier_trouble", Kind::Gauge, "Whether a carrier's last try failed.");
    carriers().for_each(|(one, label)| page.sample("", &label, flag(one.trouble.is_some())));
    let help = "When a carrier last handed a message over.";
    page.family("anling_carrier_last_handed_over_timestamp_seconds", Kind::Gauge, help);
    for (one, label) in carriers() {
        if let Some(Wall(ms)) = one.last_handed_over {
            page.sample("", &label, seconds(u64::try_from(ms).unwrap_or_default()));
        }
    }
    let endpoints = || status.endpoints.iter().map(|one| (one, [("endpoint", one.name.as_str())]));
    page.family("anling_endpoint_owed", Kind::Gauge, "Events that an endpoint has not taken.");
    endpoints().for_each(|(one, label)| page.sample("", &label, count(one.owed)));
    page.family("anling_endpoint_trouble", Kind::Gauge, "Whether an endpoint takes nothing.");
    endpoints().for_each(|(one, label)| page.sample("", &label, flag(one.trouble.is_some())));
    let help = "Whether an endpoint asked for a pause, and is not told before its end.";
    page.family("anling_endpoint_held_back", Kind::Gauge, help);
    endpoints().for_each(|(one, label)| page.sample("", &label, flag(one.held.is_some())));
    let help = "Events that an endpoint has refused for good since the hub's start.";
    page.family("anling_endpoint_refused", Kind::Counter, help);
    endpoints().for_each(|(one, label)| page.sample("_total", &label, whole_number(one.refused)));
    let help = "Events that an endpoint was never told, because too many were owed.";
    page.family("anling_endpoint_dropped", Kind::Counter, help);
    endpoints().for_each(|(one, label)| page.sample("_total", &label, whole_number(one.dropped)));
    let wires = || {
        let all = status.serial.iter().chain(&status.brokers);
        all.map(|one| (one, [("wire", one.name.as_str())]))
    };
    page.family("anling_wire_trouble", Kind::Gauge, "Whether something is wrong with a wire.");
    wires().for_each(|(one, label)| page.sample("", &label, flag(one.trouble.is_some())));
}

fn flag(on: bool) -> f64 {
    f64::from(u8::from(on))
}

fn whole_number(number: u64) -> f64 {
    // What is drawn as a curve needs 53 bits at most.
    number as f64
}

fn count(number: usize) -> f64 {
    whole_number(u64::try_from(number).unwrap_or(u64::MAX))
}

fn seconds(ms: u64) -> f64 {
    whole_number(ms) / 1000.0
}

/// What a family's samples are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge,
    Counter,
    Histogram,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Histogram => "histogram",
        }
    }
}

/// The text, as it is written.
struct Page {
    open: bool,
    text: String,
    /// The family that samples belong to.
    name: String,
}

/// Writing into a text cannot fail.
macro_rules! put {
    ($page:expr, $($what:tt)*) => {
        let _ = writeln!($page.text, $($what)*);
    };
}

impl Page {
    fn new(open: bool) -> Self {
        Self { open, text: String::new(), name: String::new() }
    }

    /// Begins a family; its samples follow. A counter's samples end in `_total`, and in the older form
    /// so does its family.
    fn family(&mut self, name: &str, kind: Kind, help: &str) {
        let total = if kind == Kind::Counter && !self.open { "_total" } else { "" };
        put!(self, "# HELP {name}{total} {help}");
        put!(self, "# TYPE {name}{total} {}", kind.word());
        name.clone_into(&mut self.name);
    }

    fn sample(&mut self, end: &str, labels: &[(&str, &str)], value: f64) {
        let label = |(name, value): &(&str, &str)| format!("{name}=\"{}\"", escaped(value));
        let labels: Vec<String> = labels.iter().map(label).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        put!(self, "{}{end}{labels} {value}", self.name);
    }

    fn gauge(&mut self, name: &str, help: &str, value: f64) {
        self.family(name, Kind::Gauge, help);
        self.sample("", &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Kind::Counter, help);
        self.sample("_total", &[], whole_number(value));
    }

    fn histogram(&mut self, name: &str, help: &str, seen: &Histogram) {
        self.family(name, Kind::Histogram, help);
        let mut so_far = 0;
        for (at, counted) in seen.counts.iter().enumerate() {
            so_far += counted;
            let bound = match FORCE_BOUNDS.get(at) {
                // As a number with a point, which the newer form asks for.
                Some(bound) => format!("{bound:?}"),
                None => "+Inf".to_owned(),
            };
            self.sample("_bucket", &[("le", &bound)], whole_number(so_far));
        }
        self.sample("_sum", &[], seen.sum);
        self.sample("_count", &[], whole_number(so_far));
    }

    fn finish(mut self) -> Response {
        if self.open {
            self.text.push_str("# EOF\n");
        }
        typed(if self.open { OPEN_METRICS } else { TEXT }, self.text)
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(open: bool) -> String {
        let mut page = Page::new(open);
        page.counter("anling_desk_turns", "Turns.", 7);
        page.family("anling_endpoint_owed", Kind::Gauge, "Owed.");
        page.sample("", &[("endpoint", "a\"b\\c")], 2.0);
        let mut forced = Histogram::default();
        forced.add(std::time::Duration::from_millis(1_500));
        page.histogram("anling_journal_force_seconds", "Forced.", &forced);
        page.text
    }

    #[test]
    fn a_counters_family_is_called_as_each_form_wants_it_and_its_sample_alike() {
        let (open, text) = (written(true), written(false));
        assert!(open.contains("# TYPE anling_desk_turns counter\nanling_desk_turns_total 7\n"));
        assert!(
            text.contains("# TYPE anling_desk_turns_total counter\nanling_desk_turns_total 7\n")
        );
        let samples = |page: &str| -> Vec<String> {
            page.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
        };
        assert_eq!(samples(&open), samples(&text));
        assert!(open.contains(r#"anling_endpoint_owed{endpoint="a\"b\\c"} 2"#), "{open}");
    }

    #[test]
    fn a_histograms_buckets_gather() {
        let text = written(true);
        assert!(text.contains("anling_journal_force_seconds_bucket{le=\"1.0\"} 0\n"), "{text}");
        assert!(text.contains("anling_journal_force_seconds_bucket{le=\"2.0\"} 1\n"), "{text}");
        assert!(text.contains("anling_journal_force_seconds_bucket{le=\"+Inf\"} 1\n"), "{text}");
        assert!(text.contains("anling_journal_force_seconds_count 1\n"), "{text}");
    }

    #[test]
    fn the_newer_form_is_for_who_asks_for_it() {
        let wants = |accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            wants_open_metrics(&headers)
        };
        assert!(wants("application/openmetrics-text;version=1.0.0,text/plain;q=0.5"));
        assert!(!wants("text/plain;version=0.0.4") && !wants("*/*"));
    }
}
