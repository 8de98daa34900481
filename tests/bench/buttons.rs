//! Pretended buttons: raw MQTT 3.1.1 with packets made beforehand, over kept connections such as
//! bridges have. A press that was not acknowledged is sent again over the next connection, as the
//! native contract asks; nothing else is ever repeated.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::house::{HUB, PASSWORD};
use super::machine::{now, sleep_until};

/// Connections that 10,000 devices stand behind.
pub const LINES: usize = 50;
const KEEP_ALIVE_S: u16 = 600;
const BEAT_ID: u16 = 60_000;
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// A packet of MQTT: its first byte, the length of the rest, the rest.
fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![first];
    let mut length = body.len();
    loop {
        let low = (length % 128) as u8;
        length /= 128;
        packet.push(if length > 0 { low | 0x80 } else { low });
        if length == 0 {
            break;
        }
    }
    packet.extend_from_slice(body);
    packet
}

fn text(into: &mut Vec<u8>, text: &str) {
    into.extend_from_slice(&(text.len() as u16).to_be_bytes());
    into.extend_from_slice(text.as_bytes());
}

fn connect_packet(line: usize) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, "MQTT");
    body.extend_from_slice(&[4, 0xC2]);
    body.extend_from_slice(&KEEP_ALIVE_S.to_be_bytes());
    text(&mut body, &format!("bench-{line}"));
    text(&mut body, "press");
    text(&mut body, PASSWORD);
    packet(0x10, &body)
}

fn press_packet(device: usize, id: u16) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, &format!("anling/v1/{HUB}/D-{device:05}/event"));
    body.extend_from_slice(&id.to_be_bytes());
    let payload = format!(
        "{{\"v\":1,\"boot\":17,\"seq\":{},\"kind\":\"sos\",\"edge\":\"press\",\"hold_ms\":1200,\
         \"batt_pct\":84,\"rssi\":-71,\"test\":false,\"fw\":\"1.4.2\"}}",
        device + 1
    );
    body.extend_from_slice(payload.as_bytes());
    packet(0x32, &body)
}

/// A heartbeat of any registered device, under an id that no press has.
fn beat_packet(device: usize) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, &format!("anling/v1/{HUB}/D-{device:05}/event"));
    body.extend_from_slice(&BEAT_ID.to_be_bytes());
    let payload = "{\"v\":1,\"boot\":17,\"seq\":1047,\"kind\":\"heartbeat\",\"batt_pct\":84}";
    body.extend_from_slice(payload.as_bytes());
    packet(0x32, &body)
}

struct Line {
    number: usize,
    port: u16,
    out: Mutex<Option<TcpStream>>,
    unanswered: Mutex<BTreeMap<u16, usize>>,
}

struct Shared {
    packets: Vec<Vec<u8>>,
    sent: Vec<AtomicU64>,
    stored: Vec<AtomicU64>,
    closing: AtomicBool,
}

/// All buttons; each is pressed once.
pub struct Buttons {
    lines: Vec<Arc<Line>>,
    shared: Arc<Shared>,
}

impl Buttons {
    /// Connects; device n stands behind line n modulo [`LINES`].
    pub fn connect(port: u16, devices: usize) -> Self {
        let times = || (0..devices).map(|_| AtomicU64::new(0)).collect();
        let packets = (0..devices).map(|n| press_packet(n, id_of(n))).collect();
        let closing = AtomicBool::new(false);
        let shared = Arc::new(Shared { packets, sent: times(), stored: times(), closing });
        let open = |number| {
            let unanswered = Mutex::default();
            let line = Arc::new(Line { number, port, out: Mutex::default(), unanswered });
            let first = line.sign_in().expect("the hub takes the account");
            let (reading, noting) = (Arc::clone(&line), Arc::clone(&shared));
            std::thread::spawn(move || reading.read(first, &noting));
            line
        };
        Self { lines: (0..LINES).map(open).collect(), shared }
    }

    /// Presses devices in order, `rate` a second, in an open loop; tells each number before it goes.
    pub fn press(&self, range: std::ops::Range<usize>, rate: u64, before: impl FnMut(usize)) {
        self.press_each(range, rate, before);
    }

    /// The same with any devices.
    pub fn press_each(
        &self,
        devices: impl Iterator<Item = usize>,
        rate: u64,
        mut before: impl FnMut(usize),
    ) {
        let began = now() + 20_000_000;
        for (n, device) in devices.enumerate() {
            let due = began + n as u64 * 1_000_000_000 / rate;
            let at = sleep_until(due);
            before(device);
            self.shared.sent[device].store(at, Ordering::Release);
            let line = &self.lines[device % LINES];
            line.unanswered.lock().unwrap().insert(id_of(device), device);
            line.send(&self.shared.packets[device]);
        }
    }

