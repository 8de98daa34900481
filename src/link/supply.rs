//! What the box runs on: a file of the kernel, or an uninterruptible supply that NUT reads.
//!
//! Both are asked every two seconds and say one of three things: the mains are there, they are gone, or
//! nobody knows. The last one is no cut: a NUT that is being restarted must not wake anybody, and says
//! nothing of the mains. NUT's text protocol (RFC 9271) is spoken here, read only and without an
//! account: one `LIST VAR` brings everything that is asked. Chosen over a library, because it is one
//! question.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::terms::{SupplySource as Source, Wait};

/// How often is asked. Own choice, with the field notes' "at once" in mind.
const EVERY: Duration = Duration::from_secs(2);
/// How long an answer may take; NUT's own clients wait as long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest answer in bytes; a supply has a hundred variables at most.
const ANSWER_MAX: u64 = 64 << 10;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reading {
    /// Nobody knows, and why.
    Unknown(String),
    /// It is known.
    Known {
        /// On its battery.
        on_battery: bool,
        /// What is left in the battery in percent.
        battery: Option<u8>,
        /// How long that lasts.
        runtime: Option<Wait>,
        /// The supply says that its battery is nearly empty.
        low: bool,
    },
}

/// Asks for ever, until nobody listens.
pub fn ask(source: Source) -> watch::Receiver<Reading> {
    let (say, heard) = watch::channel(Reading::Unknown("not asked yet".to_owned()));
    tokio::spawn(async move {
        let mut line = None;
        loop {
            let reading = match &source {
                Source::File(path) => of_file(path).await,
                Source::Nut { ups, server } => of_nut(&mut line, ups, server).await,
            };
            say.send_if_modified(|said| std::mem::replace(said, reading.clone()) != reading);
            tokio::select! {
                () = say.closed() => return,
                () = sleep(EVERY) => {}
            }
        }
    });
    heard
}

async fn of_file(path: &Path) -> Reading {
    let text = match tokio::fs::read_to_string(path).await {
        Ok(text) => text,
        Err(why) => return Reading::Unknown(format!("{} cannot be read: {why}", path.display())),
    };
    let on_battery = match text.trim() {
        "0" => true,
        "1" => false,
        _ => return Reading::Unknown(format!("{} says neither 0 nor 1", path.display())),
    };
    Reading::Known { on_battery, battery: None, runtime: None, low: false }
}

type Line = BufReader<TcpStream>;

async fn of_nut(line: &mut Option<Line>, ups: &str, server: &str) -> Reading {
    let answer = timeout(PATIENCE, asked(line, ups, server)).await;
    let answer = answer.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match answer {
        Ok(text) => read(&text),
        Err(why) => {
            // What is left of an answer that was cut belongs to no question.
            *line = None;
            Reading::Unknown(format!("NUT at {server} does not answer: {why}"))
        }
    }
}

/// The whole answer to `LIST VAR`, or the line that refuses it.
async fn asked(line: &mut Option<Line>, ups: &str, server: &str) -> io::Result<String> {
    let open = match line.take() {
        Some(open) => open,
        None => BufReader::new(TcpStream::connect(server).await?),
    };
    let open = line.insert(open);
    open.write_all(format!("LIST VAR {ups}\n").as_bytes()).await?;
    let mut answer = String::new();
    loop {
        let before = answer.len();
        let room = ANSWER_MAX.saturating_sub(before as u64);
        open.take(room).read_line(&mut answer).await?;
        let last = &answer[before..];
        if !last.ends_with('\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if last.starts_with("END LIST VAR") || last.starts_with("ERR ") {
            return Ok(answer);
        }
    }
}

/// What an answer says.
fn read(answer: &str) -> Reading {
    if let Some(refused) = answer.lines().find_map(|line| line.strip_prefix("ERR ")) {
        return Reading::Unknown(format!("NUT says {refused}"));
    }
    let value = |name: &str| answer.lines().find_map(|line| value(line, name));
    let Some(status) = value("ups.status") else {
        return Reading::Unknown("NUT knows no ups.status".to_owned());
    };
    let says = |flag: &str| status.split_whitespace().any(|word| word == flag);
    let on_battery = match (says("OB"), says("OL")) {
        (true, _) => true,
        (false, true) => false,
        (false, false) => return Reading::Unknown(format!("the supply says {status:?}")),
    };
    let number =
        |name: &str| value(name)?.parse::<f64>().ok().filter(|n| n.is_finite() && *n >= 0.0);
    Reading::Known {
        on_battery,
        battery: number("battery.charge").map(|percent| percent.min(100.0) as u8),
        runtime: number("battery.runtime").map(|secs| Wait::secs(secs.min(1e9) as u64)),
        low: says("LB") || says("FSD"),
    }
}

