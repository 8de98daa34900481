//! A district that was away: how fast it is told what it is owed, and what a press feels of that.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anling::terms::EndpointId;
use rcgen::{CertificateParams, KeyPair};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Run;
use super::buttons::Buttons;
use super::house::{House, add_platform, furnish};
use super::machine::{ms, now, percentile};
use super::past;
use super::table::Table;

/// Presses a second while the backlog goes out, and in the quiet afterwards.
const RATE: u64 = 50;
/// Presses before anything counts.
const WARM_UP: usize = 50;
const SETTLE: Duration = Duration::from_secs(4);
/// How often the hub is asked what it owes.
const ASK_EVERY: Duration = Duration::from_millis(250);
const PATIENCE: Duration = Duration::from_secs(300);
/// Devices in the house: more than presses in both phases.
const DEVICES: usize = 6_000;

/// What a district is while it runs.
trait District {
    /// The platform's table in the config.
    fn table(&self) -> String;
    /// From now on it is there.
    fn returns(&mut self);
}

pub fn measure(run: &Run, table: &mut Table) {
    let dir = run.dir.join("district-mqtt");
    drain(run, table, (&dir, "MQTT", "≥ 5000/s"), &mut Mosquitto::in_folder(&run.dir));
    let dir = run.dir.join("district-https");
    drain(run, table, (&dir, "HTTPS", "≥ 1000/s"), &mut Server::in_folder(&run.dir));
}

fn drain(
    run: &Run,
    table: &mut Table,
    (dir, name, goal): (&Path, &str, &str),
    district: &mut impl District,
) {
    let port = furnish(dir, DEVICES, &[]);
    add_platform(dir, &district.table());
    let platform = EndpointId::new("county").unwrap();
    let owed = past::write_owing(dir, &platform, run.pick(99_000, 20_000), DEVICES);
    let screen = Screen::at(&dir.join("screen"));
    let mut house = House::furnished(dir, port);
    house.run();
    let buttons = Buttons::connect(house.port, DEVICES);
    // A hub that finds another's record makes its archive and a snapshot first.
    while !house.is_archived() {
        std::thread::sleep(ASK_EVERY);
    }
    buttons.press(0..WARM_UP, RATE, |_| {});
    std::thread::sleep(SETTLE);

    district.returns();
    let (began, left) = wait(|| house.owed(), owed - 1);
    let (ended, next) = std::thread::scope(|scope| {
        let presses = scope.spawn(|| {
            let mut next = WARM_UP;
            while !screen.is_over() && next + RATE as usize <= DEVICES / 2 {
                buttons.press(next..next + RATE as usize / 2, RATE, |_| {});
                next += RATE as usize / 2;
            }
            next
        });
        let (ended, _) = wait(|| house.owed(), OWED_QUIET);
        screen.end();
        (ended, presses.join().unwrap())
    });
    let rate = left as f64 / ((ended - began) as f64 / 1e9).max(0.001);
    let says = format!("district over {name}: of {owed} owed events drained");
    table.row(&says, &format!("{rate:.0}/s"), goal);
    std::thread::sleep(SETTLE);
    let busy = shape(&screen, &buttons, WARM_UP..next);
    let count = next - WARM_UP;
    let quiet = next..(next + count).min(DEVICES);
    std::thread::scope(|scope| {
        let presses = scope.spawn(|| buttons.press(quiet.clone(), RATE, |_| {}));
        // Asked as often as before, since that is work for the hub.
        while !presses.is_finished() {
            let _asked = house.owed();
            std::thread::sleep(ASK_EVERY);
        }
    });
    std::thread::sleep(Duration::from_secs(1));
    let quiet = shape(&screen, &buttons, quiet);
    let says = format!("district over {name}: press → screen meanwhile, p99 of {count}");
    table.beside(&says, (busy, quiet), "ms", "≤ 1.5 × quiet");
    house.stop();
}

/// Presses go on while the backlog does, so a few events are always owed.
const OWED_QUIET: usize = 200;

/// Waits until no more than `most` are owed; when that was seen, and how many were.
fn wait(owed: impl Fn() -> usize, most: usize) -> (u64, usize) {
    let end = now() + PATIENCE.as_nanos() as u64;
    loop {
        let (left, at) = (owed(), now());
        if left <= most {
            return (at, left);
        }
        assert!(at < end, "{left} are still owed after {PATIENCE:?}");
        std::thread::sleep(ASK_EVERY);
    }
}

