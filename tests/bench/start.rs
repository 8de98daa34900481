//! From the process's start until it says that it is ready, and until its archive is made.

use std::path::Path;
use std::time::Duration;

use anling::counter::{ArchiveView, Ask, Reply};
use anling::desk;

use super::Run;
use super::house::{House, furnish};
use super::machine::{median, ms, now};
use super::past;
use super::table::Table;

const DEVICES: usize = 500;

pub fn measure(run: &Run, table: &mut Table) {
    let nowhere = [("hall", "http://127.0.0.1:9/")];
    let mut took = Vec::new();
    for round in 0..run.pick(5, 3) {
        let dir = run.dir.join(format!("start-{round}"));
        let mut house = House::furnished(&dir, furnish(&dir, DEVICES, &nowhere));
        took.push(ms(house.run()));
    }
    let name = format!("start to ready: empty journal, {DEVICES} devices taken in");
    table.row(&name, &format!("{:.0} ms", median(took)), "≤ 1 s");
    let dir = run.dir.join("start-past");
    let port = furnish(&dir, DEVICES, &nowhere);
    let records = past::write(&dir, run.pick(1_000_000, 200_000), DEVICES);
    let mut house = House::furnished(&dir, port);
    house.run();
    let began = now();
    until_level(&dir);
    let name = format!("archive of {records} records made in the background");
    table.row(&name, &format!("{:.1} s", ms(now() - began) / 1000.0), "≤ 60 s");
    let (size, memory) = (bytes_in(&dir.join("state/archive")) >> 20, house.memory("VmHWM"));
    table.row(
        "that archive on disk; peak memory by then",
        &format!("{size} MiB; {memory:.0} MiB"),
        "",
    );
    house.kill();
    let mut took = Vec::new();
    for _ in 0..run.pick(5, 3) {
        took.push(ms(house.run()));
        house.kill();
    }
    let name = format!("start to ready: {records} records, snapshot 20,000 back");
    table.row(&name, &format!("{:.0} ms", median(took)), "≤ 1 s");
}

fn until_level(dir: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    loop {
        let asked = runtime.block_on(desk::ask(&dir.join("anling.sock"), &Ask::Status));
        let Ok(Reply::Status(status)) = asked else { panic!("no status") };
        if status.archive == ArchiveView::Level {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let size = |entry: std::fs::DirEntry| match entry.file_type().unwrap().is_dir() {
        true => bytes_in(&entry.path()),
        false => entry.metadata().unwrap().len(),
    };
    entries.map(size).sum()
}
