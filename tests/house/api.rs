//! The HTTP API, as programs on the box use it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::client::{ask_with, posts};
use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::receivers::http;

fn pressed(hub: &Hub, device: &str, boot: u32) {
    let before = hub.open_on(device).len();
    publish(hub, device, &topic(device, "event"), &press(boot, 1, "sos"));
    soon("the incident", || (hub.open_on(device).len() > before).then_some(()));
}

const AS_ZHANG: &str = r#"{"as": "zhangmin"}"#;

#[test]
fn a_call_goes_from_press_to_follow_up_over_http() {
    let hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let listed = hub.has("/api/v1/incidents");
    let call = &listed["incidents"].as_array().unwrap()[0];
    assert_eq!(
        (&call["code"], &call["stage"], &call["on_disk"]),
        (&"A01".into(), &"calling".into(), &true.into())
    );
    for (n, (word, body, stage)) in [
        ("accept", AS_ZHANG, "accepted"),
        ("on-the-way", AS_ZHANG, "on_the_way"),
        ("arrive", r#"{"as": "张敏", "note": "门开着"}"#, "on_scene"),
        ("still-here", AS_ZHANG, "on_scene"),
        ("need-help", AS_ZHANG, "on_scene"),
        ("note", r#"{"as": "zhangmin", "note": "左膝擦伤"}"#, "on_scene"),
        ("resolve", r#"{"as": "zhangmin", "ending": "helped"}"#, "resolved"),
        ("follow-up", r#"{"as": "liuqiang", "score": 5}"#, "followed_up"),
    ]
    .into_iter()
    .enumerate()
    {
        let told = hub.posts(&format!("/api/v1/incidents/A01/{word}"), &format!("k-{n}"), body);
        assert_eq!(told.status, 200, "{word}: {told:?}");
        let moved = told.json();
        assert_eq!((&moved["code"], &moved["stage"]), (&"A01".into(), &stage.into()), "{moved}");
        assert!(moved["stored_at"].is_i64(), "on disk before it is answered: {moved}");
    }
    let one = hub.has("/api/v1/incidents/1");
    assert_eq!(one["notes"], serde_json::json!(["门开着", "左膝擦伤"]));
    let same = hub.has("/api/v1/incidents/a01");
    assert_eq!((&one["id"], &one["people"]), (&same["id"], &same["people"]));
    assert!(hub.has("/api/v1/incidents")["incidents"].as_array().unwrap().is_empty());
    let past = hub.has("/api/v1/incidents?all");
    assert_eq!(past["incidents"][0]["stage"], "followed_up");
    let vias: BTreeSet<String> =
        hub.facts("answer_heard").iter().map(|said| said["answer"]["via"].to_string()).collect();
    assert_eq!(vias, BTreeSet::from(["\"http\"".to_owned()]));
}

#[test]
fn the_same_key_in_parallel_and_after_a_kill_acts_once_and_gets_the_same_answer() {
    let mut hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let path = "/api/v1/incidents/A01/note";
    let body = r#"{"as": "zhangmin", "note": "只记一次"}"#;
    let port = hub.console_port();
    let said: Vec<_> = std::thread::scope(|scope| {
        let asked: Vec<_> =
            (0..8).map(|_| scope.spawn(|| posts(port, path, "one-key", body))).collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let stored: BTreeSet<i64> = said
        .iter()
        .map(|told| {
            assert_eq!(told.status, 200, "{told:?}");
            told.json()["stored_at"].as_i64().unwrap()
        })
        .collect();
    let first_time = said.iter().filter(|told| told.json()["repeated"] != true).count();
    assert_eq!(first_time, 1, "{said:?}");
    assert!(
        stored.len() <= 2,
        "a repeat says when it was written down, the first when it was safe"
    );
    hub.kill();
    hub.start();
    let again = hub.posts(path, "one-key", body);
    assert_eq!(again.status, 200, "{again:?}");
    assert!(stored.contains(&again.json()["stored_at"].as_i64().unwrap()), "{again:?} {stored:?}");
    assert_eq!(hub.facts("note_kept").len(), 1);
    assert_eq!(hub.incident("A01")["notes"], serde_json::json!(["只记一次"]));
    // Another answer under the key is none, from the same person.
    let other = hub.posts(path, "one-key", r#"{"as": "zhangmin", "note": "另一件事"}"#);
    assert_eq!((other.status, other.problem().as_str()), (409, "key-taken"));
    assert_eq!(hub.facts("note_kept").len(), 1);
}

#[test]
fn a_move_whose_answer_a_kill_has_swallowed_counts_once_when_it_is_said_again() {
    let mut hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let path = "/api/v1/incidents/A01/note";
    for round in 0..6 {
        let (port, key) = (hub.console_port(), format!("round-{round}"));
        let body = format!("{{\"as\": \"zhangmin\", \"note\": \"{key}\"}}");
        let said = std::thread::spawn({
            let (key, body) = (key.clone(), body.clone());
            // Whether anything comes back is what the kill decides.
            move || std::panic::catch_unwind(|| posts(port, path, &key, &body)).is_ok()
        });
        std::thread::sleep(Duration::from_millis(round * 2));
        hub.kill();
        let answered = said.join().unwrap();
        hub.start();
        let before = hub.facts("note_kept").iter().filter(|note| note["text"] == key).count();
        assert!(!answered || before == 1, "{key}: what was answered is on disk");
        let again = hub.posts(path, &key, &body);
        assert_eq!(again.status, 200, "{again:?}");
        assert_eq!(again.json()["repeated"] == true, before == 1, "{again:?}");
        let kept = hub.facts("note_kept").iter().filter(|note| note["text"] == key).count();
        assert_eq!(kept, 1, "{key}");
    }
}

#[test]
fn what_cannot_be_done_is_a_problem_that_says_what_to_do() {
    let hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let accept = "/api/v1/incidents/A01/accept";
    let about = |path: &str, body: &str| {
        let told = hub.posts(path, "k", body);
        (told.status, told.problem(), told.json()["detail"].as_str().unwrap().to_owned())
    };
    for (path, body, status, kind, part) in [
        ("/api/v1/incidents/A77/accept", AS_ZHANG, 404, "no-such", "A77"),
        ("/api/v1/incidents/77/accept", AS_ZHANG, 404, "no-such", "77"),
        ("/api/v1/incidents/A01/dance", AS_ZHANG, 404, "no-page", "accept, decline"),
        (accept, r#"{"as": "xiaohong"}"#, 422, "cannot-be", "nobody is called xiaohong"),
        (accept, r#"{"as": ""}"#, 422, "bad-field", "`as` is empty"),
        (accept, "{", 400, "bad-body", "EOF"),
        (
            accept,
            r#"["zhangmin",null,null,null,null,null,null]"#,
            400,
            "bad-body",
            "no JSON object",
        ),
        (accept, "{}", 422, "bad-field", "`as`"),
        (accept, r#"{"as": "zhangmin", "on": 1}"#, 422, "bad-field", "`on`"),
        (accept, r#"{"as": "zhangmin", "score": 3}"#, 422, "bad-field", "does not go with"),
        (accept, r#"{"as": "zhangmin", "epoch": 99}"#, 422, "bad-field", "not reached 99"),
        ("/api/v1/incidents/A01/resolve", AS_ZHANG, 422, "bad-field", "helped"),
        ("/api/v1/incidents/A01/note", AS_ZHANG, 422, "bad-field", "`note`"),
    ] {
        let (was, what, detail) = about(path, body);
        assert_eq!((was, what.as_str()), (status, kind), "{path} {body}: {detail}");
        assert!(detail.contains(part), "{path} {body}: {detail}");
    }
    let long = format!("{{\"as\": \"zhangmin\", \"note\": \"{}\"}}", "x".repeat(20_000));
    assert_eq!(about(accept, &long).1, "too-large");
    let json = [("host", "localhost"), ("content-type", "application/json")];
    let told = ask_with(hub.console_port(), &format!("POST {accept}"), &json, AS_ZHANG);
    assert_eq!((told.status, told.problem().as_str()), (400, "key-missing"));
    let told = hub.posts(accept, "two words", AS_ZHANG);
    assert_eq!((told.status, told.problem().as_str()), (400, "key-bad"));
    assert_eq!(hub.incident("A01")["stage"], "calling", "nothing of it counted");
    // What changes nothing says why, in this interface's words, and the same again.
    for _ in 0..2 {
        let ending = r#"{"as": "zhangmin", "ending": "helped"}"#;
        let told = hub.posts("/api/v1/incidents/A01/resolve", "early", ending);
        assert_eq!((told.status, told.problem().as_str()), (409, "nothing-changed"));
        assert_eq!(told.json()["reason"], "nobody_on_scene");
        assert!(told.body.contains("contact: voice") && told.json()["stored_at"].is_i64());
    }
    assert_eq!(hub.facts("answer_heard").len(), 1);
    for (path, status, kind) in [
        ("/api/v1/nothing", 404, "no-page"),
        ("/api/v1/incidents/%FF", 404, "no-page"),
        ("/api/v1/incidents/A01/accept", 405, "no-method"),
        ("/api/v1/incidents?lmit=3", 400, "bad-query"),
        ("/api/v1/incidents?limit=0", 400, "bad-query"),
        ("/api/v1/incidents?limit=501", 400, "bad-query"),
        ("/api/v1/incidents?before=3", 400, "bad-query"),
        ("/api/v1/incidents/%E5%AE%89", 404, "no-such"),
        ("/api/v1/roster?at=soon", 400, "bad-query"),
        ("/api/v1/roster?days=400", 400, "bad-query"),
        ("/api/v1/journal?limit=1001", 400, "bad-query"),
        ("/api/v1/events?after=x", 400, "bad-query"),
    ] {
        let told = hub.gets(path);
        assert_eq!((told.status, told.problem().as_str()), (status, kind), "{path}: {told:?}");
    }
    assert_eq!(hub.gets(accept).header("allow"), Some("POST"));
}

#[test]
fn pages_from_elsewhere_reach_nothing_and_the_network_sees_three_addresses() {
    let mut hub = Hub::prepared();
    let port = std::net::TcpListener::bind("127.0.0.2:0").unwrap().local_addr().unwrap().port();
    let own = own_address();
    if let Some(own) = &own {
        hub.edit(
            "gateway.toml",
            "listen = \"127.0.0.1:0\"",
            &format!("listen = \"127.0.0.1:0\"\nlan = \"{own}:{port}\""),
        );
    }
    hub.start();
    pressed(&hub, "B-02", 1);
    let here = hub.console_port();
    let asked = |line: &str, headers: &[(&str, &str)]| {
        let told = ask_with(here, line, headers, AS_ZHANG);
        (told.status, told.problem())
    };
    let list = "GET /api/v1/incidents";
    let accept = "POST /api/v1/incidents/A01/accept";
    assert_eq!(asked(list, &[("host", "evil.example:7580")]), (421, "foreign-host".into()));
    assert_eq!(asked("GET /metrics", &[("host", "evil.example")]), (421, "foreign-host".into()));
    assert_eq!(asked("GET /nothing", &[("host", "evil.example")]), (404, "no-page".into()));
    let cross = [("host", "localhost"), ("origin", "http://evil.example")];
    assert_eq!(asked(list, &cross), (403, "cross-site".into()));
    let form = [("host", "localhost"), ("content-type", "text/plain"), ("idempotency-key", "k")];
    assert_eq!(asked(accept, &form), (415, "not-json".into()));
    let proxied = [("host", "127.0.0.1"), ("x-forwarded-for", "10.0.0.7")];
    assert_eq!(asked(list, &proxied), (403, "forwarded".into()));
    assert_eq!(hub.incident("A01")["stage"], "calling");
    // The page behind a link is for the network, under any name.
    assert_eq!(http(here, "GET", "/healthz", "").0, 200);
    assert_eq!(http(here, "GET", "/a/x", "").0, 404);
    let Some(own) = own else { return };
    let there = |path: &str| {
        let mut stream = std::net::TcpStream::connect((own.as_str(), port)).unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    assert_eq!([there("/healthz"), there("/readyz")], [200, 200]);
    for path in ["/api/v1/incidents", "/api/openapi.json", "/metrics", "/api/v1/events", "/"] {
        assert_eq!(there(path), 404, "{path} on the network");
    }
}

/// An address of this machine that is not loopback, where it has one.
fn own_address() -> Option<String> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent: the system only says from where it would be.
    socket.connect("192.0.2.1:9").ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_loopback() && !address.is_unspecified()).then(|| address.to_string())
}

#[test]
fn lists_come_a_page_at_a_time_and_say_where_the_next_one_is() {
    let hub = Hub::open();
    for (boot, device) in [(1, "B-01"), (1, "B-02"), (1, "B-03"), (1, "B-04"), (1, "B-05")] {
        pressed(&hub, device, boot);
    }
    for (list, key, first) in [
        ("incidents", "id", "/api/v1/incidents?limit=2"),
        ("incidents", "id", "/api/v1/incidents?all&limit=2&days=3"),
        ("devices", "id", "/api/v1/devices?limit=5"),
        ("residents", "id", "/api/v1/residents?limit=3"),
        ("people", "id", "/api/v1/people?limit=2"),
        ("entries", "seq", "/api/v1/journal?limit=7"),
    ] {
        let (mut seen, mut path, mut pages) = (Vec::new(), Some(first.to_owned()), 0);
        while let Some(page) = path.take().map(|path| hub.has(&path)) {
            seen.extend(page[list].as_array().unwrap().iter().map(|row| row[key].to_string()));
            path = page["next"].as_str().map(str::to_owned);
            pages += 1;
        }
        let whole: Vec<String> = match list {
            "incidents" => hub.incidents().iter().map(|one| one["id"].to_string()).collect(),
            "entries" => (1..=seen.len()).map(|seq| seq.to_string()).collect(),
            _ => rows(&hub, list),
        };
        let once: BTreeSet<&String> = seen.iter().collect();
        assert_eq!(once.len(), seen.len(), "{first}: doubles");
        assert_eq!(once, whole.iter().collect(), "{first}");
        assert!(pages > 1, "{first}");
    }
    for path in ["/api/v1/incidents", "/api/v1/residents", "/api/v1/people"] {
        let tag = hub.gets(path).header("etag").unwrap().to_owned();
        let known = [("host", "localhost"), ("if-none-match", tag.as_str())];
        let told = ask_with(hub.console_port(), &format!("GET {path}"), &known, "");
        assert_eq!((told.status, told.body.as_str()), (304, ""), "{path}");
    }
    let tag = hub.gets("/api/v1/incidents").header("etag").unwrap().to_owned();
    assert_eq!(hub.says("A01", "zhangmin", &["note", "看过"]).code, 0);
    assert_ne!(hub.gets("/api/v1/incidents").header("etag").unwrap(), tag, "a note is news");
}

/// The ids of a table, as the export has them.
fn rows(hub: &Hub, list: &str) -> Vec<String> {
    let dir = hub.path("export");
    let _ = std::fs::remove_dir_all(&dir);
    hub.does(&["export", dir.to_str().unwrap()]);
    let text = std::fs::read_to_string(dir.join(format!("{list}.csv"))).unwrap();
    text.lines().skip(1).map(|line| format!("{:?}", line.split(',').next().unwrap())).collect()
}

#[test]
fn no_telephone_number_or_address_leaves_over_http() {
    let hub = Hub::open();
    pressed(&hub, "B-02", 1);
    let paths = ["people", "residents", "devices", "journal?limit=1000", "incidents", "status"];
    for path in paths {
        let told = hub.gets(&format!("/api/v1/{path}"));
        assert_eq!(told.status, 200, "{path}");
        assert!(!told.body.contains("@yunjian.example"), "{path}: {}", told.body);
        assert!(!told.body.contains("\"phone\"") && !told.body.contains("\"access\""), "{path}");
    }
    let residents = hub.has("/api/v1/residents");
    let first = &residents["residents"][0];
    assert!(first["name"].is_string() && first["place"].is_string(), "{first}");
    let devices = hub.has("/api/v1/devices");
    let button = devices["devices"].as_array().unwrap().iter().find(|d| d["id"] == "B-02").unwrap();
    assert!(button["heard"].is_i64() && button["open"] == serde_json::json!([1]), "{button}");
    let history = hub.has("/api/v1/devices/B-02/history");
    assert_eq!(history["device"], "B-02");
}

#[test]
fn a_board_says_that_it_is_there_and_is_told_how_the_house_stands() {
    let hub = Hub::open();
    let told = |sound: &str| {
        let json = [("host", "localhost"), ("content-type", "application/json")];
        let body = format!("{{\"sound\": \"{sound}\"}}");
        ask_with(hub.console_port(), "POST /api/v1/boards/%E8%B5%B0%E5%BB%8A/heard", &json, &body)
    };
    let quiet = told("mute");
    assert_eq!((quiet.status, quiet.json()["open"].as_u64()), (200, Some(0)), "{quiet:?}");
    pressed(&hub, "B-02", 1);
    let loud = told("audible");
    assert_eq!(loud.json()["open"], 1);
    assert_ne!(loud.json()["digest"], quiet.json()["digest"]);
    assert_eq!(loud.json()["digest"], hub.has("/api/v1/incidents")["digest"]);
    let boards = hub.has("/api/v1/boards");
    assert_eq!(
        (&boards["boards"][0]["id"], &boards["boards"][0]["sound"]),
        (&"走廊".into(), &"audible".into())
    );
    let status = hub.does(&["status"]);
    assert!(status.contains("boards    走廊 can be heard\n"), "{status}");
    assert_eq!(told("loudest").problem(), "bad-field");
}
