//! What one press costs in decide, apply and serialise, with few and with many incidents open.

use anling::terms::Wall;

use super::Run;
use super::house::furnish;
use super::machine::{median, now};
use super::past::Past;
use super::table::Table;

const OPEN: [usize; 3] = [10, 1_000, 10_000];
/// Presses measured on one copy of the book: few, so that what is open stays about the same.
const PRESSES: usize = 20;

pub fn measure(run: &Run, table: &mut Table) {
    let dir = run.dir.join("cost");
    furnish(&dir, OPEN[2] + PRESSES, &[("hall", "http://127.0.0.1:9/")]);
    let mut past = Past::begin(&dir, Wall(1_780_000_000_000));
    let mut pressed = 0;
    for open in OPEN {
        while pressed < open {
            past.press(pressed);
            pressed += 1;
        }
        past.forget_bytes();
        let before = past.book.clone();
        let mut took = Vec::new();
        for _ in 0..run.pick(50, 20) {
            past.book = before.clone();
            let began = now();
            for device in open..open + PRESSES {
                past.press(device);
            }
            took.push((now() - began) as f64 / 1e3 / PRESSES as f64);
            past.forget_bytes();
        }
        past.book = before;
        let name = format!("one press decided, applied, serialised; {open} open");
        table.row(&name, &format!("{:.1} µs", median(took)), "flat");
    }
}