fn shape(screen: &Screen, buttons: &Buttons, range: std::ops::Range<usize>) -> f64 {
    let heard = screen.heard.lock().unwrap();
    let mut took: Vec<u64> = range
        .filter_map(|device| Some(heard[device]?.saturating_sub(buttons.sent(device))))
        .collect();
    ms(percentile(&mut took, 99.0))
}

/// The duty room's screen as a pipe: when the first line about each device came.
struct Screen {
    heard: Arc<Mutex<Vec<Option<u64>>>>,
    over: std::sync::atomic::AtomicBool,
}

impl Screen {
    fn at(path: &Path) -> Self {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let heard = Arc::new(Mutex::new(vec![None; DEVICES]));
        let (noting, path) = (Arc::clone(&heard), path.to_owned());
        std::thread::spawn(move || {
            // Read and write, so that the end of one writer is not the end of it.
            let pipe = File::options().read(true).write(true).open(path).unwrap();
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let at = now();
                if let Some(device) = device_in(&line) {
                    noting.lock().unwrap()[device].get_or_insert(at);
                }
            }
        });
        Self { heard, over: Default::default() }
    }

    fn end(&self) {
        self.over.store(true, std::sync::atomic::Ordering::Release);
    }

    fn is_over(&self) -> bool {
        self.over.load(std::sync::atomic::Ordering::Acquire)
    }
}

/// The device of a line, by its home's place: `3号楼107` is number 206.
fn device_in(line: &str) -> Option<usize> {
    let (before, after) = line.split_once("号楼")?;
    let digits = before.len() - before.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let block: usize = before[before.len() - digits..].parse().ok()?;
    let flat: String = after.chars().take(3).collect();
    let flat: usize = flat.parse().ok()?;
    ((block - 1) * 100 + flat.checked_sub(101)?).into()
}

/// The district's mosquitto, on a free port.
struct Mosquitto {
    conf: std::path::PathBuf,
    port: u16,
    child: Option<Child>,
}

impl Mosquitto {
    fn in_folder(dir: &Path) -> Self {
        let port = free_port();
        let conf = dir.join("mosquitto.conf");
        let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n");
        std::fs::write(&conf, text).unwrap();
        Self { conf, port, child: None }
    }
}

impl District for Mosquitto {
    fn table(&self) -> String {
        format!("[platform.county.mqtt]\nhost = \"127.0.0.1\"\nport = {}\n", self.port)
    }

    fn returns(&mut self) {
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(&self.conf).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().expect("install the Debian package mosquitto"));
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// An HTTPS server that takes everything, one thread a connection.
struct Server {
    port: u16,
    ca: std::path::PathBuf,
    config: Arc<ServerConfig>,
}

impl Server {
    fn in_folder(dir: &Path) -> Self {
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let key = KeyPair::generate().unwrap();
        let cert = params.self_signed(&key).unwrap();
        let ca = dir.join("platform.crt");
        std::fs::write(&ca, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self { port: free_port(), ca, config: Arc::new(config) }
    }
}

impl District for Server {
    fn table(&self) -> String {
        let (port, ca) = (self.port, self.ca.display());
        format!(
            "[platform.county.https]\nurl = \"https://localhost:{port}/\"\nca_file = \"{ca}\"\n"
        )
    }

    fn returns(&mut self) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let config = Arc::clone(&self.config);
        std::thread::spawn(move || {
            for caller in listener.incoming().map_while(Result::ok) {
                let config = Arc::clone(&config);
                std::thread::spawn(move || take_all(caller, config));
            }
        });
    }
}

/// Reads requests to their ends and answers each; returns with the connection.
fn take_all(caller: TcpStream, config: Arc<ServerConfig>) {
    let _ = caller.set_nodelay(true);
    let mut line = StreamOwned::new(ServerConnection::new(config).unwrap(), caller);
    let (mut bytes, mut space) = (Vec::new(), [0; 64 * 1024]);
    loop {
        let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
        let length = head.and_then(|head| {
            let text = std::str::from_utf8(&bytes[..head]).ok()?.to_ascii_lowercase();
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            line.map(|body: usize| head + body)
        });
        if let Some(length) = length.filter(|length| bytes.len() >= *length) {
            bytes.drain(..length);
            if line.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").is_err() {
                return;
            }
            continue;
        }
        match line.read(&mut space) {
            Ok(count) if count > 0 => bytes.extend_from_slice(&space[..count]),
            _ => return,
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}
