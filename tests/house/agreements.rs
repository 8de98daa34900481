//! Contacts, home-care beds and stations, from the lists a centre has to what people read.

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::{MailServer, Mood, Receiver, http};

fn spreadsheet(name: &str) -> String {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spreadsheets");
    dir.join(name).display().to_string()
}

impl Hub {
    fn registry_file(&self, name: &str, text: &str) {
        std::fs::write(self.config().join("registry").join(name), text).unwrap();
    }

    fn pressed(&self, device: &str) {
        publish(self, device, &topic(device, "event"), &press(1, 1, "sos"));
        soon("the incident", || (!self.open_on(device).is_empty()).then_some(()));
    }
}

/// A son of one of a couple, and a neighbour of both who has not agreed.
const CONTACTS: &str = "id,name,relation,phone,email,resident,home,grid,consent,consent_until,order\n\
    son,王晓明,family,013800000301,son@out.example,R0001,,,2025-03-01,,1\n\
    next-door,孙桂英,neighbour,013800000302,next@out.example,,H-3-2-501,,,,1\n";

fn house_with_contacts() -> (Hub, MailServer) {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.edit("gateway.toml", "# public_url", "public_url");
    hub.registry_file("contacts.csv", CONTACTS);
    let second = "who = [\"line:second\"], by = [\"screen\", \"mail\"], wait = \"1s\"";
    let contacts = "who = [\"contact:neighbour\", \"contact:family\"], by = [\"screen\", \"mail\"], \
                    wait = \"2s\"";
    hub.edit("ladders.toml", "wait = \"60s\" }", "wait = \"1s\" }");
    hub.edit("ladders.toml", second, contacts);
    hub.start();
    (hub, mail)
}

fn link(text: &str) -> String {
    let at = text.find("https://call.yunjian.example/a/").expect("a link in the mail");
    let path = &text[at + "https://call.yunjian.example".len()..];
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"/-_".contains(c));
    path[..end.unwrap_or(path.len())].to_owned()
}

#[test]
fn a_son_is_called_for_his_father_alone_comes_by_one_tap_and_the_house_closes() {
    let (mut hub, mail) = house_with_contacts();
    let told = hub.does(&["check"]);
    assert!(told.contains("no-consent") && told.contains("contact:neighbour"), "{told}");
    hub.pressed("B-01");
    let called = mail.takes("son@out.example", &["A01", "升级"]);
    assert!(called.text.contains("王桂芳") && !called.text.contains("李建国"), "{}", called.text);
    assert!(!called.text.contains("anling incident"), "he has no computer here: {}", called.text);
    assert_eq!(hub.says("A01", "zhangmin", &["note", "门锁着"]).code, 0);
    let (path, port) = (link(&called.text), hub.console_port());
    let (status, page) = http(port, "GET", &path, "");
    assert!(status == 200 && page.contains("王桂芳") && page.contains("王晓明"), "{page}");
    assert!(!page.contains("李建国"), "{page}");
    http(port, "POST", &path, "say=accept");
    assert_eq!(hub.incident("A01")["stage"], "accepted");
    assert_eq!(hub.says("A01", "zhangmin", &["arrive"]).code, 0);
    let (_, page) = http(port, "POST", &path, "say=arrive");
    assert!(page.contains("工作人员(已到场)") && !page.contains("张敏"), "{page}");
    let (_, page) = http(port, "POST", &path, "say=resolve&ending=helped&contact=visit");
    assert!(page.contains("须由值班人员结束"), "{page}");
    let refused = hub.says("A01", "王晓明", &["false-alarm", "--visit"]);
    assert!(refused.code == 1 && refused.err.contains("the house closes it"), "{refused:?}");
    assert_eq!(hub.incident("A01")["stage"], "on_scene");
    assert_eq!(hub.says("A01", "zhangmin", &["resolve"]).code, 0);
    assert!(mail.mails().iter().all(|mail| !mail.to.contains("next@")), "she has not agreed");
    let contacts = hub.has("/api/v1/contacts").to_string();
    assert!(contacts.contains("son") && !contacts.contains("0138"), "{contacts}");
    // He takes his word back.
    let list = hub.config().join("registry/contacts.csv");
    std::fs::write(&list, CONTACTS.replace("2025-03-01", "")).unwrap();
    let taken = hub.does(&["import", &list.display().to_string(), "--yes"]);
    assert!(taken.contains("consent: 2025-03-01 → (empty)"), "{taken}");
    let before = mail.mails().len();
    hub.pressed("B-05");
    mail.takes("liuqiang@yunjian.example", &["A02"]);
    let later = mail.mails().split_off(before);
    assert!(later.iter().all(|mail| !mail.to.contains("out.example")), "called all the same");
    assert_eq!(hub.stop(), 0);
    let log = hub.log();
    for private in ["王晓明", "孙桂英", "013800000301", "out.example", "门锁着"] {
        assert!(!log.contains(private), "{private} in\n{log}");
    }
}

