//! Mail through real dialogues: TLS both ways, every place where a relay can refuse, stall or die.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anling::incident::{Carrier, Notice, Outcome};
use anling::notify::Letter;
use anling::notify::mail::{Mail, MailSettings, MailTls, RelaySettings};
use anling::notify::post::Carry;
use anling::terms::{Class, Secret};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::letters::{letter, soon};

/// The mail server of `smtp_server.py` in a folder of its own.
struct Server {
    folder: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    fn start(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cert = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), cert.cert.pem()).unwrap();
        std::fs::write(folder.path().join("key.pem"), cert.signing_key.serialize_pem()).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notify/smtp_server.py");
        let mut child = Command::new("/usr/bin/python3")
            .arg(script)
            .arg(folder.path())
            .args(options)
            .stdout(Stdio::piped())
            .spawn()
            .expect("these tests need /usr/bin/python3: install the Debian package python3");
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        let port = port.trim().parse().expect(
            "the test's mail server did not start: install the Debian package python3-aiosmtpd",
        );
        Self { folder, child, port }
    }

    fn relay(&self, tls: MailTls) -> RelaySettings {
        RelaySettings {
            host: "localhost".into(),
            port: Some(self.port),
            tls,
            user: None,
            password: None,
            ca_file: (tls != MailTls::None).then(|| self.folder.path().join("cert.pem")),
        }
    }

    /// From now on it makes this trouble; an empty text ends it.
    fn trouble(&self, json: &str) {
        std::fs::write(self.folder.path().join("trouble"), json).unwrap();
    }

    fn mails(&self) -> Vec<String> {
        (1..)
            .map_while(|n| {
                std::fs::read_to_string(self.folder.path().join(format!("mail-{n}.eml"))).ok()
            })
            .collect()
    }

    fn connections(&self) -> usize {
        let log = std::fs::read_to_string(self.folder.path().join("connections"));
        log.unwrap_or_default().lines().count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn mail(relays: Vec<RelaySettings>) -> Mail {
    Mail::open(MailSettings { from: "安铃 <anling@example.org>".into(), relays }).unwrap()
}

fn plain(server: &Server) -> Mail {
    mail(vec![server.relay(MailTls::None)])
}

fn call(n: u64) -> Letter {
    letter(Carrier::Mail, Class::Emergency, n)
}

async fn sent(mail: &Mail, letter: &Letter) -> Outcome {
    soon("an outcome", mail.carry(letter)).await
}

fn header<'a>(mail: &'a str, name: &str) -> Option<&'a str> {
    mail.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": ")).map(str::trim)
}

#[tokio::test]
async fn an_urgent_letter_arrives_with_its_priority_and_its_name() {
    let server = Server::start(&[]);
    let mail = plain(&server);
    assert_eq!(sent(&mail, &call(7)).await, Outcome::HandedOver);
    assert_eq!(sent(&mail, &letter(Carrier::Mail, Class::Service, 8)).await, Outcome::HandedOver);
    let [urgent, quiet] = &server.mails()[..] else { panic!("two mails") };
    assert_eq!(header(urgent, "X-Priority"), Some("1"));
    assert_eq!(header(urgent, "Auto-Submitted"), Some("auto-generated"));
    assert!(header(urgent, "Message-ID").unwrap().starts_with("<7-107-1."));
    assert!(header(urgent, "Subject").unwrap().starts_with("=?utf-8?b?"), "{urgent}");
    assert!(header(urgent, "Date").is_some());
    assert!(urgent.is_ascii(), "any relay can take it");
    assert_eq!(header(quiet, "X-Priority"), None);
}

#[tokio::test]
async fn the_same_order_keeps_its_message_id_over_a_restart() {
    let server = Server::start(&[]);
    assert_eq!(sent(&plain(&server), &call(7)).await, Outcome::HandedOver);
    let mut again = call(7);
    again.resent = true;
    assert_eq!(sent(&plain(&server), &again).await, Outcome::HandedOver);
    let [first, second] = &server.mails()[..] else { panic!("two mails") };
    assert_eq!(header(first, "Message-ID"), header(second, "Message-ID"));
}