/// The value of a variable, from `VAR <ups> <name> "<value>"`.
fn value(line: &str, name: &str) -> Option<String> {
    let mut words = line.splitn(4, ' ');
    if words.next()? != "VAR" {
        return None;
    }
    let (_, named, quoted) = (words.next()?, words.next()?, words.next()?);
    let inner = quoted.trim_end().strip_prefix('"')?.strip_suffix('"')?;
    (named == name).then(|| {
        let mut escaped = false;
        let plain = |c: &char| {
            escaped = *c == '\\' && !escaped;
            !escaped
        };
        inner.chars().filter(plain).collect()
    })
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    const ON_BATTERY: &str = "BEGIN LIST VAR ups\nVAR ups battery.charge \"61\"\n\
        VAR ups battery.runtime \"2520\"\nVAR ups ups.mfr \"A \\\"B\\\" C\"\n\
        VAR ups ups.status \"OB DISCHRG\"\nEND LIST VAR ups\n";

    fn known(on_battery: bool, battery: Option<u8>, secs: Option<u64>, low: bool) -> Reading {
        Reading::Known { on_battery, battery, runtime: secs.map(Wait::secs), low }
    }

    #[test]
    fn an_answer_of_nut_is_read() {
        assert_eq!(read(ON_BATTERY), known(true, Some(61), Some(2_520), false));
        let quoted = ON_BATTERY.lines().find_map(|line| value(line, "ups.mfr"));
        assert_eq!(quoted.as_deref(), Some("A \"B\" C"));
        for (line, reading) in [
            ("VAR ups ups.status \"OL CHRG\"\n", known(false, None, None, false)),
            ("VAR ups ups.status \"OB LB\"\n", known(true, None, None, true)),
            ("VAR ups ups.status \"FSD OB\"\n", known(true, None, None, true)),
        ] {
            assert_eq!(read(line), reading, "{line}");
        }
    }

    #[test]
    fn what_says_nothing_of_the_mains_is_no_cut() {
        for answer in [
            "ERR DATA-STALE\n",
            "ERR UNKNOWN-UPS\n",
            "VAR ups ups.status \"BYPASS\"\n",
            "VAR ups battery.charge \"7\"\n",
            "VAR ups ups.status OB\n",
            "",
            "\u{0}",
        ] {
            assert!(matches!(read(answer), Reading::Unknown(_)), "{answer:?}");
        }
    }

    #[test]
    fn a_supply_is_named_with_its_server() {
        let at = |ups: &str, server: &str| {
            Some(Source::Nut { ups: ups.to_owned(), server: server.to_owned() })
        };
        assert_eq!(Source::nut("ups@localhost:3493"), at("ups", "localhost:3493"));
        assert_eq!(Source::nut("rack@10.0.0.7"), at("rack", "10.0.0.7:3493"));
        assert_eq!(Source::nut("ups@[::1]:99"), at("ups", "[::1]:99"));
        for text in ["", "ups", "@localhost", "ups@", "u ps@h", "ups@h:x", "ups\n@h"] {
            assert_eq!(Source::nut(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn a_server_that_goes_away_is_asked_anew_and_an_answer_cut_in_the_middle_is_none() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            for answer in [&ON_BATTERY[..70], ON_BATTERY] {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut asked = [0; 64];
                let length = stream.read(&mut asked).await.unwrap();
                assert_eq!(&asked[..length], b"LIST VAR ups\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        let mut line = None;
        assert!(matches!(of_nut(&mut line, "ups", &server).await, Reading::Unknown(_)));
        let reading = of_nut(&mut line, "ups", &server).await;
        assert_eq!(reading, known(true, Some(61), Some(2_520), false));
    }

    #[tokio::test]
    async fn a_file_says_0_or_1_and_anything_else_is_unknown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("online");
        assert!(matches!(of_file(&path).await, Reading::Unknown(_)));
        for (text, on_battery) in [("1\n", Some(false)), ("0\n", Some(true)), ("2\n", None)] {
            std::fs::write(&path, text).unwrap();
            let found = match of_file(&path).await {
                Reading::Known { on_battery, .. } => Some(on_battery),
                Reading::Unknown(_) => None,
            };
            assert_eq!(found, on_battery, "{text}");
        }
    }
}
