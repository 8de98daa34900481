//! From the process's start until it says that it is ready.

use super::Run;
use super::house::{House, furnish};
use super::machine::{median, ms};
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
    let mut took = Vec::new();
    for _ in 0..run.pick(5, 3) {
        took.push(ms(house.run()));
        house.kill();
    }
    let name = format!("start to ready: {records} records, snapshot 20,000 back");
    table.row(&name, &format!("{:.0} ms", median(took)), "≤ 1 s");
}
