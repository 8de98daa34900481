//! A hub as it is installed: the shipped config in a folder of its own, the real binary, its log.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anling::clock::Stopwatch;
use anling::journal::{Disk, OsDisk};
use serde_json::Value;
use tempfile::TempDir;

/// No step of these tests takes this long unless something hangs.
pub const HANG_GUARD: Duration = Duration::from_secs(30);
/// The hub's id in the shipped config.
pub const HUB: &str = "zs-yunjian";
const ACCOUNTS: [&str; 8] =
    ["zigbee2mqtt", "press", "B-01", "B-02", "B-03", "B-04", "B-05", "C-01"];

/// Everybody stands where the tests look for them, at every hour of the week.
const ROSTER: &str = r#"zone = "Asia/Shanghai"
night = "03:00-03:01"
work = "00:00-24:00"
[line.first]
label = "一线"
fallback = ["wangli"]
[line.second]
label = "二线"
fallback = ["wangli"]
[line.lead]
label = "负责人"
fallback = ["wangli"]
[line.technician]
label = "技术员"
fallback = ["zhaogang"]
"#;
const LINES: [(&str, &str); 4] = [
    ("first", "zhangmin"),
    ("second", "chenjie"),
    ("lead", "liuqiang"),
    ("technician", "zhaogang"),
];

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// A hub: its folder, and the process while it runs.
pub struct Hub {
    dir: TempDir,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
    screen: Arc<Mutex<String>>,
    /// What runs it: `sh -c …`, `faketime …`; the binary and its arguments follow.
    pub under: Vec<String>,
    pub env: Vec<(String, String)>,
    pub args: Vec<String>,
}

/// Waits until `look` gives something; fails with a sentence instead of hanging.
pub fn soon<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let waited = Stopwatch::start();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(waited.elapsed() < HANG_GUARD, "{what} did not happen in {HANG_GUARD:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Runs a program of a Debian package, or says which package is missing.
pub fn tool(name: &str, package: &str) -> Command {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(name).is_file()));
    assert!(found, "this test needs {name}: install the Debian package {package}");
    Command::new(name)
}

pub fn anling() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anling"));
    command.env_remove("ANLING_LOG").env_remove("CREDENTIALS_DIRECTORY").env("NO_COLOR", "1");
    command.env("COLUMNS", "100");
    command
}

