//! A polled panel on a pseudo-terminal while the disk hangs.

use std::io::{Read as _, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::time::sleep;

use super::*;
use crate::config::settings::PolledLine;
use crate::contract::modbus_coil;
use crate::terms::{Framing, Kind, LinkId, Means, ModbusOn, ModbusPoint, ModbusTable, What};

const DARK: [u8; 7] = [1, 2, 2, 0, 0, 0xB9, 0xB8];
const CALLS: [u8; 7] = [1, 2, 2, 4, 0, 0xBB, 0x78];
const LAMP: u16 = 2;

/// A panel whose third input is a call.
#[derive(Default)]
struct Panel {
    calls: AtomicBool,
    /// How its lamp was switched, in order.
    lamp: Mutex<Vec<bool>>,
}

impl Panel {
    fn at(path: &Path) -> Arc<Self> {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
        std::os::unix::fs::symlink(name, path).unwrap();
        let (mut end, panel) = (std::fs::File::from(end), Arc::new(Self::default()));
        let is = Arc::clone(&panel);
        std::thread::spawn(move || {
            let mut frame = [0; 8];
            while end.read_exact(&mut frame).is_ok() {
                let answer = match frame[1] {
                    5 => {
                        is.lamp.lock().unwrap().push(frame[4] > 0);
                        frame.to_vec()
                    }
                    _ if is.calls.load(Ordering::Acquire) => CALLS.to_vec(),
                    _ => DARK.to_vec(),
                };
                if end.write_all(&answer).is_err() {
                    return;
                }
            }
        });
        panel
    }

    async fn shows(&self, on: bool) {
        let waited = async {
            while self.lamp.lock().unwrap().last() != Some(&on) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(HANG_GUARD, waited).await.expect("the lamp");
    }
}

fn with_a_panel(settings: &mut Settings, path: &Path) {
    let point = |name: &str, address, lamp| ModbusPoint {
        name: name.to_owned(),
        slave: 1,
        table: ModbusTable::Inputs,
        address,
        on: ModbusOn::Set,
        means: Means::Says(What::Pulse(Kind::Sos)),
        lamp,
    };
    let line = PolledLine {
        path: path.to_owned(),
        baud: 115_200,
        framing: Framing::Eight,
        poll: Wait(100),
        points: vec![point("a", 0, None), point("bed", 2, Some(LAMP)), point("z", 15, None)],
        panels: [].into(),
    };
    settings.modbus.insert(LinkId::new("modbus.ward").unwrap(), line);
}

fn presses(dir: &Path) -> usize {
    let records = tail(&OsDisk, &dir.join(crate::desk::JOURNAL_DIR), 10_000).unwrap();
    let is_press = |body: &[u8]| String::from_utf8_lossy(body).contains("\"reported\":");
    records.iter().filter(|record| is_press(&record.body)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_while_the_disk_hangs_lights_its_lamp_once_it_is_stored_and_is_one_press() {
    assert_eq!(modbus_coil(1, LAMP, true)[..6], [1, 5, 0, 2, 0xFF, 0]);
    let dir = tempfile::tempdir().unwrap();
    let disk = Gated::default();
    let path = dir.path().join("usb-ward");
    let panel = Panel::at(&path);
    let house = open_changed(dir.path(), &disk, |settings| with_a_panel(settings, &path)).await;
    panel.shows(false).await;
    disk.shut(true);
    panel.calls.store(true, Ordering::Release);
    // Longer than a receipt is held, so that it is refused and the answer handed in again.
    sleep(Duration::from_secs(5)).await;
    assert!(!panel.lamp.lock().unwrap().contains(&true), "a light before the disk");
    disk.shut(false);
    panel.shows(true).await;
    assert_eq!(presses(dir.path()), 1, "handed in again, it is the same press");
    drop(house);
}
