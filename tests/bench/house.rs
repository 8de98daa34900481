//! A hub as its own process, with a house of any size in a folder of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::machine::now;

/// The hub's id in topics.
pub const HUB: &str = "bench";
/// The password of the one account that may press any button.
pub const PASSWORD: &str = "only-for-this-bench";

/// How long a hub may take to be ready or to stop.
const PATIENCE: Duration = Duration::from_secs(120);

const LADDERS: &str = r#"
[ladder.emergency]
rungs = [{ who = ["line:first"], by = ["screen"], wait = "120s" }]
[ladder.coverage]
rungs = [{ who = ["line:lead"], by = ["screen"], wait = "2min" }]
[lead]
who = ["line:lead"]
by = ["screen"]
[second]
who = ["line:first"]
"#;

const ROSTER: &str = r#"
zone = "Asia/Shanghai"
[line.first]
label = "一线"
fallback = ["wangli"]
[line.lead]
label = "负责人"
fallback = ["zhangmin"]
"#;

const DEVICES: &str = r#"
[type.sos-button]
family = "native-mqtt"
label = "紧急按钮"
life_safety = true
"#;

const PEOPLE: &str = "id,name,role,phone,email\n\
    zhangmin,张敏,lead,00000000001,zhangmin@test.example\n\
    wangli,王丽,staff,00000000002,wangli@test.example\n";

/// A house in its folder; the hub runs while this lives.
pub struct House {
    dir: PathBuf,
    pub port: u16,
    child: Option<Child>,
}

/// Writes a config directory with that many devices, one home and resident each.
pub fn furnish(dir: &Path, devices: usize, webhooks: &[(&str, &str)]) -> u16 {
    furnish_homes(dir, devices, devices, webhooks)
}

