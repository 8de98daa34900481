//! A program on the box that asks over HTTP, by hand, so that every header is the test's own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::hub::{HANG_GUARD, Hub};

/// What came back.
#[derive(Debug, Clone)]
pub struct Told {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Told {
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let mut named = lines.filter(|(there, _)| there.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub fn kind(&self) -> &str {
        self.header("content-type").unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {self:?}"))
    }

    /// The last part of a problem's type; it is one, with all that belongs to it.
    pub fn problem(&self) -> String {
        assert_eq!(self.kind(), "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        assert!(problem["title"].is_string() && problem["detail"].is_string(), "{self:?}");
        let kind = problem["type"].as_str().unwrap();
        kind.strip_prefix("/api/v1/problems#").unwrap().to_owned()
    }
}

/// One request with exactly these headers beside its length.
pub fn ask_with(port: u16, line: &str, headers: &[(&str, &str)], body: &str) -> Told {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(HANG_GUARD)).unwrap();
    let mut request = format!("{line} HTTP/1.1\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str("\r\n");
    request.push_str(body);
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) =
        answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{line}: {answer:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Told { status, head: head.to_owned(), body: body.to_owned() }
}

impl Hub {
    /// Asks as a program on the box does.
    pub fn gets(&self, path: &str) -> Told {
        ask_with(self.console_port(), &format!("GET {path}"), &[("host", "127.0.0.1")], "")
    }

    /// What must be answered with 200 and JSON.
    pub fn has(&self, path: &str) -> Value {
        let told = self.gets(path);
        assert_eq!((told.status, told.kind()), (200, "application/json"), "{path}: {told:?}");
        told.json()
    }

    /// Says a move under a key.
    pub fn posts(&self, path: &str, key: &str, body: &str) -> Told {
        posts(self.console_port(), path, key, body)
    }
}

pub fn posts(port: u16, path: &str, key: &str, body: &str) -> Told {
    let headers =
        [("host", "127.0.0.1"), ("content-type", "application/json"), ("idempotency-key", key)];
    ask_with(port, &format!("POST {path}"), &headers, body)
}

/// One event as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub id: Option<u64>,
    pub name: String,
    pub data: Value,
}

/// A reader of events.
pub struct Reader {
    lines: BufReader<TcpStream>,
    /// The last id, as a browser keeps it.
    pub last: Option<u64>,
    /// The last `retry`.
    pub retry: Option<u64>,
}

impl Reader {
    /// Opens the stream; `last` is what a reader that was cut says.
    pub fn open(port: u16, query: &str, last: Option<u64>) -> Self {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(HANG_GUARD)).unwrap();
        let last_event = last.map(|id| format!("last-event-id: {id}\r\n")).unwrap_or_default();
        // In this older form the body is not cut into chunks, and comes as a browser sees it.
        let request =
            format!("GET /api/v1/events{query} HTTP/1.0\r\nhost: localhost\r\n{last_event}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.starts_with("HTTP/1.0 200"), "{line}");
        while line != "\r\n" {
            line.clear();
            lines.read_line(&mut line).unwrap();
        }
        Self { lines, last, retry: None }
    }

    /// The next event; none at the end of the stream.
    pub fn next(&mut self) -> Option<Event> {
        let mut event = Event { id: None, name: String::new(), data: Value::Null };
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                Some(("id", id)) => event.id = Some(id.parse().unwrap()),
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                Some(("retry", ms)) => self.retry = Some(ms.parse().unwrap()),
                Some(("", _)) => {}
                None if !event.name.is_empty() => {
                    self.last = event.id.or(self.last);
                    return Some(event);
                }
                _ => assert!(line.is_empty(), "{line:?}"),
            }
        }
    }

    /// The next fact: no beat.
    pub fn fact(&mut self) -> Option<Event> {
        loop {
            let event = self.next()?;
            if event.name != "beat" {
                return Some(event);
            }
        }
    }

    /// A whole line; a stream that was cut within one ends before it.
    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        read.is_ok_and(|count| count > 0 && line.ends_with('\n'))
            .then(|| line.trim_end().to_owned())
    }
}
