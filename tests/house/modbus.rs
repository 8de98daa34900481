//! Nurse-call panels on a polled line: the real binary, pseudo-terminals, and pymodbus as the panels.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::hub::{Hub, soon};
use crate::line::plugged;

/// Where Debian's python3-pymodbus and python3-serial-asyncio lie.
const PACKAGES: [(&str, &str); 2] = [
    ("/usr/lib/python3/dist-packages/pymodbus", "python3-pymodbus"),
    ("/usr/lib/python3/dist-packages/serial_asyncio", "python3-serial-asyncio"),
];

/// Panels on one line. Dropping them pulls the plug.
struct Panels {
    child: Child,
    says: ChildStdin,
    hears: BufReader<ChildStdout>,
    over: Arc<AtomicBool>,
    wires: Vec<JoinHandle<()>>,
}

impl Panels {
    /// Plugs panels in under this name.
    fn plug(path: &Path, slaves: &[u8]) -> Self {
        for (file, package) in PACKAGES {
            let is_there = Path::new(file).exists();
            assert!(is_there, "this test needs the Debian package {package}");
        }
        let far = path.with_extension("far");
        let (near_end, far_end) = (plugged(path), plugged(&far));
        let over = Arc::new(AtomicBool::new(false));
        let wire = |from: &File, to: &File| {
            let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
            rustix::fs::fcntl_setfl(&from, rustix::fs::OFlags::NONBLOCK).unwrap();
            let until = Arc::clone(&over);
            std::thread::spawn(move || {
                let mut space = [0; 256];
                while !until.load(Ordering::Acquire) {
                    match from.read(&mut space) {
                        Ok(count) => drop(to.write_all(&space[..count])),
                        Err(_) => std::thread::sleep(Duration::from_millis(1)),
                    }
                }
            })
        };
        let wires = vec![wire(&near_end, &far_end), wire(&far_end, &near_end)];
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/panel.py");
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script).arg(&far).args(slaves.iter().map(u8::to_string));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let says = child.stdin.take().unwrap();
        let hears = BufReader::new(child.stdout.take().unwrap());
        let mut panels = Self { child, says, hears, over, wires };
        assert_eq!(panels.answer(), "ready");
        panels
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.hears.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn does(&mut self, words: &str) -> String {
        writeln!(self.says, "{words}").unwrap();
        self.answer()
    }

    fn call(&mut self, slave: u8, address: u16, on: bool) {
        self.does(&format!("input {slave} {address} {}", u8::from(on)));
    }

    fn lamp(&mut self, slave: u8, coil: u16, on: bool) {
        let wanted = u8::from(on).to_string();
        soon(&format!("lamp {coil} of panel {slave} at {wanted}"), || {
            (self.does(&format!("coil {slave} {coil}")) == wanted).then_some(())
        });
    }
}

impl Drop for Panels {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.over.store(true, Ordering::Release);
        for wire in self.wires.drain(..) {
            let _ = wire.join();
        }
    }
}

const TYPE: &str = r#"
[type.bed-call]
family = "modbus"
label = "床头呼叫"
life_safety = true
"#;

const LINE: &str = r#"
poll = "200ms"
[link.modbus.ward.point.301-bed]
slave = 1
table = "inputs"
address = 2
means = "sos"
lamp = 2
[link.modbus.ward.point.301-bath]
slave = 1
table = "inputs"
address = 3
means = "sos"
lamp = 2
[link.modbus.ward.point.301-leak]
slave = 1
table = "inputs"
address = 9
means = "water"
[link.modbus.ward.point.302-bed]
slave = 2
table = "inputs"
address = 2
means = "sos"
lamp = 3
[link.modbus.ward.panel.second]
slave = 2
label = "三楼护理站"
"#;

