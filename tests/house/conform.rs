//! `anling conform` against the compiled example, against examples that each break one clause, and
//! against a device on a broker.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anling::clock::Stopwatch;
use rumqttc::{Packet, QoS};
use rustix::process::{Pid, Signal, kill_process};

use crate::devices::Device;
use crate::hub::{anling, tool};
use crate::line::plugged;
use crate::mosquitto::Mosquitto;

/// The compiled example on a line, pressed by signals.
struct Examined {
    child: Child,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

impl Examined {
    fn plugged(broken: Option<&str>) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let contract = root.join("firmware-contracts/native-serial/v1");
        let dir = tempfile::tempdir().unwrap();
        let binary = dir.path().join("button");
        let mut cc = tool("cc", "gcc");
        cc.args(["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-I"]);
        cc.arg(&contract).arg("-o").arg(&binary);
        cc.args(broken.map(|clause| format!("-DBROKEN_{clause}")));
        cc.arg(root.join("tests/firmware/button_examined.c"));
        let built =
            cc.args([contract.join("codec.c"), contract.join("button.c")]).output().unwrap();
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let path = dir.path().join("line");
        let end = plugged(&path);
        let mut command = Command::new(binary);
        command.args(["00A1B2C3", "17"]);
        command.stdin(Stdio::from(end.try_clone().unwrap())).stdout(Stdio::from(end));
        Self { child: command.spawn().unwrap(), path, _dir: dir }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Examined {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs an examination and does what it asks for; its exit code, and all it said.
fn examined(
    args: &[&str],
    mut press: impl FnMut(),
    mut restart: impl FnMut(),
) -> (i32, String, String) {
    let mut command = anling();
    command.arg("conform").args(args).args(["--within", "10s"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        match line.as_str() {
            "Press its call key once." | "Press it once more." => press(),
            "Take its battery out, put it back, and press it once." => restart(),
            _ => {}
        }
        said.push_str(&(line + "\n"));
    }
    let output = child.wait_with_output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap_or(-1), said, err)
}

fn on_line(broken: Option<&str>) -> (i32, String, String) {
    let device = Examined::plugged(broken);
    let path = device.path.display().to_string();
    examined(&[&path], || device.signal(Signal::USR1), || device.signal(Signal::USR2))
}

#[test]
fn the_compiled_example_keeps_every_clause() {
    let (code, said, err) = on_line(None);
    assert_eq!(code, 0, "{said}{err}");
    assert!(said.ends_with("11 passed, 0 failed, 0 not seen\n"), "{said}");
}

#[test]
fn a_button_that_breaks_a_clause_fails_with_that_clause_named() {
    let broken = [
        ("REPEAT", "repeats-unanswered"),
        ("ANY", "passes-over-others"),
        ("NUMBER", "new-press-new-number"),
        ("BOOT", "restart-raises-boot"),
        ("BATTERY", "says-its-battery"),
    ];
    std::thread::scope(|scope| {
        for (broken, clause) in broken {
            scope.spawn(move || {
                let (code, said, err) = on_line(Some(broken));
                assert_eq!(code, 1, "{broken}: {said}{err}");
                assert!(said.contains(&format!("FAIL  {clause} ")), "{broken}: {said}");
                assert!(err.contains(clause), "{broken}: {err}");
                assert_eq!(said.matches("FAIL").count(), 1, "{broken}: {said}");
            });
        }
    });
}

/// A device on a broker: sends, repeats after the contract's pauses, and stops when it is answered.
fn speaks(port: u16, boot: u32, seq: u32, over: &AtomicBool) {
    let device = Device::connect(port, "B-77", &format!("conform-{boot}-{seq}")).unwrap();
    device.listen("anling/v1/zs-yunjian/B-77/cmd");
    let event = format!(
        "{{\"v\":1,\"boot\":{boot},\"seq\":{seq},\"kind\":\"sos\",\"edge\":\"press\",\"batt_pct\":84}}"
    );
    let wanted = [format!("\"boot\":{boot},"), format!("\"ack\":{seq},")];
    for pause in [2, 4, 8, 16] {
        device.send("anling/v1/zs-yunjian/B-77/event", event.clone());
        let waited = Stopwatch::start();
        while let Some(left) = Duration::from_secs(pause).checked_sub(waited.elapsed()) {
            if over.load(Ordering::Acquire) {
                return;
            }
            let heard = device.next(left.min(Duration::from_millis(100)));
            let Some(Packet::Publish(publish)) = heard else { continue };
            let text = String::from_utf8(publish.payload.to_vec()).unwrap();
            if publish.qos == QoS::AtLeastOnce && wanted.iter().all(|part| text.contains(part)) {
                return;
            }
        }
    }
}

#[test]
fn a_device_on_a_broker_is_examined_by_the_same_clauses() {
    let broker = Mosquitto::open("");
    let (port, over) = (broker.port, AtomicBool::new(false));
    let at = format!("mqtt://127.0.0.1:{port}/zs-yunjian");
    let (code, said, err) = std::thread::scope(|scope| {
        let mut presses = 0;
        let over = &over;
        let result = examined(
            &[&at],
            || {
                presses += 1;
                let seq = presses;
                scope.spawn(move || speaks(port, 17, seq, over));
            },
            || drop(scope.spawn(move || speaks(port, 18, 1, over))),
        );
        over.store(true, Ordering::Release);
        result
    });
    assert_eq!(code, 0, "{said}{err}");
    assert!(said.ends_with("10 passed, 0 failed, 1 not seen\n"), "{said}");
    assert!(said.contains("receiver-is-alive") && said.contains("no receiver"), "{said}");
}

#[test]
fn what_cannot_be_examined_is_said_with_what_to_do() {
    for (args, code, part) in [
        (&["/dev/serial/by-id/nothing"][..], 1, "stop the hub that reads it"),
        (&["mqtt://127.0.0.1/zs-yunjian"], 2, "mqtt://HOST:PORT/HUB"),
        (&["mqtt://127.0.0.1:1/zs-yunjian"], 1, "no broker lets us listen at 127.0.0.1:1"),
    ] {
        let (is, _, err) = examined(args, || {}, || {});
        assert_eq!((is, err.contains(part)), (code, true), "{args:?}: {err}");
    }
}
