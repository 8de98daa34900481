//! The record on disk: a flipped byte, a cut end, two hubs, and a disk that takes nothing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::devices::{Device, Listener, press, publish, topic};
use crate::hub::{HUB, Hub, soon, tool};
use crate::receivers::{MailServer, Mood, Receiver, http};

fn segments(hub: &Hub) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(hub.journal())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "segment"))
        .collect();
    files.sort();
    files
}

fn pressed(hub: &Hub, device: &str, seq: u32) {
    publish(hub, device, &topic(device, "event"), &press(1, seq, "sos"));
}

#[test]
fn a_flipped_byte_is_found_named_and_raised_and_the_hub_goes_on() {
    let mut hub = Hub::open();
    for (seq, device) in ["B-01", "B-02", "B-03"].into_iter().enumerate() {
        pressed(&hub, device, seq as u32);
    }
    hub.kill();
    let segment = segments(&hub).pop().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let said = hub.cli(&["journal", "verify"]);
    assert_eq!(said.code, 1, "{said:?}");
    let name = segment.file_name().unwrap().to_str().unwrap();
    assert!(said.out.contains(name) && said.out.contains("NOT sound"), "{said:?}");
    assert!(said.err.contains("the record is not whole"), "{said:?}");
    hub.start();
    let found = soon("the fault", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "record")
    });
    assert_eq!(found["class"], "fault");
    assert!(hub.log().contains(name), "{}", hub.log());
    pressed(&hub, "B-04", 9);
    assert_eq!(hub.open_on("B-04").len(), 1);
}

#[test]
fn a_record_cut_anywhere_in_its_last_frame_starts_and_keeps_what_was_acknowledged() {
    let mut hub = Hub::open();
    pressed(&hub, "B-01", 1);
    hub.screen_says(&["A01"]);
    std::thread::sleep(Duration::from_millis(300));
    let whole = segments(&hub).pop().unwrap();
    let before = std::fs::metadata(&whole).unwrap().len();
    hub.kill();
    let kept = std::fs::read(&whole).unwrap();
    assert_eq!(before, kept.len() as u64, "nothing was written in between");
    // What came after the last forced byte may be any beginning of a frame.
    for cut in [1_usize, 17, 60] {
        let mut torn = kept.clone();
        torn.extend_from_slice(&kept[kept.len() - 200..][..cut]);
        std::fs::write(&whole, &torn).unwrap();
        hub.start();
        assert_eq!(hub.open_on("B-01").len(), 1, "cut {cut}");
        assert_eq!(hub.facts("reported").len(), 1);
        hub.kill();
        for file in segments(&hub) {
            if file != whole {
                std::fs::remove_file(file).unwrap();
            }
        }
        std::fs::write(&whole, &kept).unwrap();
    }
    // The last frame itself: an outcome nobody was acknowledged for.
    for cut in [1_usize, 40, 90] {
        std::fs::write(&whole, &kept[..kept.len() - cut]).unwrap();
        hub.start();
        assert_eq!(hub.open_on("B-01").len(), 1, "cut {cut}");
        assert_eq!(hub.incidents().len(), 1);
        hub.kill();
        for file in segments(&hub) {
            if file != whole {
                std::fs::remove_file(file).unwrap();
            }
        }
    }
}

#[test]
fn a_second_hub_on_the_same_record_refuses_with_5() {
    let first = Hub::open();
    let second = Hub::prepared();
    let state = first.state().display().to_string();
    let said = second.cli(&["run", "--host-clock", "--state", &state]);
    assert_eq!(said.code, 5, "{said:?}");
    let last = said.err.lines().last().unwrap();
    assert!(last.starts_with("anling: ") && last.contains("another hub"), "{said:?}");
    assert_eq!(first.cli(&["status"]).code, 0);
}

/// A hub whose files may not grow: the same to it as a full disk, and no right is needed for it.
/// The signal that the system sends with it is ignored, as it is for a service.
pub fn confined() -> Hub {
    tool("prlimit", "util-linux");
    let mut hub = Hub::prepared();
    hub.under = ["sh", "-c", "trap '' XFSZ; exec \"$0\" \"$@\""].map(String::from).to_vec();
    hub
}

