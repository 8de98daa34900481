//! What a house of 500 devices costs while nothing happens.

use std::time::Duration;

use super::Run;
use super::house::House;
use super::machine::now;
use super::receiver::Receiver;
use super::table::Table;

const DEVICES: usize = 500;
const REST: Duration = Duration::from_secs(10);

pub fn measure(run: &Run, table: &mut Table) {
    let receiver = Receiver::start();
    let house = House::start(&run.dir.join("idle"), DEVICES, &[("hall", &receiver.url())]);
    std::thread::sleep(REST);
    let name = format!("idle, {DEVICES} devices: resident memory after 10 s");
    table.row(&name, &format!("{:.1} MiB", house.memory("VmRSS")), "≤ 25 MB");
    let own = format!("{:.1} MiB", house.memory("RssAnon"));
    table.row("idle: of it not pages of the program's own file", &own, "");
    let (began, before) = (now(), house.cpu());
    std::thread::sleep(Duration::from_secs(20));
    let share = (house.cpu() - before) as f64 / (now() - began) as f64 * 100.0;
    table.row("idle: share of one core over 20 s", &format!("{share:.3} %"), "≤ 0.2 %");
}
