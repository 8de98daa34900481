//! A full house: what a device costs in memory, and a press while thousands of devices report.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Run;
use super::buttons::{Buttons, LINES};
use super::house::{House, furnish_homes};
use super::machine::{ms, percentile};
use super::receiver::Receiver;
use super::table::Table;

/// Homes of every house here: only the devices differ.
const HOMES: usize = 500;
/// Two houses to compare: far apart, because what the allocator keeps differs by some MiB from start to
/// start.
const FEW: usize = 2_000;
const MANY: usize = 20_000;
/// A full house (design: 3,000 devices).
const FULL: usize = 3_000;
/// Reports that come at once when power returns to a street.
const STORM: usize = 10_000;
/// Connections that the storm comes over; presses come over the others.
const STORMY: usize = 40;
/// An hourly report of each of [`FULL`].
const HOURLY: u64 = 1;
const RATE: u64 = 50;
const SETTLE: Duration = Duration::from_secs(6);
const PATIENCE: Duration = Duration::from_secs(30);

pub fn measure(run: &Run, table: &mut Table) {
    let anonymous = |devices| {
        let dir = run.dir.join(format!("devices-{devices}"));
        let house = start(&dir, devices, "http://127.0.0.1:9/");
        let buttons = Buttons::connect(house.port, devices);
        // Heard more than once, so that nothing of a device is still to be made.
        buttons.beat(devices, 3, 10_000);
        std::thread::sleep(SETTLE);
        house.memory("RssAnon")
    };
    let (few, many) = (anonymous(FEW), anonymous(MANY));
    let each = (many - few) * 1024.0 / (MANY - FEW) as f64;
    let name = format!("memory a device, from {FEW} to {MANY} in {HOMES} homes, all heard");
    table.row(&name, &format!("{each:.2} KiB"), "≤ 2 KiB");
    let both = format!("{few:.1} MiB, {many:.1} MiB");
    table.row("memory of these two houses that is not the program's file", &both, "");
    in_a_storm(run, table);
}

fn start(dir: &std::path::Path, devices: usize, url: &str) -> House {
    let port = furnish_homes(dir, devices, HOMES, &[("hall", url)]);
    let mut house = House::furnished(dir, port);
    house.run();
    std::thread::sleep(SETTLE);
    house
}

/// Presses of devices with connections of their own, in turns without and with a storm beside them.
fn in_a_storm(run: &Run, table: &mut Table) {
    let receiver = Receiver::start();
    let house = start(&run.dir.join("devices-storm"), FULL, &receiver.url());
    let buttons = Buttons::connect(house.port, FULL);
    let own: Vec<usize> = (0..FULL).filter(|device| device % LINES >= STORMY).collect();
    let rounds = run.pick(6, 2);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                buttons.beat(1, 1, HOURLY);
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        for (round, pressed) in own.chunks(own.len() / (2 * rounds)).enumerate().take(2 * rounds) {
            let mut storm = (round % 2 == 1).then_some(&buttons);
            buttons.press_each(pressed.iter().copied(), RATE, |_| {
                if let Some(buttons) = storm.take() {
                    scope.spawn(|| buttons.burst(FULL, STORM, STORMY));
                }
            });
            std::thread::sleep(Duration::from_secs(1));
        }
        over.store(true, Ordering::Release);
    });
    let pressed = own.len() / (2 * rounds) * 2 * rounds;
    let came = receiver.notes.wait_for(pressed, PATIENCE);
    assert!(came, "{} of {pressed} presses came", receiver.notes.count());
    let (mut quiet, mut stormy) = (Vec::new(), Vec::new());
    for heard in receiver.notes.all() {
        let place = own.binary_search(&heard.device).unwrap() / (own.len() / (2 * rounds));
        let took = heard.at - buttons.sent(heard.device);
        if place.is_multiple_of(2) { quiet.push(took) } else { stormy.push(took) }
    }
    let p99 = |took: &mut Vec<u64>| ms(percentile(took, 99.0));
    let (quiet, stormy) = (p99(&mut quiet), p99(&mut stormy));
    let name = format!("{STORM} reports at once from {FULL} devices: press → webhook, p99 then");
    table.row(&name, &format!("{:.2} × quiet", stormy / quiet), "≤ 2 × quiet");
    let both = format!("{quiet:.2} ms, then {stormy:.2} ms");
    table.row("that p99, quiet and in the storm", &both, "");
}
