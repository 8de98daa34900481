//! An alarm receiver on a pseudo-terminal while the disk hangs.

use std::io::{Read as _, Write as _};
use std::sync::mpsc;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tokio::time::sleep;

use super::*;
use crate::config::settings::Serial;
use crate::terms::{ContactIdForm, Dialect, Framing, LinkId, Spoken};

const PRESS: &[u8] = b"5011 181234E10101007\x14";
const ACK: u8 = 0x06;

/// The receiver's end: what it says, and what it is answered.
struct AlarmReceiver {
    end: std::fs::File,
    heard: mpsc::Receiver<u8>,
}

impl AlarmReceiver {
    fn at(path: &Path) -> Self {
        let end = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&end).unwrap();
        unlockpt(&end).unwrap();
        let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
        std::os::unix::fs::symlink(name, path).unwrap();
        let (end, (tell, heard)) = (std::fs::File::from(end), mpsc::channel());
        let mut from = end.try_clone().unwrap();
        std::thread::spawn(move || {
            let mut byte = [0];
            while matches!(from.read(&mut byte), Ok(1)) && tell.send(byte[0]).is_ok() {}
        });
        Self { end, heard }
    }

    fn says(&mut self, bytes: &[u8]) {
        self.end.write_all(bytes).unwrap();
    }

    async fn answered(&mut self) -> u8 {
        let waited = async {
            loop {
                match self.heard.try_recv() {
                    Ok(byte) => return byte,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
        };
        timeout(HANG_GUARD, waited).await.expect("an answer on the line")
    }
}

fn with_a_line(settings: &mut Settings, path: &Path) {
    let serial = Serial {
        path: path.to_owned(),
        baud: 9_600,
        framing: Framing::Eight,
        contract: Spoken::ContactId(ContactIdForm::of(Dialect::SurGard)),
        silent_after: Some(Wait::mins(10)),
    };
    settings.serial.insert(LinkId::new("serial.alarm").unwrap(), serial);
}

fn reported(dir: &Path) -> usize {
    let records = tail(&OsDisk, &dir.join(crate::desk::JOURNAL_DIR), 10_000).unwrap();
    let is_report = |body: &[u8]| String::from_utf8_lossy(body).contains("\"reported\":");
    records.iter().filter(|record| is_report(&record.body)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_repeats_while_the_disk_hangs_is_answered_once_it_is_stored_and_is_one_press()
 {
    let dir = tempfile::tempdir().unwrap();
    let disk = Gated::default();
    let path = dir.path().join("usb-alarm");
    let mut receiver = AlarmReceiver::at(&path);
    let house = open_changed(dir.path(), &disk, |settings| with_a_line(settings, &path)).await;
    receiver.says(b"1011           @    \x14");
    assert_eq!(receiver.answered().await, ACK, "the test of the line needs no disk");
    disk.shut(true);
    for _ in 0..3 {
        // It waits 4 s for its answer, and gets none.
        receiver.says(PRESS);
        sleep(Duration::from_millis(4_000)).await;
        assert!(receiver.heard.try_recv().is_err(), "an answer before the disk");
    }
    disk.shut(false);
    receiver.says(PRESS);
    assert_eq!(receiver.answered().await, ACK);
    assert_eq!(reported(dir.path()), 1, "three repeats are the same press");
    receiver.says(PRESS);
    assert_eq!(receiver.answered().await, ACK);
    assert_eq!(reported(dir.path()), 2, "said again after its answer, it is another press");
    drop(house);
}