#[tokio::test]
async fn one_connection_serves_letter_after_letter() {
    let server = Server::start(&[]);
    let mail = plain(&server);
    for n in 1..=5 {
        assert_eq!(sent(&mail, &call(n)).await, Outcome::HandedOver);
    }
    assert_eq!((server.mails().len(), server.connections()), (5, 1));
}

#[tokio::test]
async fn both_ways_of_tls_with_a_login() {
    for (option, tls) in [("--starttls", MailTls::StartTls), ("--implicit", MailTls::Implicit)] {
        let server = Server::start(&[option, "--login", "anling", "s3cret"]);
        let login = |password: &str| RelaySettings {
            user: Some("anling".into()),
            password: Some(Secret::new(password)),
            ..server.relay(tls)
        };
        assert_eq!(sent(&mail(vec![login("s3cret")]), &call(1)).await, Outcome::HandedOver);
        let refused = sent(&mail(vec![login("wrong")]), &call(2)).await;
        assert!(
            matches!(refused, Outcome::TryLater { .. }),
            "says nothing about the person: {refused:?}"
        );
        assert_eq!(server.mails().len(), 1);
    }
}

#[tokio::test]
async fn a_certificate_nobody_vouches_for_is_not_trusted() {
    for (option, tls) in [("--starttls", MailTls::StartTls), ("--implicit", MailTls::Implicit)] {
        let server = Server::start(&[option]);
        let stranger = RelaySettings { ca_file: None, ..server.relay(tls) };
        let outcome = sent(&mail(vec![stranger]), &call(1)).await;
        assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
        assert_eq!(server.mails().len(), 0);
    }
}

#[tokio::test]
async fn a_relay_that_offers_no_tls_gets_nothing_in_plain_text() {
    let server = Server::start(&[]);
    let outcome = sent(&mail(vec![server.relay(MailTls::StartTls)]), &call(1)).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
    assert_eq!(server.mails().len(), 0);
}