#[test]
fn lists_of_contacts_and_beds_from_spreadsheets_are_shown_taken_and_written_again() {
    let district = Receiver::open(Mood::Takes);
    let mut hub = Hub::prepared();
    hub.with_webhook("county", &district.url());
    hub.start();
    let lists = [spreadsheet("contacts-excel.csv"), spreadsheet("beds-wps.csv")];
    let shown = hub.cli(&["import", &lists[0], &lists[1]]);
    for part in ["+ N-3-2-501 刘阿姨", "~ HB-0001 R0003  until: (empty) → 2025-06-30", "--yes"]
    {
        assert!(format!("{}{}", shown.out, shown.err).contains(part), "{part}: {shown:?}");
    }
    hub.does(&["import", &lists[0], &lists[1], "--yes"]);
    let out = hub.path("out");
    hub.does(&["export", &out.display().to_string(), "--plain"]);
    let written = std::fs::read_to_string(out.join("beds.csv")).unwrap();
    assert!(written.contains("HB-0001,R0003,H-3-2-302,2025-03-01,2025-06-30,每周上门两次"));
    let again = hub.does(&["import", &out.display().to_string()]);
    assert!(again.contains("nothing to import"), "{again}");
    // The contract is over: nobody watches the button, and it calls all the same.
    let devices = hub.does(&["devices"]);
    let line = devices.lines().find(|line| line.starts_with("B-02")).unwrap();
    assert!(line.ends_with("contract of HB-0001 over since 2025-07-01"), "{line}");
    assert!(!hub.does(&["devices", "--batteries"]).contains("B-02"));
    hub.pressed("B-02");
    hub.screen_says(&["A01", "陈秀英", "（床位合同已到期）"]);
    let event = district.hears("raised", "A01");
    assert_eq!(event["data"]["bed"], serde_json::json!({"id": "HB-0001", "contract": "over"}));
    let bad = "id,resident,from,until\nHB-9,R0003,2025-06-01,\nHB-8,R0404,2025-01-01,2024-01-01\n";
    hub.registry_file("beds.csv", bad);
    let told = hub.cli(&["check"]);
    assert_eq!(told.code, 1);
    for code in ["resident-unknown", "dates-reversed"] {
        assert!(told.out.contains(code), "{code}: {}", told.out);
    }
}

#[test]
fn a_contract_that_nears_its_end_is_on_the_work_list_with_the_bed_and_its_resident() {
    let mut hub = Hub::prepared();
    let soon_over = day_from_now(20);
    let beds = format!("id,resident,home,from,until,plan\nHB-7,R0003,,2025-03-01,{soon_over},\n");
    hub.registry_file("beds.csv", &beds);
    hub.start();
    hub.screen_says(&["【床位】", "3号楼2单元302", "陈秀英", "床位HB-7", "合同即将到期"]);
    let open = hub.incidents();
    let entry = open.iter().find(|open| open["kind"] == "bed_ends").unwrap();
    assert_eq!(
        (entry["class"].as_str(), entry["residents"].as_str()),
        (Some("fault"), Some("陈秀英"))
    );
    hub.stop();
    hub.start();
    soon("the start", || (hub.status()["up_ms"].as_u64()? > 1_000).then_some(()));
    assert_eq!(hub.facts("bed_ending").len(), 1);
}

