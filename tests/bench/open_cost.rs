//! What one press costs in decide, apply and serialise, with few and with many incidents open.

use anling::terms::Wall;

use super::Run;
use super::house::furnish;
use super::machine::{median, now};
use super::past::Past;
use super::table::Table;

const OPEN: [usize; 3] = [10, 1_000, 10_000];
/// Presses of one round; they are closed before the next, so that what is open stays the same.
const PRESSES: usize = 20;

pub fn measure(run: &Run, table: &mut Table) {
    let dir = run.dir.join("cost");
    let rounds = run.pick(50, 20);
    let devices = OPEN[2] + OPEN.len() * rounds * PRESSES;
    furnish(&dir, devices, &[("hall", "http://127.0.0.1:9/")]);
    let mut past = Past::begin(&dir, Wall(1_780_000_000_000));
    let mut next = 0;
    for open in OPEN {
        while past.book.open_count() < open {
            past.press(next);
            next += 1;
        }
        let mut took = Vec::new();
        for _ in 0..rounds {
            past.forget_bytes();
            let began = now();
            for device in next..next + PRESSES {
                past.press(device);
            }
            took.push((now() - began) as f64 / 1e3 / PRESSES as f64);
            next += PRESSES;
            past.close_newest(PRESSES);
        }
        let name = format!("one press decided, applied, serialised; {open} open");
        table.row(&name, &format!("{:.1} µs", median(took)), "flat");
    }
}