/// The same with the devices spread over that many homes.
pub fn furnish_homes(dir: &Path, devices: usize, lived_in: usize, hooks: &[(&str, &str)]) -> u16 {
    let config = dir.join("config");
    fs::create_dir_all(config.join("registry")).unwrap();
    fs::create_dir_all(config.join("secrets")).unwrap();
    let put = |name: &str, text: &str| fs::write(config.join(name), text).unwrap();
    let (port, pages) = (free_port(), free_port());
    let state = dir.display();
    put(
        "gateway.toml",
        &format!(
            "[hub]\nid = \"{HUB}\"\nsite = \"试验服务中心\"\n[console]\nlisten = \"127.0.0.1:{pages}\"\n\
             [storage]\nstate = \"{state}/state\"\nsocket = \"{state}/anling.sock\"\n"
        ),
    );
    put(
        "links.toml",
        &format!(
            "[link.broker]\nlisten = \"127.0.0.1:{port}\"\n\
             [link.broker.account.press]\nlocal = true\nsecret = \"mqtt-press\"\n"
        ),
    );
    let mut notify = format!("[screen]\npath = \"{state}/screen\"\n");
    for (name, url) in hooks {
        let _ = write!(
            notify,
            "[webhook.{name}]\nurl = \"{url}\"\nevents = [\"raised\"]\ntime_limit = \"5s\"\n"
        );
    }
    put("notify.toml", &notify);
    put("ladders.toml", LADDERS);
    put("roster.toml", ROSTER);
    put("devices.toml", DEVICES);
    let (mut homes, mut residents, mut rows) = (
        "id,place,short,grid,on_site\n".to_owned(),
        "id,name,born,home,phone,access\n".to_owned(),
        "id,type,heard_as,home,resident,spot\n".to_owned(),
    );
    for n in 0..lived_in {
        let (block, flat) = (n / 100 + 1, n % 100 + 101);
        let _ = writeln!(homes, "H-{n:05},{block}号楼{flat},{block}-{flat},G-{block},no");
        let _ = writeln!(residents, "R-{n:05},王桂芳,1943,H-{n:05},,");
    }
    for n in 0..devices {
        let home = n % lived_in;
        let _ = writeln!(rows, "D-{n:05},sos-button,,H-{home:05},R-{home:05},床头");
    }
    put("registry/homes.csv", &homes);
    put("registry/residents.csv", &residents);
    put("registry/devices.csv", &rows);
    put("registry/people.csv", PEOPLE);
    put("secrets/mqtt-press", PASSWORD);
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(config.join("secrets/mqtt-press"), mode).unwrap();
    port
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Adds a platform to a furnished house.
pub fn add_platform(dir: &Path, table: &str) {
    fs::write(dir.join("config/district.toml"), table).unwrap();
}

impl House {
    /// Furnishes a folder and starts its hub.
    pub fn start(dir: &Path, devices: usize, webhooks: &[(&str, &str)]) -> Self {
        let port = furnish(dir, devices, webhooks);
        let mut house = Self { dir: dir.to_owned(), port, child: None };
        house.run();
        house
    }

    /// A house that is furnished and not yet running.
    pub fn furnished(dir: &Path, port: u16) -> Self {
        Self { dir: dir.to_owned(), port, child: None }
    }

    /// Starts the hub and waits until it says that it is ready; how long that took, in nanoseconds.
    pub fn run(&mut self) -> u64 {
        let path = self.dir.join("notify");
        let _ = fs::remove_file(&path);
        let said = UnixDatagram::bind(&path).unwrap();
        said.set_read_timeout(Some(PATIENCE)).unwrap();
        let log = File::options().create(true).append(true).open(self.dir.join("log")).unwrap();
        let began = now();
        let child = Command::new(env!("CARGO_BIN_EXE_anling"))
            .args(["run", "--host-clock", "--config"])
            .arg(self.dir.join("config"))
            .env("NOTIFY_SOCKET", &path)
            .env_remove("ANLING_LOG")
            .stderr(log)
            .spawn()
            .unwrap();
        self.child = Some(child);
        let mut word = [0; 256];
        loop {
            let count = said.recv(&mut word).unwrap_or_else(|_| {
                panic!("not ready: {}", fs::read_to_string(self.dir.join("log")).unwrap())
            });
            if word[..count].windows(7).any(|part| part == b"READY=1") {
                return now() - began;
            }
        }
    }

    fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends it without a word, as `kill -9` does.
    pub fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let pid = Pid::from_child(&child);
        kill_process(pid, Signal::TERM).unwrap();
        child.wait().unwrap();
    }

    /// A line of `/proc/PID/status` in MiB: `VmRSS`, `VmHWM`.
    pub fn memory(&self, field: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
    }

    /// Bytes it has handed to the disk so far.
    pub fn written(&self) -> u64 {
        let io = fs::read_to_string(format!("/proc/{}/io", self.pid())).unwrap();
        let line = io.lines().find(|line| line.starts_with("write_bytes")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// What a command says that must do as asked.
    pub fn says(&self, args: &[&str]) -> String {
        let mut command = Command::new(env!("CARGO_BIN_EXE_anling"));
        command.arg("--config").arg(self.dir.join("config")).args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Length of the newest snapshot in bytes.
    pub fn newest_snapshot(&self) -> u64 {
        let files = fs::read_dir(self.dir.join("state/journal")).unwrap();
        let names = files.map(|file| file.unwrap().path());
        let of_snapshots = names.filter(|path| path.extension().is_some_and(|e| e == "snapshot"));
        of_snapshots.max().map_or(0, |path| fs::metadata(path).unwrap().len())
    }

    /// Time on a core so far, all threads, in nanoseconds.
    pub fn cpu(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).unwrap();
        let time = |task: fs::DirEntry| {
            let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.filter_map(Result::ok).filter_map(time).sum()
    }

    fn status(&self) -> serde_json::Value {
        serde_json::from_str(&self.says(&["status", "--json"])).unwrap()
    }

    /// How many events are owed to the first endpoint.
    pub fn owed(&self) -> usize {
        self.status()["endpoints"][0]["owed"].as_u64().unwrap() as usize
    }

    /// Whether the archive has read all there is.
    pub fn is_archived(&self) -> bool {
        self.status()["archive"]["state"] == "level"
    }

    /// Lines on the duty room's screen.
    pub fn screen_lines(&self) -> usize {
        let text = fs::read(self.dir.join("screen")).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if self.child.is_some() {
            self.kill();
        }
    }
}
