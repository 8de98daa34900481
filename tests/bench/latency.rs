//! From press to webhook, at four rates.

use std::time::Duration;

use super::Run;
use super::buttons::Buttons;
use super::floor;
use super::house::House;
use super::machine::{median, ms, percentile};
use super::receiver::Receiver;
use super::table::Table;

/// Rates a second, with the presses of one round: full and short.
const RATES: [(u64, usize, usize); 4] =
    [(1, 10, 3), (10, 100, 30), (100, 1_000, 300), (1_000, 5_000, 2_000)];
/// Presses before anything counts: they open the hub's connections to the receiver.
const WARM_UP: usize = 100;
/// A hub that has just taken in its registry writes a snapshot first.
const SETTLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);

/// p50, p99 and the longest, in milliseconds.
type Shape = [f64; 3];

fn shape(mut took: Vec<u64>) -> Shape {
    [50.0, 99.0, 100.0].map(|percent| ms(percentile(&mut took, percent)))
}

pub fn measure(run: &Run, table: &mut Table) {
    let counts = RATES.map(|(rate, full, short)| (rate, run.pick(full, short)));
    let mut ours: [Vec<Shape>; 4] = Default::default();
    let mut floors: [Vec<Shape>; 4] = Default::default();
    for round in 0..run.pick(3, 1) {
        let dir = run.dir.join(format!("latency-{round}"));
        let receiver = Receiver::start();
        let devices = WARM_UP + counts.iter().map(|(_, count)| count).sum::<usize>();
        let house = House::start(&dir, devices, &[("hall", &receiver.url())]);
        std::thread::sleep(SETTLE);
        let buttons = Buttons::connect(house.port, devices);
        buttons.press(0..WARM_UP, 1_000, |_| {});
        assert!(receiver.notes.wait_for(WARM_UP, PATIENCE), "the warm-up is lost");
        let bytes = receiver.notes.take()[0].bytes;
        let mut next = WARM_UP;
        for (at, (rate, count)) in counts.into_iter().enumerate() {
            buttons.press(next..next + count, rate, |_| {});
            assert!(receiver.notes.wait_for(count, PATIENCE), "presses are lost");
            let took = receiver.notes.take();
            let took = took.iter().map(|heard| heard.at - buttons.sent(heard.device));
            ours[at].push(shape(took.collect()));
            next += count;
            let stamps = floor::at_rate(&dir, receiver.address, (rate, count, bytes));
            let took = receiver.notes.take();
            let took = took.iter().map(|heard| heard.at - stamps[heard.device]);
            floors[at].push(shape(took.collect()));
        }
    }
    for (at, (rate, _)) in counts.into_iter().enumerate() {
        for (part, name) in ["p50", "p99", "max"].into_iter().enumerate() {
            let middle = |shapes: &[Shape]| median(shapes.iter().map(|s| s[part]).collect());
            let goal = if part == 1 && rate >= 100 { "p99 ≤ 1.5 × floor" } else { "" };
            let name = format!("press → webhook, {rate}/s, {name}");
            table.beside(&name, (middle(&ours[at]), middle(&floors[at])), "ms", goal);
        }
    }
}