/// A day as lists have it, so many days from today at the site.
fn day_from_now(days: i64) -> String {
    use anling::roster::Roster;
    let (clock, _) = anling::clock::Clock::resume(None, anling::clock::Vouch::Host);
    let mut reading = clock.wall();
    (reading.wall.0, reading.trusted) = (reading.wall.0 + days * 86_400_000, true);
    let roster: Roster = serde_json::from_value(serde_json::json!({
        "zone": "Asia/Shanghai", "lines": {}, "rules": [],
        "night": { "from": 0, "to": 1 }, "work": { "from": 0, "to": 1 },
    }))
    .unwrap();
    roster.day(reading).unwrap().to_string()
}

#[test]
fn two_stations_have_their_own_line_and_their_label_before_the_place() {
    let mut hub = Hub::prepared();
    hub.append(
        "gateway.toml",
        "[station.hepan]\nlabel = \"河畔驿站\"\nlines = { first = \"first-hepan\" }\n\
         [station.dongmen]\nlabel = \"东门驿站\"\n",
    );
    hub.append(
        "roster.toml",
        "[line.first-hepan]\nlabel = \"河畔一线\"\nfallback = [\"wangli\"]\n",
    );
    let homes = "id,place,short,grid,on_site,station\n\
        H-3-2-501,3号楼2单元501,3-2-501,YJ-03,否,dongmen\nH-3-2-302,3号楼2单元302,3-2-302,YJ-03,否,hepan\n\
        H-5-1-102,5号楼1单元102,5-1-102,YJ-05,否,dongmen\nH-5-1-601,5号楼1单元601,5-1-601,YJ-05,否,dongmen\n\
        H-7-1-201,7号楼1单元201,7-1-201,YJ-07,否,hepan\nH-C-203,203房,中心203,YJ-01,是,\n\
        H-C-205,205房,中心205,YJ-01,是,\nP-C-2F,二楼走廊,中心二楼,YJ-01,是,\nP-C-KIT,厨房,中心厨房,YJ-01,是,\n";
    hub.registry_file("homes.csv", homes);
    hub.start();
    hub.pressed("B-02");
    hub.screen_says(&["A01", "河畔驿站3号楼2单元302"]);
    assert_eq!(hub.incident("A01")["people"][0]["id"], "wangli");
    hub.pressed("B-01");
    hub.screen_says(&["A02", "东门驿站3号楼2单元501"]);
    assert_eq!(hub.incident("A02")["people"][0]["id"], "zhangmin");
    let status = hub.does(&["status"]);
    for part in ["stations  东门驿站 3 devices; 河畔驿站 2 devices", "first-hepan (河畔驿站) 王丽"]
    {
        assert!(status.contains(part), "{part}: {status}");
    }
    let roster = hub.does(&["roster"]);
    assert!(roster.contains("河畔一线 (河畔驿站)  王丽"), "{roster}");
    let devices = hub.does(&["devices"]);
    let order: Vec<&str> =
        devices.lines().filter(|line| line.contains("驿站")).map(|line| &line[..4]).collect();
    let at = |id: &str| order.iter().position(|one| *one == id).unwrap();
    assert!(at("B-03") < at("B-05"), "station by station: {devices}");
    hub.registry_file("homes.csv", &homes.replace("dongmen", "dongmn"));
    let told = hub.cli(&["check"]);
    assert!(told.code == 1 && told.out.contains("unknown-station"), "{}", told.out);
}

#[test]
fn a_list_that_names_a_station_which_is_nowhere_is_not_taken_in() {
    let hub = Hub::open();
    let list = hub.path("homes.csv");
    let head = "id,place,short,grid,on_site,station";
    std::fs::write(&list, format!("{head}\nH-5-1-102,5号楼1单元102,5-1-102,YJ-05,否,nix\n"))
        .unwrap();
    let said = hub.cli(&["import", &list.display().to_string(), "--yes"]);
    assert!(said.code != 0 && said.err.contains("the station nix"), "{said:?}");
    let before = hub.cli(&["check"]);
    assert!(!before.out.contains("nix"), "{before:?}");
}
