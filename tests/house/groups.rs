//! A group that is posted to, and a monitor that is told of troubles, by the whole hub.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::devices::{press, publish, topic};
use crate::hub::{Hub, soon};
use crate::reload::reload;

/// A server that answers every POST with 200 and what it is told to say.
struct Server {
    port: u16,
    says: Arc<Mutex<&'static str>>,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Server {
    fn open(says: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Self { port, says: Arc::new(Mutex::new(says)), heard: Arc::default() };
        let (says, heard) = (server.says.clone(), server.heard.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (says, heard) = (says.clone(), heard.clone());
                std::thread::spawn(move || serve(stream, &says, &heard));
            }
        });
        server
    }

    fn heard(&self) -> Vec<Value> {
        self.heard.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, says: &Mutex<&'static str>, heard: &Mutex<Vec<Value>>) {
    let mut answers = stream.try_clone().unwrap();
    let mut questions = BufReader::new(stream);
    loop {
        let (mut length, mut line) = (0, String::new());
        while line != "\r\n" {
            line.clear();
            if !questions.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        if questions.read_exact(&mut body).is_err() {
            return;
        }
        heard.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        let says = *says.lock().unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{says}", says.len());
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn a_wrong_key_is_a_trouble_at_once_and_a_right_one_posts_to_the_group() {
    const WRONG: &str = "a-key-that-no-log-may-hold";
    let group = Server::open(r#"{"errcode":93000,"errmsg":"invalid webhook url"}"#);
    let monitor = Server::open("");
    let mut hub = Hub::prepared();
    hub.secret("wecom-hall", WRONG);
    hub.edit("ladders.toml", "by = [\"screen\"]", "by = [\"screen\", \"wecom\"]");
    let url = |server: &Server| format!("http://127.0.0.1:{}", server.port);
    let bot = format!("\n[wecom.hall]\nurl = \"{}\"\nsecret = \"wecom-hall\"\n", url(&group));
    let told = format!("\n[alertmanager.monitor]\nurl = \"{}/alerts\"\n", url(&monitor));
    hub.append("notify.toml", &(bot + &told));
    hub.start();
    publish(&hub, "B-02", &topic("B-02", "event"), &press(1, 1, "sos"));
    hub.screen_says(&["A01", "紧急求助"]);
    let trouble = soon("the trouble of the group", || {
        hub.incidents().into_iter().find(|incident| incident["kind"] == "carrier")
    });
    assert_eq!(trouble["class"], "coverage", "{trouble}");
    let status = hub.does(&["status"]);
    assert!(status.contains("wecom FAILS") && status.contains("93000"), "{status}");
    let alert = soon("the alert", || {
        let mut alerts = monitor.heard().into_iter().map(|heard| heard["alerts"][0].clone());
        alerts.find(|alert| alert["labels"]["kind"] == "carrier")
    });
    assert_eq!(
        (&alert["status"], &alert["labels"]["class"]),
        (&"firing".into(), &"coverage".into())
    );
    assert_eq!(monitor.heard()[0]["version"], "4");
    assert!(!hub.log().contains(WRONG), "{}", hub.log());

    *group.says.lock().unwrap() = r#"{"errcode":0,"errmsg":"ok"}"#;
    hub.secret("wecom-hall", "the-right-one");
    reload(&hub);
    let before = group.heard().len();
    publish(&hub, "B-04", &topic("B-04", "event"), &press(1, 1, "sos"));
    soon("a post about the second call", || {
        let heard = group.heard();
        let of_it = |post: &&Value| post["text"]["content"].as_str().unwrap().contains("A02");
        heard[before..].iter().find(of_it).cloned()
    });
    soon("the group works", || hub.does(&["status"]).contains("wecom works").then_some(()));
    for post in &group.heard() {
        let said = post["text"]["content"].as_str().unwrap();
        assert!(!said.contains("林淑珍") && !said.contains("/a/"), "{said}");
    }
    assert!(!hub.log().contains("the-right-one"));
}