    /// Every device of a house says so many times that it lives, `rate` a second; acknowledgements
    /// are passed over.
    pub fn beat(&self, devices: usize, rounds: usize, rate: u64) {
        let began = now();
        for n in 0..devices * rounds {
            sleep_until(began + n as u64 * 1_000_000_000 / rate);
            let device = n % devices;
            self.lines[device % LINES].send(&beat_packet(device));
        }
    }

    /// That many heartbeats at once, of devices behind the first `lines` connections.
    pub fn burst(&self, devices: usize, count: usize, lines: usize) {
        for (number, line) in self.lines[..lines].iter().enumerate() {
            let behind = (number..devices).step_by(LINES).cycle().take(count / lines);
            line.send(&behind.flat_map(beat_packet).collect::<Vec<u8>>());
        }
    }

    /// Presses all of them at once; says when that began.
    pub fn press_all(&self) -> u64 {
        let count = self.shared.packets.len();
        let bundles: Vec<Vec<u8>> = (0..LINES)
            .map(|line| (line..count).step_by(LINES).flat_map(|n| &self.shared.packets[n]))
            .map(|bytes| bytes.copied().collect())
            .collect();
        for device in 0..count {
            let line = &self.lines[device % LINES];
            line.unanswered.lock().unwrap().insert(id_of(device), device);
        }
        let began = now();
        self.shared.sent.iter().for_each(|sent| sent.store(began, Ordering::Release));
        for (line, bundle) in self.lines.iter().zip(&bundles) {
            line.send(bundle);
        }
        began
    }

    /// When a device was pressed.
    pub fn sent(&self, device: usize) -> u64 {
        self.shared.sent[device].load(Ordering::Acquire)
    }

    /// When its press was acknowledged; `None` when it was not.
    pub fn stored(&self, device: usize) -> Option<u64> {
        Some(self.shared.stored[device].load(Ordering::Acquire)).filter(|at| *at > 0)
    }

    /// Presses that nobody has acknowledged.
    pub fn unanswered(&self) -> usize {
        self.lines.iter().map(|line| line.unanswered.lock().unwrap().len()).sum()
    }
}

impl Drop for Buttons {
    fn drop(&mut self) {
        self.shared.closing.store(true, Ordering::Release);
        for line in &self.lines {
            if let Some(out) = line.out.lock().unwrap().take() {
                let _ = out.shutdown(std::net::Shutdown::Both);
            }
        }
    }
}

fn id_of(device: usize) -> u16 {
    (device / LINES + 1) as u16
}

impl Line {
    fn send(&self, bytes: &[u8]) {
        // What does not arrive is sent again when the line is back.
        if let Some(out) = &mut *self.out.lock().unwrap() {
            let _ = out.write_all(bytes);
        }
    }

    fn sign_in(&self) -> std::io::Result<TcpStream> {
        let mut line = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        line.set_nodelay(true)?;
        line.write_all(&connect_packet(self.number))?;
        let mut answer = [0; 4];
        line.read_exact(&mut answer)?;
        if answer[3] != 0 {
            return Err(std::io::ErrorKind::PermissionDenied.into());
        }
        *self.out.lock().unwrap() = Some(line.try_clone()?);
        Ok(line)
    }

    fn read(&self, mut line: TcpStream, shared: &Shared) {
        let mut space = [0; 4096];
        let mut heard = Vec::new();
        loop {
            match line.read(&mut space) {
                Ok(count) if count > 0 => {
                    heard.extend_from_slice(&space[..count]);
                    self.settle(&mut heard, shared);
                    continue;
                }
                _ => {}
            }
            heard.clear();
            *self.out.lock().unwrap() = None;
            line = loop {
                if shared.closing.load(Ordering::Acquire) {
                    return;
                }
                std::thread::sleep(AGAIN_AFTER);
                if let Ok(line) = self.sign_in() {
                    break line;
                }
            };
            let again: Vec<usize> = self.unanswered.lock().unwrap().values().copied().collect();
            for device in again {
                let mut packet = shared.packets[device].clone();
                packet[0] |= 0x08;
                self.send(&packet);
            }
        }
    }

    /// The hub sends acknowledgements only, four bytes each.
    fn settle(&self, heard: &mut Vec<u8>, shared: &Shared) {
        let at = now();
        let whole = heard.len() / 4 * 4;
        for ack in heard[..whole].chunks(4) {
            assert_eq!(ack[..2], [0x40, 2], "not a PUBACK");
            let id = u16::from_be_bytes([ack[2], ack[3]]);
            if let Some(device) = self.unanswered.lock().unwrap().remove(&id) {
                shared.stored[device].store(at, Ordering::Release);
            }
        }
        heard.drain(..whole);
    }
}
