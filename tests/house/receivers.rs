//! Where messages and events arrive: a real mail server, and an HTTP receiver that does as it is
//! told.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::hub::soon;

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Takes,
    Fails,
    NeverAnswers,
    Refuses,
    /// Asks for a pause of 100 s.
    Busy,
}

/// A webhook's other end.
pub struct Receiver {
    pub port: u16,
    mood: Arc<Mutex<Mood>>,
    /// Events taken, and how often each.
    taken: Arc<Mutex<BTreeMap<String, (Value, u32)>>>,
    asked: Arc<Mutex<u32>>,
}

impl Receiver {
    pub fn open(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let receiver = Self {
            port,
            mood: Arc::new(Mutex::new(mood)),
            taken: Arc::default(),
            asked: Arc::default(),
        };
        let (mood, taken, asked) =
            (receiver.mood.clone(), receiver.taken.clone(), receiver.asked.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (mood, taken, asked) = (mood.clone(), taken.clone(), asked.clone());
                std::thread::spawn(move || serve(stream, &mood, &taken, &asked));
            }
        });
        receiver
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/anling", self.port)
    }

    pub fn becomes(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    pub fn asked(&self) -> u32 {
        *self.asked.lock().unwrap()
    }

    fn all(&self) -> Vec<Value> {
        self.taken.lock().unwrap().values().map(|(event, _)| event.clone()).collect()
    }

    /// The signs of life taken.
    pub fn signs(&self) -> Vec<Value> {
        self.all().into_iter().filter(|event| event["type"] == "anling.hub.alive").collect()
    }

    /// The events of the record taken, each once, in the order of their ids.
    pub fn events(&self) -> Vec<Value> {
        let mut events = self.all();
        events.retain(|event| event["type"] != "anling.hub.alive");
        events.sort_by_key(|event| {
            let id = event["id"].as_str().unwrap();
            id.rsplit('/').next().unwrap().parse::<u64>().unwrap()
        });
        events
    }

    /// Those of one type: `raised`.
    pub fn of(&self, word: &str) -> Vec<Value> {
        let kind = format!("anling.incident.{word}");
        self.events().into_iter().filter(|event| event["type"] == *kind).collect()
    }

    /// Waits for an event of this type about this incident.
    pub fn hears(&self, word: &str, code: &str) -> Value {
        soon(&format!("the event {word} of {code}"), || {
            self.of(word).into_iter().find(|event| event["subject"] == code)
        })
    }
}

type Taken = Mutex<BTreeMap<String, (Value, u32)>>;

fn serve(stream: TcpStream, mood: &Mutex<Mood>, taken: &Taken, asked: &Mutex<u32>) {
    let Ok(mut answers) = stream.try_clone() else { return };
    let mut questions = BufReader::new(stream);
    loop {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if !questions.read_line(&mut line).is_ok_and(|count| count > 0) {
                return;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        if questions.read_exact(&mut body).is_err() {
            return;
        }
        *asked.lock().unwrap() += 1;
        let mood = *mood.lock().unwrap();
        let status = match mood {
            Mood::Takes => {
                let event: Value = serde_json::from_slice(&body).unwrap();
                let id = event["id"].as_str().unwrap().to_owned();
                taken.lock().unwrap().entry(id).or_insert((event, 0)).1 += 1;
                "204 No Content"
            }
            Mood::Fails => "500 Internal Server Error",
            Mood::Refuses => "400 Bad Request",
            Mood::Busy => "429 Too Many Requests\r\nretry-after: 100",
            Mood::NeverAnswers => {
                std::thread::sleep(Duration::from_secs(600));
                return;
            }
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// A mail as a person reads it.
#[derive(Debug, Clone)]
pub struct Mail {
    pub to: String,
    pub subject: String,
    pub text: String,
}

/// A real mail server in a folder of its own.
pub struct MailServer {
    folder: TempDir,
    child: Child,
    pub port: u16,
}

impl MailServer {
    pub fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/smtp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this test needs /usr/bin/python3: install the Debian package python3");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().expect(
            "the test's mail server did not start: install the Debian package python3-aiosmtpd",
        );
        Self { folder, child, port }
    }

    /// From now on it makes this trouble (see `smtp_server.py`); an empty text ends it.
    pub fn trouble(&self, json: &str) {
        let path = self.folder.path().join("trouble");
        if json.is_empty() {
            std::fs::remove_file(path).unwrap();
        } else {
            std::fs::write(path, json).unwrap();
        }
    }

    /// The mails taken so far.
    pub fn mails(&self) -> Vec<Mail> {
        let count = (1..).take_while(|n| self.mail(*n).exists()).count();
        (1..=count).map(|n| read_mail(&self.mail(n))).collect()
    }

    fn mail(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("mail-{n}.eml"))
    }

    /// Waits for a mail to this person whose subject or text contains all of these.
    pub fn takes(&self, to: &str, parts: &[&str]) -> Mail {
        soon(&format!("a mail to {to} with {parts:?}"), || {
            let whole = |mail: &Mail| format!("{}\n{}", mail.subject, mail.text);
            self.mails().into_iter().find(|mail| {
                mail.to.contains(to) && parts.iter().all(|part| whole(mail).contains(part))
            })
        })
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const READ_MAIL: &str = "
import email, email.policy, json, sys
mail = email.message_from_binary_file(open(sys.argv[1], 'rb'), policy=email.policy.default)
print(json.dumps([str(mail['to']), str(mail['subject']), mail.get_content()]))
";

fn read_mail(path: &Path) -> Mail {
    let output =
        Command::new("/usr/bin/python3").args(["-c", READ_MAIL]).arg(path).output().unwrap();
    let [to, subject, text]: [String; 3] = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|why| panic!("{why}: {}", String::from_utf8_lossy(&output.stderr)));
    Mail { to, subject, text }
}

/// One HTTP request by hand; status and body.
pub fn http(port: u16, method: &str, path: &str, form: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (status, body)
}
