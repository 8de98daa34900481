//! The page behind the link in a message.

use std::io::ErrorKind::WouldBlock;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use anling::counter::Pass;
use anling::terms::{IncidentId, PersonId, Secret, Wall};

use crate::devices::{press, publish, topic};
use crate::hub::{HANG_GUARD, Hub};
use crate::receivers::{MailServer, http};

fn house() -> (Hub, MailServer) {
    let mail = MailServer::open();
    let mut hub = Hub::prepared();
    hub.with_mail(mail.port);
    hub.edit("gateway.toml", "# public_url", "public_url");
    hub.start();
    (hub, mail)
}

fn link(mail: &MailServer, person: &str, parts: &[&str]) -> String {
    let got = mail.takes(&format!("{person}@yunjian.example"), parts);
    let at = got.text.find("https://call.yunjian.example/a/").expect("a link in the mail");
    let path = &got.text[at + "https://call.yunjian.example".len()..];
    let end = path.find(|c: char| !c.is_ascii_alphanumeric() && !"/-_".contains(c));
    path[..end.unwrap_or(path.len())].to_owned()
}

fn pass_by(hub: &Hub, until: i64) -> String {
    let key = Secret::new(std::fs::read(hub.state().join("journal/page-key")).unwrap());
    let pass = Pass {
        incident: IncidentId(1),
        epoch: 0,
        person: PersonId::new("zhangmin").unwrap(),
        until: Wall(until),
    };
    format!("/a/{}", pass.sign(&key))
}

#[test]
fn a_link_already_sent_works_when_everything_beside_the_record_is_lost_and_on_a_new_box() {
    let (mut hub, mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let path = link(&mail, "zhangmin", &["A01", "紧急求助"]);
    hub.kill();
    for entry in std::fs::read_dir(hub.state()).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().unwrap() == "journal" {
            true => {}
            false if path.is_dir() => std::fs::remove_dir_all(path).unwrap(),
            false => std::fs::remove_file(path).unwrap(),
        }
    }
    hub.start();
    assert_eq!(http(hub.console_port(), "GET", &path, "").0, 200);
    hub.kill();
    let dead = hub.path("dead");
    std::fs::rename(hub.state(), &dead).unwrap();
    hub.does(&["restore", &dead.display().to_string()]);
    hub.start();
    assert_eq!(http(hub.console_port(), "GET", &path, "").0, 200, "on the box that replaces it");
}

