//! What a day writes to the disk: 3,000 devices that say every ten minutes that they live, and 20
//! alarms from the press to the end. Bytes are what the kernel counts for the process
//! (`write_bytes` of `/proc/PID/io`: pages handed to the disk, log and screen included; the file
//! system's own journal is not in it). Each kind of traffic is measured by itself and multiplied to
//! a day, so that a day takes a minute.

use std::time::Duration;

use super::Run;
use super::buttons::Buttons;
use super::house::House;
use super::machine::now;
use super::receiver::Receiver;
use super::table::Table;

const DEVICES: usize = 3_000;
const ALARMS: usize = 20;
/// A device says every ten minutes that it lives.
const BEATS_A_DAY: usize = DEVICES * 6 * 24;
const DAY_S: f64 = 86_400.0;
/// Heartbeats a second while measured: 400 times as dense as in the house.
const PACE: u64 = 2_000;
/// What a person says, from the call to the end.
const STORY: [&[&str]; 5] = [
    &["accept"],
    &["on-the-way"],
    &["arrive"],
    &["note", "左膝擦伤，已消毒，家属已通知"],
    &["resolve", "--ending", "helped"],
];

pub fn measure(run: &Run, table: &mut Table) {
    let receiver = Receiver::start();
    let mut house = House::start(&run.dir.join("wear"), DEVICES, &[("hall", &receiver.url())]);
    std::thread::sleep(Duration::from_secs(5));
    table.row("a day's writing: once, 3000 devices taken in", &kib(house.written() as f64), "");
    let idle = rest(&house, run.pick(60, 20));
    table.row("a day's writing: nothing happens", &kib(idle), "");
    let buttons = Buttons::connect(house.port, ALARMS);
    let rounds = run.pick(10, 3);
    let before = house.written();
    buttons.beat(DEVICES, rounds, PACE);
    std::thread::sleep(Duration::from_secs(2));
    let heard = house.says(&["status", "--json"]);
    assert!(heard.contains(&format!("\"heard\": {DEVICES}")), "{heard}");
    let beats = (house.written() - before) as f64 * BEATS_A_DAY as f64 / (DEVICES * rounds) as f64;
    table.row("a day's writing: 432,000 heartbeats", &kib(beats), "");
    let before = house.written();
    for device in 0..ALARMS {
        buttons.press(device..device + 1, 1_000, |_| {});
        let code = format!("A{:02}", device + 1);
        while buttons.unanswered() > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        for words in STORY {
            std::thread::sleep(Duration::from_millis(200));
            house.says(&[&["incident", &code][..], words, &["--as", "wangli"]].concat());
        }
    }
    std::thread::sleep(Duration::from_secs(2));
    let alarms = (house.written() - before) as f64;
    table.row("a day's writing: 20 alarms to their end", &kib(alarms), "");
    drop(buttons);
    house.stop();
    let snapshot = house.newest_snapshot() as f64;
    table.row("a day's writing: one snapshot", &kib(snapshot), "");
    let day = idle + beats + alarms + snapshot;
    let name = "bytes written a day, 3000 devices and 20 alarms";
    table.row(name, &format!("{:.2} MB", day / 1e6), "≤ 50 MB");
}

/// What a hub writes in a day in which nothing happens.
fn rest(house: &House, seconds: u64) -> f64 {
    let (began, before) = (now(), house.written());
    std::thread::sleep(Duration::from_secs(seconds));
    let seconds = (now() - began) as f64 / 1e9;
    (house.written() - before) as f64 * DAY_S / seconds
}

fn kib(bytes: f64) -> String {
    format!("{:.0} KiB", bytes / 1024.0)
}
