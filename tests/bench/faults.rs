//! What is lost when things go wrong: the process is killed, a receiver is away, a receiver hangs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anling::notify::webhook::WINDOW;

use super::Run;
use super::buttons::Buttons;
use super::house::House;
use super::machine::{median, ms, now, percentile};
use super::receiver::{Heard, Receiver};
use super::table::Table;

const RATE: u64 = 100;
const WARM_UP: usize = 100;
const SETTLE: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(60);

pub fn measure(run: &Run, table: &mut Table) {
    killed(run, table);
    refused(run, table);
    silent(run, table);
}

/// The first delivery of every device's press, and deliveries beyond the first of one event.
fn firsts(heard: &[Heard]) -> (BTreeMap<usize, u64>, usize) {
    let (mut devices, mut events) = (BTreeMap::new(), std::collections::BTreeSet::new());
    let mut repeats = 0;
    for event in heard {
        repeats += usize::from(!events.insert(event.seq));
        devices.entry(event.device).or_insert(event.at);
    }
    (devices, repeats)
}

/// Waits until that many devices were heard of; those that never were.
fn lost(receiver: &Receiver, devices: usize) -> usize {
    let end = now() + PATIENCE.as_nanos() as u64;
    loop {
        let here = firsts(&receiver.notes.all()).0.len();
        if here >= devices || now() > end {
            return devices - here.min(devices);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn p99(took: impl Iterator<Item = u64>) -> f64 {
    ms(percentile(&mut took.collect::<Vec<_>>(), 99.0))
}

fn killed(run: &Run, table: &mut Table) {
    let presses = run.pick(1_000, 400);
    let receiver = Receiver::start();
    let dir = run.dir.join("killed");
    let mut house = House::start(&dir, presses, &[("hall", &receiver.url())]);
    std::thread::sleep(SETTLE);
    let buttons = Buttons::connect(house.port, presses);
    let house = &mut house;
    std::thread::scope(|scope| {
        let mut killing = Some(house);
        buttons.press(0..presses, RATE, |device| {
            if device == presses / 2
                && let Some(house) = killing.take()
            {
                scope.spawn(|| {
                    house.kill();
                    house.run();
                });
            }
        });
    });
    let lost = lost(&receiver, presses);
    std::thread::sleep(Duration::from_secs(1));
    let repeats = firsts(&receiver.notes.all()).1;
    let name = format!("kill -9 among {presses} presses at {RATE}/s: presses lost");
    table.row(&name, &lost.to_string(), "0");
    let goal = format!("≤ {WINDOW} (in flight)");
    table.row("kill -9: events repeated to the webhook", &repeats.to_string(), &goal);
    table.row("kill -9: presses left unacknowledged", &buttons.unanswered().to_string(), "0");
}

fn refused(run: &Run, table: &mut Table) {
    let (before, away, after) = run.pick((5, 30, 30), (2, 8, 10));
    let [first, back, all] =
        [before, before + away, before + away + after].map(|s| WARM_UP + s * RATE as usize);
    let receiver = Receiver::start();
    let (address, notes) = (receiver.address, Arc::clone(&receiver.notes));
    let dir = run.dir.join("refused");
    let house = House::start(&dir, all, &[("hall", &receiver.url())]);
    std::thread::sleep(SETTLE);
    let buttons = Buttons::connect(house.port, all);
    buttons.press(0..first, RATE, |_| {});
    drop(receiver);
    buttons.press(first..back, RATE, |_| {});
    let (mut open, mut receiver) = (0, None);
    buttons.press(back..all, RATE, |device| {
        if device == back {
            open = now();
            receiver = Some(Receiver::again(address.port(), Arc::clone(&notes)));
        }
    });
    let lost = lost(receiver.as_ref().unwrap(), all);
    let (firsts, _) = firsts(&notes.all());
    let owed = firsts.range(first..back).map(|(_, at)| *at).max().unwrap_or(open);
    let found = firsts.range(first..).map(|(_, at)| *at).min().unwrap_or(open);
    let late = |(device, at): (&usize, &u64)| at - buttons.sent(*device);
    let known = |device: &usize| buttons.sent(*device) >= found;
    let name = format!("webhook refused {away} s at {RATE}/s: presses lost");
    table.row(&name, &lost.to_string(), "0");
    let out = format!("{:.0} ms", ms(owed.saturating_sub(open)));
    table.row("refused: last owed out after the webhook is back", &out, "≤ 1 s");
    let p99_of_new = p99(firsts.range(back..).filter(|(d, _)| known(d)).map(late));
    let name = format!("refused: p99 of new presses in the {after} s from then on");
    table.row(&name, &format!("{p99_of_new:.2} ms"), "");
    let draining = |device: &usize| known(device) && buttons.sent(*device) <= owed;
    let p99_then = p99(firsts.range(back..).filter(|(d, _)| draining(d)).map(late));
    table.row(
        "refused: p99 of new presses while the owed go out",
        &format!("{p99_then:.2} ms"),
        "≤ 10 ms",
    );
}

fn silent(run: &Run, table: &mut Table) {
    let (rounds, span) = run.pick((5, 6), (2, 3));
    let presses = span * RATE as usize;
    let all = WARM_UP + 2 * rounds * presses;
    let (hall, deaf) = (Receiver::start(), Receiver::start());
    let dir = run.dir.join("silent");
    let webhooks = [("hall", hall.url()), ("deaf", deaf.url())];
    let webhooks = webhooks.each_ref().map(|(name, url)| (*name, url.as_str()));
    let house = House::start(&dir, all, &webhooks);
    std::thread::sleep(SETTLE);
    let buttons = Buttons::connect(house.port, all);
    buttons.press(0..WARM_UP, RATE, |_| {});
    // In turns, because a shared disk changes its mood from one half minute to the next.
    for round in 0..2 * rounds {
        deaf.notes.be_silent(round % 2 == 1);
        let first = WARM_UP + round * presses;
        buttons.press(first..first + presses, RATE, |_| {});
        std::thread::sleep(Duration::from_millis(500));
    }
    deaf.notes.be_silent(false);
    let lost = lost(&hall, all) + lost(&deaf, all);
    let (firsts, _) = firsts(&hall.notes.all());
    let late = |(device, at): (&usize, &u64)| at - buttons.sent(*device);
    let part = |round: usize| {
        let first = WARM_UP + round * presses;
        p99(firsts.range(first..first + presses).map(late))
    };
    let calm = median((0..rounds).map(|round| part(2 * round)).collect());
    let beside_deaf = median((0..rounds).map(|round| part(2 * round + 1)).collect());
    let name = format!("one webhook accepts and never answers, {rounds} × {span} s: presses lost");
    table.row(&name, &lost.to_string(), "0");
    let ratio = format!("{:.2} × before", beside_deaf / calm);
    table.row("silent: the other webhook's p99", &ratio, "≤ 1.2 × before");
    let both = format!("{calm:.2} ms, then {beside_deaf:.2} ms");
    table.row("silent: that p99 before and beside the silent one", &both, "");
}
