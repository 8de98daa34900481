//! The other end of a serial line: a pseudo-terminal under a name that stays, a pretended receiver
//! with buttons behind it, and the compiled firmware example.

use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use anling::contract::{SERIAL_DELIMITER, SerialEvent, SerialFrame, serial_address};
use anling::terms::{FeedbackStage, Mark};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;

use crate::hub::{Hub, soon, tool};

/// The receiver's own address.
const RECEIVER: u32 = 0x5200_0001;
const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// Registers a button behind a line, and reads the line at this path.
pub fn with_line(hub: &Hub, name: &str, path: &Path, button: (&str, &str)) {
    let path = path.display();
    hub.append(
        "links.toml",
        &format!("\n[link.serial.{name}]\npath = \"{path}\"\nsilent_after = \"3s\"\n"),
    );
    let (id, address) = button;
    hub.append(
        "registry/devices.csv",
        &format!("{id},radio-button,{address},H-3-2-302,R0003,卫生间\n"),
    );
}

/// A new pseudo-terminal, plugged in under this name.
pub fn plugged(path: &Path) -> File {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let end = openpt(flags).unwrap();
    grantpt(&end).unwrap();
    unlockpt(&end).unwrap();
    // As a wire is: a terminal nobody has opened yet would send back what it is told.
    let mut raw = rustix::termios::tcgetattr(&end).unwrap();
    raw.make_raw();
    rustix::termios::tcsetattr(&end, rustix::termios::OptionalActions::Now, &raw).unwrap();
    let name = ptsname(&end, Vec::new()).unwrap().into_string().unwrap();
    let _ = std::fs::remove_file(path);
    std::os::unix::fs::symlink(name, path).unwrap();
    File::from(end)
}

/// A receiver that is plugged in. Dropping it pulls it out.
pub struct Radio {
    end: File,
    path: PathBuf,
    heard: Arc<Mutex<Vec<SerialFrame>>>,
    pulled: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Radio {
    pub fn plug(path: &Path) -> Self {
        let end = plugged(path);
        rustix::fs::fcntl_setfl(&end, rustix::fs::OFlags::NONBLOCK).unwrap();
        let heard: Arc<Mutex<Vec<SerialFrame>>> = Arc::default();
        let pulled = Arc::new(AtomicBool::new(false));
        let (into, until, from) = (heard.clone(), pulled.clone(), end.try_clone().unwrap());
        let reader = std::thread::spawn(move || listen(&from, &into, &until));
        Self { end, path: path.to_owned(), heard, pulled, reader: Some(reader) }
    }

    /// Bytes as they are. What the line does not take is dropped, as by a radio.
    pub fn says(&self, bytes: &[u8]) {
        let mut end = &self.end;
        let mut left = bytes;
        for _ in 0..1_000 {
            match end.write(left) {
                Ok(count) => left = &left[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                Err(_) => return,
            }
            if left.is_empty() {
                return;
            }
        }
    }

    pub fn event(&self, address: &str, boot: u32, seq: u32, word: &str) {
        let address = serial_address(address).unwrap();
        let event = SerialEvent::pressed(address, Mark { boot, seq }, word).unwrap();
        self.says(&SerialFrame::Event(event).to_wire());
    }

    /// The stages a device's event was answered with, in their order.
    pub fn lights(&self, address: &str, boot: u32, seq: u32) -> Vec<FeedbackStage> {
        let wanted = (serial_address(address).unwrap(), Mark { boot, seq });
        let heard = self.heard.lock().unwrap();
        let stages = heard.iter().filter_map(|frame| match frame {
            SerialFrame::Command { address, mark, stage } if (*address, *mark) == wanted => {
                Some(*stage)
            }
            _ => None,
        });
        stages.collect()
    }

    pub fn hears(&self, address: &str, boot: u32, seq: u32, stage: FeedbackStage) {
        soon(&format!("{stage:?} for {address} {boot}/{seq} on the line"), || {
            self.lights(address, boot, seq).contains(&stage).then_some(())
        });
    }
}

impl Drop for Radio {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        self.pulled.store(true, Ordering::Release);
        let _ = self.reader.take().unwrap().join();
    }
}

/// Hears frames and says every half second that it is there.
fn listen(mut end: &File, heard: &Mutex<Vec<SerialFrame>>, pulled: &AtomicBool) {
    let (mut piece, mut space, mut naps, mut seq) = (Vec::new(), [0; 512], 0, 0);
    let nap = Duration::from_millis(5);
    while !pulled.load(Ordering::Acquire) {
        if nap * naps >= ALIVE_EVERY * seq {
            seq += 1;
            let mark = Mark { boot: 1, seq };
            let _ = end.write(&SerialFrame::Alive { address: RECEIVER, mark }.to_wire());
        }
        // An error means that nobody has the line open, or has nothing to say.
        let Ok(count) = end.read(&mut space) else {
            std::thread::sleep(nap);
            naps += 1;
            continue;
        };
        for byte in &space[..count] {
            if *byte != SERIAL_DELIMITER {
                piece.push(*byte);
            } else if !piece.is_empty() {
                heard.lock().unwrap().extend(SerialFrame::read(&piece));
                piece.clear();
            }
        }
    }
}

/// The compiled example on the line: a receiver with one button, pressed once.
pub struct Firmware {
    child: Child,
    lights: Arc<Mutex<Vec<String>>>,
    _dir: TempDir,
}

impl Firmware {
    pub fn press(path: &Path, address: &str, boot: u32, kind: u8) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let contract = root.join("firmware-contracts/native-serial/v1");
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("button");
        let mut cc = tool("cc", "gcc");
        cc.args(["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]);
        cc.arg(&contract).arg("-o").arg(&binary);
        cc.arg(root.join("tests/firmware/button_on_line.c"));
        let built =
            cc.args([contract.join("codec.c"), contract.join("button.c")]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let end = plugged(path);
        let mut command = Command::new(binary);
        command.args([address, &boot.to_string(), &kind.to_string()]);
        command.stdin(Stdio::from(end.try_clone().unwrap())).stdout(Stdio::from(end));
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lights: Arc<Mutex<Vec<String>>> = Arc::default();
        let (into, shows) = (lights.clone(), BufReader::new(child.stderr.take().unwrap()));
        std::thread::spawn(move || {
            for line in shows.lines().map_while(Result::ok) {
                into.lock().unwrap().push(line);
            }
        });
        Self { child, lights, _dir: dir }
    }

    /// Waits until the light has shown exactly these, one after the other.
    pub fn shows(&self, lights: &[&str]) {
        soon(&format!("the lights {lights:?}, not {:?}", self.lights.lock().unwrap()), || {
            (*self.lights.lock().unwrap() == lights).then_some(())
        });
    }
}

impl Drop for Firmware {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
