//! A mosquitto of a test's own, beside the hub, as a site may run one: on a free port, with settings
//! of its own, never the system's service.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::hub::{Hub, soon, tool};

/// A broker that can be killed and started again on its port.
pub struct Mosquitto {
    dir: tempfile::TempDir,
    pub port: u16,
    child: Option<Child>,
}

fn binary() -> PathBuf {
    let sbin = PathBuf::from("/usr/sbin/mosquitto");
    assert!(sbin.is_file(), "this test needs mosquitto: install the Debian package mosquitto");
    sbin
}

impl Mosquitto {
    /// Runs one with these lines in its settings.
    pub fn open(settings: &str) -> Self {
        let dir = tempfile::Builder::new().prefix("anling-mosquitto-").tempdir().unwrap();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = free.local_addr().unwrap().port();
        drop(free);
        let place = dir.path().display();
        // `user root` keeps a test that root runs from becoming a user who cannot read the folder.
        let text = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\nuser root\nsys_interval 1\n\
             persistence_location {place}/\n{settings}\n"
        );
        std::fs::write(dir.path().join("mosquitto.conf"), text).unwrap();
        let mut broker = Self { dir, port, child: None };
        broker.start();
        broker
    }

    pub fn conf(&self) -> PathBuf {
        self.dir.path().join("mosquitto.conf")
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) {
        let mut command = Command::new(binary());
        command.arg("-c").arg(self.conf());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn().unwrap());
        soon("a listening mosquitto", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok().map(drop)
        });
    }

    /// SIGKILL: it writes nothing down.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Reads its access rules anew: SIGHUP.
    pub fn rereads(&self) {
        let child = self.child.as_ref().unwrap();
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    }

    /// The hub hears it, with these further lines in its table.
    pub fn heard_by(&self, hub: &Hub, more: &str) {
        let port = self.port;
        hub.append(
            "links.toml",
            &format!("\n[link.mqtt.home]\nhost = \"127.0.0.1\"\nport = {port}\n{more}\n"),
        );
    }

    /// Says something, by `mosquitto_pub`.
    pub fn says(&self, topic: &str, payload: &str, more: &[&str]) {
        let port = self.port.to_string();
        let mut command = tool("mosquitto_pub", "mosquitto-clients");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-m", payload]);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Says so many MiB that mean nothing.
    pub fn says_a_film(&self, topic: &str, mib: usize, more: &[&str]) {
        let film = self.dir.path().join("film");
        std::fs::write(&film, vec![b'x'; mib << 20]).unwrap();
        let port = self.port.to_string();
        let mut command = tool("mosquitto_pub", "mosquitto-clients");
        command.args(["-h", "127.0.0.1", "-p", &port, "-q", "1", "-t", topic, "-f"]).arg(&film);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits until the hub hears the broker, for the `times`th time since its start.
pub fn heard(hub: &Hub, times: usize) {
    soon("the broker heard", || {
        let log = hub.log();
        (log.matches("the outside broker is heard").count() >= times).then_some(())
    });
    std::thread::sleep(Duration::from_millis(20));
}