const DEVICES: &str = "M-1,bed-call,ward/301-bed,H-3-2-302,R0003,床头\n\
                       M-2,bed-call,ward/301-bath,H-3-2-302,R0003,卫生间\n\
                       M-3,bed-call,ward/301-leak,,,\n\
                       M-4,bed-call,ward/302-bed,,,\n";

/// A hub with the line `ward`; nothing runs or is plugged in yet.
fn house() -> (Hub, std::path::PathBuf) {
    let hub = Hub::prepared();
    let path = hub.path("usb-ward");
    hub.append("links.toml", &format!("\n[link.modbus.ward]\npath = \"{}\"{LINE}", path.display()));
    hub.append("devices.toml", TYPE);
    hub.append("registry/devices.csv", DEVICES);
    (hub, path)
}

fn answer(hub: &Hub, panels: usize) {
    let all = || hub.log().matches("the panel answers").count() >= panels;
    soon("panels that answer", || all().then_some(()));
}

fn open(hub: &Hub, device: &str, kind: &str) -> Value {
    soon(&format!("{kind} on {device}"), || {
        hub.open_on(device).into_iter().find(|incident| incident["kind"] == kind)
    })
}

fn code(incident: &Value) -> String {
    incident["code"].as_str().unwrap().to_owned()
}

/// The troubles of a panel in their order: whether it was lost.
fn troubles(hub: &Hub, subject: &str) -> Vec<bool> {
    let troubles = hub.facts("hub_trouble").into_iter().map(|fact| fact["trouble"].clone());
    let ours = troubles.filter(|trouble| trouble["subject"] == subject);
    ours.map(|trouble| trouble["broken"].as_bool().unwrap()).collect()
}

#[test]
fn a_press_lights_its_lamp_until_the_call_is_over_and_a_restart_in_between_changes_nothing() {
    let (mut hub, path) = house();
    let mut panels = Panels::plug(&path, &[1, 2]);
    hub.start();
    answer(&hub, 2);
    panels.call(1, 2, true);
    let call = open(&hub, "M-1", "sos");
    assert_eq!(call["class"], "emergency");
    panels.lamp(1, 2, true);
    assert_eq!(panels.does("coil 2 3"), "0", "nobody else's");
    // The call lamp stays lit, as panels have it; the hub is another process.
    hub.kill();
    // Somebody has switched the panels off and on, and one lamp is lit for nobody.
    panels.does("lamp 1 2 0");
    panels.does("lamp 2 3 1");
    hub.start();
    answer(&hub, 2);
    panels.lamp(1, 2, true);
    panels.lamp(2, 3, false);
    assert_eq!(hub.facts("reported").len(), 1, "what is still lit is the call that is open");
    assert_eq!(hub.says(&code(&call), "chenjie", &["accept"]).code, 0);
    panels.lamp(1, 2, true);
    // Both calls of the room are shown by one lamp.
    panels.call(1, 3, true);
    let bath = open(&hub, "M-2", "sos");
    panels.call(1, 2, false);
    panels.call(1, 3, false);
    for step in ["arrive", "resolve"] {
        assert_eq!(hub.says(&code(&call), "chenjie", &[step]).code, 0, "{step}");
    }
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(panels.does("coil 1 2"), "1", "the bathroom still calls");
    for step in ["accept", "arrive", "resolve"] {
        assert_eq!(hub.says(&code(&bath), "chenjie", &[step]).code, 0, "{step}");
    }
    panels.lamp(1, 2, false);
    assert!(hub.facts("resident_cancelled").is_empty());
    assert_eq!(hub.incidents().iter().filter(|i| i["class"] == "emergency").count(), 2);
}

