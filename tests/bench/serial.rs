//! From a press on a serial line to the frame that answers it, beside what the disk alone takes.
//!
//! The line is a pseudo-terminal, which has no speed: what 115,200 baud would add is arithmetic, and
//! stands in the row's name.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use anling::contract::{SERIAL_DELIMITER, SerialEvent, SerialFrame, serial_name};
use anling::terms::{FeedbackStage, Mark};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

use super::Run;
use super::house::{House, furnish};
use super::machine::{ms, now, percentile};
use super::table::Table;

/// Presses before anything counts.
const WARM_UP: usize = 20;
/// A hub that has just taken in its registry writes a snapshot first.
const SETTLE: Duration = Duration::from_secs(4);
/// Pause between presses: no press waits for another.
const BETWEEN: Duration = Duration::from_millis(20);
/// Bytes of what the floor writes: about what a first press writes into the journal.
const FLOOR_BYTES: usize = 600;
/// Bits on a line of one byte, and its speed.
const WIRE_MS_A_BYTE: f64 = 10.0 / 115.2;

/// Each press comes from another registered button, so each raises an incident.
fn furnished(dir: &Path, presses: usize, line: &Path) -> House {
    let port = furnish(dir, 1, &[]);
    let append = |name: &str, text: &str| {
        let path = dir.join("config").join(name);
        OpenOptions::new().append(true).open(path).unwrap().write_all(text.as_bytes()).unwrap();
    };
    append("links.toml", &format!("[link.serial.front]\npath = \"{}\"\n", line.display()));
    append(
        "devices.toml",
        "[type.radio-button]\nfamily = \"native-serial\"\nlabel = \"无线按钮\"\nlife_safety = true\n",
    );
    let rows = (1..=presses)
        .map(|n| format!("S-{n:05},radio-button,{},H-00000,,床头\n", serial_name(n as u32)));
    append("registry/devices.csv", &rows.collect::<String>());
    House::furnished(dir, port)
}

fn plugged(path: &Path) -> File {
    let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&end).unwrap();
    unlockpt(&end).unwrap();
    let mut raw = tcgetattr(&end).unwrap();
    raw.make_raw();
    tcsetattr(&end, OptionalActions::Now, &raw).unwrap();
    let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
    std::os::unix::fs::symlink(name, path).unwrap();
    File::from(end)
}

/// Reads until this frame has come.
fn hears(end: &mut File, piece: &mut Vec<u8>, wanted: &SerialFrame) {
    let mut byte = [0];
    loop {
        end.read_exact(&mut byte).unwrap();
        if byte[0] != SERIAL_DELIMITER {
            piece.push(byte[0]);
        } else if SerialFrame::read(&std::mem::take(piece)) == Ok(*wanted) {
            return;
        }
    }
}

pub fn measure(run: &Run, table: &mut Table) {
    let presses = run.pick(1_000, 200);
    let dir = run.dir.join("serial");
    std::fs::create_dir_all(&dir).unwrap();
    let line = dir.join("receiver");
    let mut end = plugged(&line);
    let mut house = furnished(&dir, WARM_UP + presses, &line);
    house.run();
    std::thread::sleep(SETTLE);
    let mut floor = File::create(dir.join("floor")).unwrap();
    let (mut took, mut forced, mut piece) = (Vec::new(), Vec::new(), Vec::new());
    let mut wire = 0;
    for n in 1..=WARM_UP + presses {
        let (address, mark) = (n as u32, Mark { boot: 1, seq: 1 });
        let press = SerialEvent::pressed(address, mark, "sos").unwrap();
        let press = SerialFrame::Event(press).to_wire();
        let stage = FeedbackStage::Stored;
        let stored = SerialFrame::Command { address, mark, stage };
        let began = now();
        end.write_all(&press).unwrap();
        hears(&mut end, &mut piece, &stored);
        took.push(now() - began);
        wire = press.len() + stored.to_wire().len();
        std::thread::sleep(BETWEEN / 2);
        let began = now();
        floor.write_all(&[b'x'; FLOOR_BYTES]).unwrap();
        rustix::fs::fdatasync(&floor).unwrap();
        forced.push(now() - began);
        std::thread::sleep(BETWEEN / 2);
    }
    let added = format!("{:.1} ms", wire as f64 * WIRE_MS_A_BYTE);
    for (percent, part) in [(50.0, "p50"), (99.0, "p99")] {
        let of = |times: &[u64]| ms(percentile(&mut times[WARM_UP..].to_vec(), percent));
        let name = format!("serial press → stored frame, {part}; 115,200 baud would add {added}");
        let goal = if part == "p99" { "p99 ≤ floor + 2 ms" } else { "" };
        table.beside(&name, (of(&took), of(&forced)), "ms", goal);
    }
}