/// From now on no file of the hub may grow beyond so many bytes.
pub fn files_may_grow_to(hub: &Hub, bytes: &str) {
    let pid = hub.pid().to_string();
    let done = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={bytes}:unlimited")])
        .status()
        .unwrap();
    assert!(done.success(), "prlimit cannot confine the hub");
}

fn ready(hub: &Hub) -> (u16, String) {
    http(hub.console_port(), "GET", "/readyz", "")
}

#[test]
fn a_disk_that_fills_in_flight_calls_people_acknowledges_nothing_and_heals() {
    let (mail, webhook) = (MailServer::open(), Receiver::open(Mood::Takes));
    let mut hub = confined();
    hub.with_mail(mail.port);
    hub.with_webhook("platform", &webhook.url());
    hub.start();
    assert_eq!(ready(&hub), (200, "ready\n".to_owned()));
    pressed(&hub, "B-01", 1);
    files_may_grow_to(&hub, "0");
    let device = Device::connect(hub.broker_port(), "B-02", "b02").unwrap();
    let payload = press(7, 7, "sos");
    let event = topic("B-02", "event");
    assert!(!device.acknowledged(&event, &payload, Duration::from_secs(10)), "no PUBACK");
    let b02 = soon("the call", || hub.open_on("B-02").pop());
    let code = b02["code"].as_str().unwrap();
    mail.takes("zhangmin@yunjian.example", &[code, "3号楼2单元302"]);
    webhook.hears("raised", code);
    let coverage = soon("the hub's own alarm", || {
        hub.incidents().into_iter().find(|i| i["class"] == "coverage")
    });
    assert_eq!(coverage["kind"], "memory");
    let status = hub.does(&["status"]);
    assert!(status.contains("IN MEMORY ONLY"), "{status}");
    let (code, why) = ready(&hub);
    assert_eq!(code, 503);
    assert!(why.contains("memory only"), "{why}");
    // Answers of people count at once, and say where they stand.
    let said = hub.says(b02["code"].as_str().unwrap(), "zhangmin", &["accept"]);
    assert!(said.code == 0 && said.out.contains("memory only"), "{said:?}");
    files_may_grow_to(&hub, "unlimited");
    soon("the healed disk", || (ready(&hub).0 == 200).then_some(()));
    let again = Device::connect(hub.broker_port(), "B-02", "b02").unwrap();
    assert!(again.acknowledged(&event, &payload, Duration::from_secs(10)), "the repeat");
    assert_eq!(hub.facts("reported").len(), 2);
    assert_eq!(hub.facts("accepted").len(), 1);
    hub.kill();
    assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
    hub.start();
    assert_eq!(hub.open_on("B-02")[0]["stage"], "accepted");
}

#[test]
fn a_start_on_a_full_disk_hears_calls_and_writes_them_down_later() {
    let mut hub = confined();
    hub.under[2] = "trap '' XFSZ; ulimit -S -f 0; exec \"$0\" \"$@\"".to_owned();
    hub.start();
    assert_eq!(ready(&hub).0, 503);
    let device = Device::connect(hub.broker_port(), "B-05", "b05").unwrap();
    let (event, payload) = (topic("B-05", "event"), press(2, 2, "sos"));
    assert!(!device.acknowledged(&event, &payload, Duration::from_secs(10)), "no PUBACK");
    hub.screen_says(&["7号楼1单元201"]);
    assert_eq!(hub.open_on("B-05").len(), 1);
    files_may_grow_to(&hub, "unlimited");
    soon("the healed disk", || (ready(&hub).0 == 200).then_some(()));
    let light = Listener::on(&hub, "B-05", &topic("B-05", "cmd"));
    publish(&hub, "B-05", &event, &payload);
    light.hears(2, 2, "stored");
    hub.kill();
    hub.under.clear();
    hub.start();
    assert_eq!(hub.open_on("B-05").len(), 1, "what was heard on the full disk is in the record");
    assert_eq!(hub.facts("registry_brought").len(), 40);
    assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
}

#[test]
fn a_start_where_no_folder_can_be_made_hears_calls_all_the_same() {
    let mut hub = Hub::prepared();
    std::fs::write(hub.path("file"), "").unwrap();
    hub.args.push("--state".into());
    hub.args.push(hub.path("file/state").display().to_string());
    hub.start();
    let device = Device::connect(hub.broker_port(), "B-05", "b05").unwrap();
    let pressed = press(2, 2, "sos");
    assert!(!device.acknowledged(&topic("B-05", "event"), &pressed, Duration::from_secs(10)));
    hub.screen_says(&["A01", "7号楼1单元201"]);
    assert_eq!(ready(&hub).0, 503);
}