#[tokio::test]
async fn not_now_at_any_command_is_tried_later() {
    for command in ["EHLO", "MAIL", "RCPT", "DATA"] {
        let server = Server::start(&[]);
        server.trouble(&format!(r#"{{"{command}": "451 4.7.1 later"}}"#));
        let mail = plain(&server);
        let outcome = sent(&mail, &call(1)).await;
        assert!(matches!(outcome, Outcome::TryLater { .. }), "{command}: {outcome:?}");
        server.trouble("{}");
        assert_eq!(sent(&mail, &call(2)).await, Outcome::HandedOver, "after {command}");
    }
}

#[tokio::test]
async fn a_refused_message_goes_to_the_next_relay_and_is_refused_when_all_refuse() {
    for command in ["MAIL", "RCPT", "DATA"] {
        let (first, second) = (Server::start(&[]), Server::start(&[]));
        let refusal = format!(r#"{{"{command}": "550 5.1.1 unknown"}}"#);
        first.trouble(&refusal);
        let mail = mail(vec![first.relay(MailTls::None), second.relay(MailTls::None)]);
        assert_eq!(sent(&mail, &call(1)).await, Outcome::HandedOver, "{command}");
        assert_eq!(second.mails().len(), 1);
        second.trouble(&refusal);
        let outcome = sent(&mail, &call(2)).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{command}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_relay_that_refuses_us_says_nothing_about_the_person() {
    let server = Server::start(&[]);
    server.trouble(r#"{"EHLO": "554 5.7.1 not from your network"}"#);
    let outcome = sent(&plain(&server), &call(1)).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
}

#[tokio::test]
async fn a_connection_cut_before_the_message_is_tried_later() {
    for command in ["EHLO", "MAIL", "RCPT"] {
        let server = Server::start(&[]);
        server.trouble(&format!(r#"{{"{command}": "cut"}}"#));
        let outcome = sent(&plain(&server), &call(1)).await;
        assert!(matches!(outcome, Outcome::TryLater { .. }), "{command}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_connection_cut_after_the_message_is_unknown() {
    let server = Server::start(&[]);
    server.trouble(r#"{"DATA": "cut"}"#);
    let outcome = sent(&plain(&server), &call(1)).await;
    assert!(matches!(outcome, Outcome::Unknown { .. }), "{outcome:?}");
    assert_eq!(server.mails().len(), 1, "it was taken, and nobody could say so");
}

#[tokio::test]
async fn a_dead_server_costs_its_share_and_the_next_relay_takes_the_letter() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let silent = tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            kept.push(stream);
        }
    });
    let server = Server::start(&[]);
    let dead = RelaySettings { port: Some(port), ..server.relay(MailTls::None) };
    let mail = mail(vec![dead.clone(), server.relay(MailTls::None)]);
    assert_eq!(sent(&mail, &call(1)).await, Outcome::HandedOver);
    assert_eq!(sent(&mail, &call(2)).await, Outcome::HandedOver, "the dead one rests");
    silent.abort();
}

#[tokio::test]
async fn a_server_that_is_gone_is_tried_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let gone = RelaySettings {
        host: "127.0.0.1".into(),
        port: Some(port),
        tls: MailTls::None,
        user: None,
        password: None,
        ca_file: None,
    };
    let outcome = sent(&mail(vec![gone]), &call(1)).await;
    assert_eq!(
        outcome,
        Outcome::TryLater { why: "no connection to the relay".into(), after: None }
    );
}

#[tokio::test]
async fn a_server_that_says_goodbye_at_once_is_tried_later() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let busy = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"421 4.3.2 too busy\r\n").await;
        }
    });
    let server = Server::start(&[]);
    let relay = RelaySettings { port: Some(port), ..server.relay(MailTls::None) };
    let outcome = sent(&mail(vec![relay]), &call(1)).await;
    assert!(matches!(outcome, Outcome::TryLater { .. }), "{outcome:?}");
    busy.abort();
}

#[tokio::test]
async fn a_connection_the_server_closed_meanwhile_is_replaced() {
    let server = Server::start(&[]);
    let mail = plain(&server);
    assert_eq!(sent(&mail, &call(1)).await, Outcome::HandedOver);
    server.trouble(r#"{"MAIL": "cut"}"#);
    let cut = sent(&mail, &call(2)).await;
    assert!(matches!(cut, Outcome::TryLater { .. }), "{cut:?}");
    server.trouble("{}");
    assert_eq!(sent(&mail, &call(3)).await, Outcome::HandedOver);
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
async fn a_letter_that_was_given_up_half_way_leaves_no_answer_for_the_next() {
    let server = Server::start(&[]);
    let mail = plain(&server);
    assert_eq!(sent(&mail, &call(1)).await, Outcome::HandedOver);
    server.trouble(r#"{"MAIL": 1}"#);
    let given_up = tokio::time::timeout(Duration::from_millis(200), mail.carry(&call(2))).await;
    assert!(given_up.is_err());
    server.trouble("{}");
    assert_eq!(sent(&mail, &call(3)).await, Outcome::HandedOver);
    let mails = server.mails();
    assert_eq!(mails.len(), 2);
    assert!(header(&mails[1], "Message-ID").unwrap().starts_with("<3-"));
}

#[tokio::test]
async fn somebody_without_an_address_is_refused_without_a_connection() {
    let server = Server::start(&[]);
    let mail = plain(&server);
    for address in
        ["", "李建国", "a@b@c", "x@example.org\r\nRCPT TO:<y@example.org>", "李@example.org"]
    {
        let mut letter = call(1);
        letter.to.email = address.into();
        let outcome = sent(&mail, &letter).await;
        assert!(matches!(outcome, Outcome::Refused { .. }), "{address}: {outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_name_that_tries_to_add_a_header_adds_none() {
    let server = Server::start(&[]);
    let mut letter = call(1);
    letter.notice = Notice::Closed;
    letter.to.name = "李\r\nBcc: y@example.org".into();
    letter.residents = vec!["王\r\n\r\n.\r\nMAIL FROM:<z@example.org>".into()];
    assert_eq!(sent(&plain(&server), &letter).await, Outcome::HandedOver);
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert_eq!(header(&mails[0], "Bcc"), None);
}
