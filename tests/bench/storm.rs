//! Power is back in a street: 10,000 devices press at once.

use std::time::Duration;

use super::Run;
use super::buttons::{Buttons, LINES};
use super::floor;
use super::house::House;
use super::machine::{median, ms, now};
use super::receiver::Receiver;
use super::table::Table;

const DEVICES: usize = 10_000;
const SETTLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(120);

pub fn measure(run: &Run, table: &mut Table) {
    let (mut ours, mut floors, mut acked) = (Vec::new(), Vec::new(), Vec::new());
    let (mut screens, mut peaks, mut cores, mut lost) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for round in 0..run.pick(3, 1) {
        let dir = run.dir.join(format!("storm-{round}"));
        let receiver = Receiver::start();
        let mut house = House::start(&dir, DEVICES, &[("hall", &receiver.url())]);
        std::thread::sleep(SETTLE);
        let buttons = Buttons::connect(house.port, DEVICES);
        let idle = house.cpu();
        let began = buttons.press_all();
        receiver.notes.wait_for(DEVICES, PATIENCE);
        let limit = now() + PATIENCE.as_nanos() as u64;
        while house.screen_lines() < DEVICES && now() < limit {
            std::thread::sleep(Duration::from_millis(5));
        }
        screens.push(ms(now() - began));
        cores.push(ms(house.cpu() - idle));
        lost += DEVICES - receiver.notes.distinct().min(DEVICES);
        peaks.push(house.memory("VmHWM"));
        let heard = receiver.notes.take();
        ours.push(ms(heard.iter().map(|h| h.at).max().unwrap_or(began) - began));
        let last = (0..DEVICES).filter_map(|device| buttons.stored(device)).max();
        acked.push(ms(last.unwrap_or(began) - began));
        let bytes = heard.first().map_or(600, |heard| heard.bytes);
        drop(buttons);
        house.stop();
        let began = floor::storm(&dir, receiver.address, (DEVICES, bytes));
        let heard = receiver.notes.take();
        assert_eq!(heard.len(), DEVICES);
        floors.push(ms(heard.iter().map(|h| h.at).max().unwrap() - began));
    }
    let name = format!("storm of {DEVICES} over {LINES} lines: presses lost");
    table.row(&name, &lost.to_string(), "0");
    table.beside(
        "storm: until the last notice is out",
        (median(ours), median(floors)),
        "ms",
        "≤ 1.5 × floor",
    );
    table.row(
        "storm: until the last press is acknowledged",
        &format!("{:.0} ms", median(acked)),
        "",
    );
    table.row(
        "storm: until the last line is on the screen",
        &format!("{:.0} ms", median(screens)),
        "",
    );
    let each = median(cores) * 1_000.0 / DEVICES as f64;
    table.row("storm: the hub's time on a core, a press", &format!("{each:.0} µs"), "");
    table.row("storm: peak memory", &format!("{:.0} MiB", median(peaks)), "< 150 MB");
}
