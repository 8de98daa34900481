//! The hub as a service: what the shipped unit may, and what the service manager is told.

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::hub::{HANG_GUARD, Hub, run, soon, tool};

/// What `systemd-analyze security` may say at most, in tenths.
const EXPOSURE_MAX: &str = "20";

/// The shipped unit with the binary that was just built.
fn unit(dir: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/anling.service");
    let text = std::fs::read_to_string(shipped).unwrap();
    assert!(text.contains("/usr/bin/anling "), "{text}");
    let path = dir.join("anling.service");
    std::fs::write(
        &path,
        text.replace("/usr/bin/anling ", &format!("{} ", env!("CARGO_BIN_EXE_anling"))),
    )
    .unwrap();
    path
}

fn analyze(args: &[&str], unit: &Path) -> (bool, String) {
    let output = tool("systemd-analyze", "systemd").args(args).arg(unit).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout) + &text(output.stderr))
}

#[test]
fn the_unit_is_one_that_systemd_understands_and_may_little() {
    let dir = tempfile::tempdir().unwrap();
    let unit = unit(dir.path());
    let (good, said) = analyze(&["verify", "--man=no"], &unit);
    assert!(good && said.trim().is_empty(), "{said}");
    let threshold = format!("--threshold={EXPOSURE_MAX}");
    let (good, said) = analyze(&["security", "--offline=true", "--no-pager", &threshold], &unit);
    assert!(good, "{said}");
}

#[test]
fn the_unit_waits_longer_for_a_stop_than_the_hub_takes() {
    let dir = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(unit(dir.path())).unwrap();
    let seconds = |key: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.parse().unwrap()
    };
    // An orderly stop takes 10 s at most, the hub's own watchdog 30 s.
    assert!(seconds("TimeoutStopSec=") > 10);
    assert!(seconds("WatchdogSec=") > 30);
    assert!(seconds("LimitNOFILE=") >= 32_768);
    assert_eq!(run(&["run", "--help"]).code, 0, "the unit's command is one");
}

/// What the service manager hears.
struct Manager(UnixDatagram);

impl Manager {
    fn over(hub: &mut Hub, watchdog: Duration, log: &str) -> Self {
        // The process is named, as systemd does.
        let script = format!("WATCHDOG_PID=$$ exec \"$0\" \"$@\" {log}");
        hub.under = vec!["sh".into(), "-c".into(), script];
        let path = hub.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        hub.env.push(("NOTIFY_SOCKET".into(), path.display().to_string()));
        hub.env.push(("WATCHDOG_USEC".into(), watchdog.as_micros().to_string()));
        Self(socket)
    }

    /// The next word, if one comes in time.
    fn next(&self, within: Duration) -> Option<String> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut bytes = [0; 1024];
        let count = self.0.recv(&mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes[..count]).into_owned())
    }

    /// Waits for a word; those before it.
    fn hears(&self, wanted: &str) -> String {
        soon(wanted, || self.next(HANG_GUARD).filter(|word| word.contains(wanted)))
    }
}

#[test]
fn the_manager_hears_ready_life_reload_and_stop() {
    let mut hub = Hub::prepared();
    let manager = Manager::over(&mut hub, Duration::from_secs(2), "");
    hub.start();
    manager.hears("READY=1");
    for _ in 0..3 {
        manager.hears("WATCHDOG=1");
    }
    hub.signal("HUP");
    let began = manager.hears("RELOADING=1");
    assert!(began.contains("MONOTONIC_USEC="), "{began}");
    manager.hears("READY=1");
    hub.edit("ladders.toml", "line:second", "line:secnd");
    hub.signal("HUP");
    manager.hears("RELOADING=1");
    manager.hears("READY=1");
    hub.signal("TERM");
    manager.hears("STOPPING=1");
    assert_eq!(hub.ended(), 0);
}