fn said(mut command: Command) -> Said {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

/// Runs a command that needs no hub.
pub fn run(args: &[&str]) -> Said {
    let mut command = anling();
    command.args(args);
    said(command)
}

impl Hub {
    /// The shipped config with its paths and ports moved into a folder; nothing runs yet.
    pub fn prepared() -> Self {
        let dir = tempfile::Builder::new().prefix("anling-house-").tempdir().unwrap();
        let hub = Self {
            dir,
            child: None,
            log: Arc::default(),
            screen: Arc::default(),
            under: Vec::new(),
            env: Vec::new(),
            args: vec!["--host-clock".into()],
        };
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config"), &hub.config());
        std::fs::create_dir(hub.state()).unwrap();
        let state = hub.state().display().to_string();
        hub.edit("gateway.toml", "/var/lib/anling", &state);
        hub.edit(
            "gateway.toml",
            "/run/anling/anling.sock",
            &hub.path("sock").display().to_string(),
        );
        hub.edit("gateway.toml", "127.0.0.1:7580", "127.0.0.1:0");
        hub.edit("gateway.toml", "ballast = \"32MiB\"", "ballast = \"4MiB\"");
        hub.edit("gateway.toml", "min_free = \"64MiB\"", "min_free = \"16MiB\"");
        hub.edit("links.toml", "0.0.0.0:1883", "127.0.0.1:0");
        let mut roster = ROSTER.to_owned();
        for (line, person) in LINES {
            roster.push_str(&format!(
                "[rule.{line}]\nline = \"{line}\"\nhours = \"00:00-24:00\"\npeople = [\"{person}\"]\n\
                 days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n"
            ));
        }
        std::fs::write(hub.config().join("roster.toml"), roster).unwrap();
        for account in ACCOUNTS {
            hub.secret(&format!("mqtt-{account}"), &password(account));
        }
        hub
    }

    /// The same, running.
    pub fn open() -> Self {
        let mut hub = Self::prepared();
        hub.start();
        hub
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config")
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub fn journal(&self) -> PathBuf {
        self.state().join("journal")
    }

    pub fn secret(&self, name: &str, value: &str) {
        use std::os::unix::fs::PermissionsExt;
        let dir = self.config().join("secrets");
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::set_permissions(&dir, PermissionsExt::from_mode(0o700)).unwrap();
        let path = dir.join(name);
        std::fs::write(&path, value).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o600)).unwrap();
    }

    /// Replaces every `from` in a config file; there must be one.
    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.config().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} does not contain {from:?}");
        std::fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn append(&self, file: &str, text: &str) {
        let path = self.config().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, before + text).unwrap();
    }

    /// Every step of an emergency and of the hub's own alarms waits so long.
    pub fn steps(&self, wait: &str) {
        self.edit("ladders.toml", "wait = \"60s\"", &format!("wait = \"{wait}\""));
    }

    /// People are called by mail as well.
    pub fn with_mail(&self, port: u16) {
        self.edit("ladders.toml", "by = [\"screen\"]", "by = [\"screen\", \"mail\"]");
        self.append(
            "notify.toml",
            &format!(
                "\n[mail]\nfrom = \"anling@yunjian.example\"\n[mail.relay.local]\n\
                 host = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\n"
            ),
        );
    }

    /// Another system is told everything.
    pub fn with_webhook(&self, name: &str, url: &str) {
        self.append(
            "notify.toml",
            &format!("\n[webhook.{name}]\nurl = \"{url}\"\ntime_limit = \"2s\"\n"),
        );
    }

    /// Starts the process and waits until it answers.
    pub fn start(&mut self) {
        self.spawn();
        self.answers();
    }

    pub fn spawn(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let binary = env!("CARGO_BIN_EXE_anling").to_owned();
        let mut words = self.under.clone();
        words.push(binary);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("run").arg("--config").arg(self.config()).args(&self.args);
        command.env_remove("ANLING_LOG").env_remove("CREDENTIALS_DIRECTORY");
        command.envs(self.env.iter().cloned());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.log.lock().unwrap().clear();
        let mut child = command.spawn().unwrap();
        collect(child.stdout.take().unwrap(), &self.screen);
        collect(child.stderr.take().unwrap(), &self.log);
        self.child = Some(child);
    }

    /// Waits until the hub answers a command.
    pub fn answers(&mut self) {
        soon("an answer of the hub", || {
            let child = self.child.as_mut().unwrap();
            if let Some(ended) = child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(100));
                panic!("the hub ended with {ended}:\n{}", self.log());
            }
            (self.log().contains("ready broker") && self.cli(&["status"]).code == 0).then_some(())
        });
    }

    pub fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "cannot signal {pid}");
    }

    /// SIGKILL: what a power cut is to a process.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// SIGTERM; the exit code.
    pub fn stop(&mut self) -> i32 {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the end; the exit code.
    pub fn ended(&mut self) -> i32 {
        let mut child = self.child.take().unwrap();
        let ended = soon("the end of the hub", || child.try_wait().unwrap());
        std::thread::sleep(Duration::from_millis(50));
        ended.code().unwrap_or(-1)
    }

    /// What it logged since its last start.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// What stood on the duty room's screen, all starts together.
    pub fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits for a line on the screen that contains all of these.
    pub fn screen_says(&self, parts: &[&str]) -> String {
        soon(&format!("{parts:?} on the screen {:?}", self.screen()), || {
            let screen = self.screen();
            let mut lines = screen.lines();
            lines.find(|line| parts.iter().all(|part| line.contains(part))).map(str::to_owned)
        })
    }

    pub fn cli(&self, args: &[&str]) -> Said {
        let mut command = anling();
        command.arg("--config").arg(self.config()).args(args);
        said(command)
    }

    /// A command that must do as asked; what it printed.
    pub fn does(&self, args: &[&str]) -> String {
        let said = self.cli(args);
        assert_eq!(said.code, 0, "{args:?}: {said:?}\n{}", self.log());
        said.out
    }

    pub fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.does(args)).unwrap()
    }

    pub fn status(&self) -> Value {
        self.json(&["status", "--json"])
    }

    /// All incidents in memory.
    pub fn incidents(&self) -> Vec<Value> {
        self.json(&["incidents", "--all", "--json"]).as_array().unwrap().clone()
    }

    /// The open incidents of a device, newest last.
    pub fn open_on(&self, device: &str) -> Vec<Value> {
        let all = self.json(&["incidents", "--json"]);
        let of = |i: &&Value| i["device"] == device;
        all.as_array().unwrap().iter().filter(of).cloned().collect()
    }

    pub fn incident(&self, code: &str) -> Value {
        self.json(&["incident", code, "--json"])
    }

    /// A person says something about an incident.
    pub fn says(&self, code: &str, person: &str, words: &[&str]) -> Said {
        let mut args = vec!["incident", code];
        args.extend(words);
        args.extend(["--as", person]);
        self.cli(&args)
    }

    pub fn broker_port(&self) -> u16 {
        port_after(&self.log(), "broker=Some(127.0.0.1:")
    }

    pub fn console_port(&self) -> u16 {
        port_after(&self.log(), "console=Some(127.0.0.1:")
    }

    /// The facts of one name, in order.
    pub fn facts(&self, name: &str) -> Vec<Value> {
        let tail = self.does(&["journal", "tail", "-n", "1000000"]);
        let bodies = tail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        bodies.filter_map(|line| line["body"]["fact"].get(name).cloned()).collect()
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the hub ---\n{}\n--- screen ---\n{}", self.log(), self.screen());
        }
    }
}

/// Waits until nobody holds the record of a folder that this process wrote: its writer goes on after its
/// last handle has gone, and a program that another test is just starting may hold the folder until it
/// is another's.
pub fn let_go(journal: &Path) {
    soon("the record to be let go", || OsDisk.lock_dir(journal).unwrap().map(drop));
}

pub fn password(account: &str) -> String {
    format!("pw-{account}")
}

fn port_after(log: &str, mark: &str) -> u16 {
    let at = log.find(mark).unwrap_or_else(|| panic!("no {mark} in\n{log}")) + mark.len();
    let digits: String = log[at..].chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut lines = BufReader::new(from);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}

/// A folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