#[test]
fn looking_changes_nothing_and_one_tap_accepts() {
    let (hub, mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let path = link(&mail, "zhangmin", &["A01", "紧急求助"]);
    let port = hub.console_port();
    for _ in 0..3 {
        let (status, page) = http(port, "GET", &path, "");
        assert_eq!(status, 200);
        assert!(page.contains("A01") && page.contains("我去"), "{page}");
    }
    assert_eq!(hub.incident("A01")["stage"], "calling");
    assert!(hub.facts("answer_heard").is_empty());
    let (status, page) = http(port, "POST", &path, "say=accept");
    assert_eq!(status, 200);
    assert!(page.contains("已登记"), "{page}");
    assert_eq!(hub.incident("A01")["stage"], "accepted");
    let (_, page) = http(port, "POST", &path, "say=accept");
    assert!(page.contains("没有变化"), "{page}");
    assert_eq!(hub.facts("accepted").len(), 1);
}

#[test]
fn a_tap_on_an_earlier_calls_link_never_closes_and_counts_as_coming() {
    let (hub, mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let old = link(&mail, "zhangmin", &["A01", "紧急求助"]);
    let port = hub.console_port();
    http(port, "POST", &old, "say=accept");
    // The only one who was coming cannot come after all: the call begins anew, one epoch later.
    assert_eq!(hub.says("A01", "zhangmin", &["decline"]).code, 0);
    assert_eq!(hub.incident("A01")["epoch"], 1);
    let (_, page) = http(port, "POST", &old, "say=resolve&ending=helped&contact=visit");
    assert!(page.contains("没有变化"), "{page}");
    assert_eq!(hub.incident("A01")["stage"], "calling");
    http(port, "POST", &old, "say=arrive");
    assert_eq!(hub.incident("A01")["stage"], "accepted", "coming, not there");
}

#[test]
fn an_expired_link_shows_and_changes_nothing() {
    let (hub, _mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let expired = pass_by(&hub, 1_000);
    let port = hub.console_port();
    let (status, page) = http(port, "GET", &expired, "");
    assert_eq!(status, 200);
    assert!(page.contains("链接已过期"), "{page}");
    let (_, page) = http(port, "POST", &expired, "say=accept");
    assert!(page.contains("没有变化"), "{page}");
    assert_eq!(hub.incident("A01")["stage"], "calling");
    assert!(hub.facts("accepted").is_empty());
}

#[test]
fn a_made_up_pass_is_404_and_leaves_no_trace() {
    let (hub, _mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let before = hub.facts("answer_heard").len();
    let right = pass_by(&hub, i64::MAX);
    let other = if right.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{other}", &right[..right.len() - 1]);
    let long = format!("/a/{}", "A".repeat(9_000));
    let port = hub.console_port();
    for path in ["/a/x", "/a/%00", changed.as_str(), long.as_str(), &right[..right.len() - 4]] {
        for method in ["GET", "POST"] {
            let (status, _) = http(port, method, path, "say=accept");
            assert_eq!(status, 404, "{method} {path}");
        }
    }
    let (status, _) = http(port, "POST", &right, "say=dance");
    assert_eq!(status, 400);
    assert_eq!(hub.facts("answer_heard").len(), before);
    assert_eq!(hub.incident("A01")["stage"], "calling");
}

#[test]
fn hundreds_of_silent_connections_hold_up_neither_a_tap_nor_the_word_that_the_hub_is_well() {
    let (hub, _mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let port = hub.console_port();
    let silent: Vec<TcpStream> =
        (0..300).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    let mut half = TcpStream::connect(("127.0.0.1", port)).unwrap();
    half.write_all(b"POST /a/x HTTP/1.1\r\nhost: h").unwrap();
    let (status, page) = http(port, "POST", &pass_by(&hub, i64::MAX), "say=accept");
    assert!(status == 200 && page.contains("已登记"), "{status} {page}");
    assert_eq!(hub.incident("A01")["stage"], "accepted");
    assert_eq!(http(port, "GET", "/healthz", "").0, 200);
    // None of them is kept for ever.
    for mut stream in silent.into_iter().chain([half]) {
        stream.set_read_timeout(Some(HANG_GUARD)).unwrap();
        let ended = stream.read(&mut [0; 64]);
        assert!(ended.map_or_else(|e| e.kind() != WouldBlock, |_| true), "kept for ever");
    }
}

#[test]
fn only_who_is_on_scene_closes_it_by_a_tap() {
    let (hub, mail) = house();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    let path = link(&mail, "zhangmin", &["A01", "紧急求助"]);
    let port = hub.console_port();
    assert_eq!(hub.says("A01", "wangli", &["arrive"]).code, 0);
    let (_, page) = http(port, "GET", &path, "");
    assert!(!page.contains("处置完成"), "a button that would be refused: {page}");
    let (_, page) = http(port, "POST", &path, "say=resolve&ending=helped");
    assert!(page.contains("没有变化：须由已到场的人结束此单"), "{page}");
    let told = hub.says("A01", "zhangmin", &["resolve"]);
    assert_eq!(told.code, 1);
    assert!(told.err.contains("only who is on scene closes it"), "{told:?}");
    assert_eq!(hub.incident("A01")["stage"], "on_scene");
    http(port, "POST", &path, "say=arrive");
    let (_, page) = http(port, "POST", &path, "say=resolve&ending=helped");
    assert!(page.contains("此单结束"), "{page}");
    assert_eq!(hub.incident("A01")["stage"], "resolved");
}

#[test]
fn the_page_names_every_danger_that_is_on() {
    let hub = Hub::open();
    hub.does(&["press", "B-02", "--kind", "smoke"]);
    hub.does(&["press", "B-02", "--kind", "gas"]);
    let (status, page) = http(hub.console_port(), "GET", &pass_by(&hub, i64::MAX), "");
    assert!(status == 200 && page.contains("<h1>火警、燃气 F01</h1>"), "{page}");
}