/// A file system of 120 MiB of its own: a ballast is laid only where much stays free.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(dir: PathBuf) -> Self {
        let mounted = tool("mount", "mount")
            .args(["-t", "tmpfs", "-o", "size=120m", "anling-test"])
            .arg(&dir)
            .status()
            .unwrap();
        assert!(mounted.success(), "this test mounts a tmpfs: run it as root");
        Self(dir)
    }

    /// Writes until nothing more fits.
    fn fill(&self) {
        use std::io::Write as _;
        let filler = self.0.join("filler");
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(filler).unwrap();
        for size in [1 << 16, 1] {
            while file.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
#[ignore = "mounts a tmpfs, so it needs root: cargo test --test house a_full_file_system -- --ignored"]
fn a_full_file_system_takes_the_ballast_first_then_memory_and_heals() {
    let mut hub = Hub::prepared();
    let disk = SmallDisk::at(hub.state());
    hub.start();
    soon("the ballast", || {
        let laid = std::fs::metadata(hub.journal().join("ballast")).ok()?;
        (laid.len() == 4 << 20).then_some(())
    });
    disk.fill();
    pressed(&hub, "B-01", 1);
    assert_eq!(hub.facts("reported").len(), 1, "the ballast made room");
    soon("the word on the space", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "disk_space")
    });
    disk.fill();
    let device = Device::connect(hub.broker_port(), "B-02", "b02").unwrap();
    let (event, payload) = (topic("B-02", "event"), press(7, 7, "sos"));
    // What is left of the last page may still hold a press or two.
    let mut seq = 7;
    while device.acknowledged(&event, &press(7, seq, "sos"), Duration::from_secs(5)) {
        seq += 1;
        assert!(seq < 200, "the disk is never full");
    }
    assert_eq!(hub.open_on("B-02").len(), 1);
    assert_eq!(ready(&hub).0, 503);
    disk.free();
    soon("the healed disk", || (ready(&hub).0 == 200).then_some(()));
    publish(&hub, "B-02", &event, &payload);
    hub.kill();
    assert_eq!(hub.cli(&["journal", "verify"]).code, 0);
    hub.start();
    assert_eq!(hub.open_on("B-02").len(), 1);
    drop(hub);
}

#[test]
fn a_changed_hub_id_is_a_fault_until_it_is_the_records_again_or_a_person_closes_it() {
    let mut hub = Hub::open();
    assert!(hub.status().get("record_of").is_none());
    assert_eq!(hub.stop(), 0);
    hub.edit("gateway.toml", HUB, "zs-other");
    let told = |hub: &Hub| hub.cli(&["check"]).out;
    assert!(told(&hub).contains("hub-id-changed"), "of a record: {}", told(&hub));
    hub.start();
    assert!(told(&hub).contains("hub-id-changed"), "of a hub: {}", told(&hub));
    assert_eq!(hub.status()["record_of"], HUB);
    let shown = hub.does(&["status"]);
    assert!(shown.contains("hub id") && shown.contains("zs-other"), "{shown}");
    assert!(hub.log().contains("hub.id has changed"), "{}", hub.log());
    let fault = |hub: &Hub| {
        let all = hub.incidents();
        let of = all.into_iter().rfind(|one| one["device"] == "hub:hub_id.hub.id").unwrap();
        (of["code"].as_str().unwrap().to_owned(), of["back_to_normal"] == true)
    };
    let (code, settled) = fault(&hub);
    assert!(!settled);
    hub.does(&["incident", &code, "false-alarm", "--by-phone", "--as", "zhaogang"]);
    assert!(hub.status().get("record_of").is_none(), "it is meant");
    assert_eq!(hub.stop(), 0);
    hub.edit("gateway.toml", "zs-other", HUB);
    hub.start();
    let (again, settled) = fault(&hub);
    assert!(again != code && !settled, "now the other id is the record's");
    assert_eq!(hub.stop(), 0);
    hub.edit("gateway.toml", HUB, "zs-other");
    hub.start();
    assert_eq!(fault(&hub), (again, true));
    assert!(!told(&hub).contains("hub-id-changed"));
}