#[test]
fn a_panel_without_power_is_told_once_and_a_call_from_then_is_found_when_it_is_back() {
    let (mut hub, path) = house();
    let mut panels = Panels::plug(&path, &[1, 2]);
    hub.start();
    answer(&hub, 2);
    panels.does("off 2");
    let subject = "modbus.ward.三楼护理站";
    soon("the lost panel", || (troubles(&hub, subject) == [true]).then_some(()));
    let lost = hub.incidents().into_iter().find(|incident| incident["kind"] == "link").unwrap();
    assert_eq!(lost["class"], "coverage");
    assert!(hub.does(&["status"]).contains("三楼护理站"), "{}", hub.does(&["status"]));
    // Nobody behind the other panel notices.
    panels.call(1, 2, true);
    open(&hub, "M-1", "sos");
    panels.lamp(1, 2, true);
    panels.call(2, 2, true);
    assert!(hub.open_on("M-4").is_empty());
    panels.does("on 2");
    let found = open(&hub, "M-4", "sos");
    assert_eq!(found["class"], "emergency");
    let raised = hub.facts("raised");
    let of = raised.iter().find(|fact| fact["device"] == "M-4").unwrap();
    assert_eq!(of["found_at_start"], true, "{of:?}");
    let other = raised.iter().find(|fact| fact["device"] == "M-1").unwrap();
    assert!(other["found_at_start"].is_null(), "{other:?}");
    panels.lamp(2, 3, true);
    soon("the panel's return", || (troubles(&hub, subject) == [true, false]).then_some(()));
}

#[test]
fn what_is_lit_when_the_hub_starts_is_found_and_a_pulled_plug_is_the_lines_trouble() {
    let (mut hub, path) = house();
    let mut panels = Panels::plug(&path, &[1, 2]);
    panels.call(1, 2, true);
    panels.call(1, 9, true);
    hub.start();
    for (device, kind) in [("M-1", "sos"), ("M-3", "water")] {
        open(&hub, device, kind);
        let raised = hub.facts("raised");
        let fact = raised.iter().find(|fact| fact["device"] == device).unwrap();
        assert_eq!(fact["found_at_start"], true, "{fact:?}");
    }
    panels.lamp(1, 2, true);
    drop(panels);
    let _ = std::fs::remove_file(&path);
    let lost = || hub.incidents().into_iter().find(|incident| incident["kind"] == "link");
    assert_eq!(soon("the lost line", lost)["class"], "coverage");
    let mut panels = Panels::plug(&path, &[1, 2]);
    // The panels have forgotten everything; the call has not.
    panels.lamp(1, 2, true);
    soon("a line that hears", || hub.does(&["status"]).contains("modbus.ward hears").then_some(()));
    assert_eq!(hub.open_on("M-1").len(), 1);
}

#[test]
fn a_reload_brings_other_points_on_the_open_port_and_calls_nobody_anew() {
    let (mut hub, path) = house();
    let mut panels = Panels::plug(&path, &[1, 2]);
    hub.start();
    answer(&hub, 2);
    panels.call(1, 2, true);
    let call = open(&hub, "M-1", "sos");
    for step in ["accept", "arrive", "resolve"] {
        assert_eq!(hub.says(&code(&call), "chenjie", &[step]).code, 0, "{step}");
    }
    panels.lamp(1, 2, false);
    // Its call lamp is still lit, since nobody has reset the panel.
    hub.append(
        "links.toml",
        "[link.modbus.ward.point.303-bed]\nslave = 2\ntable = \"inputs\"\naddress = 5\n\
         means = \"sos\"\nlamp = 6\n",
    );
    hub.signal("HUP");
    soon("the reload", || hub.log().contains("the line asks for other points").then_some(()));
    panels.call(2, 5, true);
    open(&hub, "modbus:ward/303-bed", "sos");
    panels.lamp(2, 6, true);
    assert_eq!(hub.log().matches("the line is open").count(), 1, "the port stayed open");
    assert!(hub.open_on("M-1").is_empty(), "{:?}", hub.incidents());
    assert_eq!(panels.does("coil 1 2"), "0");
    let checked = hub.cli(&["check"]);
    assert!(checked.out.contains("ward/303-bed"), "{checked:?}");
}
