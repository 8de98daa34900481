//! What the commands say, word for word, where people and scripts rely on it.
//!
//! The expected texts stand in `tests/house/transcripts/`; `ANLING_TRANSCRIPTS=write` writes them
//! anew.

use std::path::Path;

use crate::hub::{Hub, Said, anling, run};

/// Compares with the expected text of this name.
pub fn same(name: &str, found: &str) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/house/transcripts");
    let path = dir.join(format!("{name}.txt"));
    if std::env::var("ANLING_TRANSCRIPTS").is_ok_and(|wish| wish == "write") {
        std::fs::create_dir_all(dir).unwrap();
        std::fs::write(path, found).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == found,
        "{name}.txt says otherwise\n--- expected ---\n{expected}\n--- found ---\n{found}"
    );
}

fn transcript(asked: &str, said: &Said, hidden: &[(&str, &str)]) -> String {
    let mut text = format!("$ anling {asked}\n{}", said.out);
    if !said.err.is_empty() {
        text.push_str(&format!("[stderr]\n{}", said.err));
    }
    text.push_str(&format!("[exit {}]\n\n", said.code));
    hidden.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

#[test]
fn help_says_what_there_is() {
    let version = env!("CARGO_PKG_VERSION");
    let mut text = String::new();
    for asked in [
        "--help",
        "run --help",
        "press --help",
        "incident --help",
        "import --help",
        "export --help",
        "restore --help",
        "--version",
    ] {
        let args: Vec<&str> = asked.split(' ').collect();
        text.push_str(&transcript(asked, &run(&args), &[(version, "VERSION")]));
    }
    same("help", &text);
}

#[test]
fn a_wrong_command_is_2_a_missing_config_3_and_no_hub_4() {
    let hub = Hub::prepared();
    let dir = hub.path("");
    let dir = dir.to_str().unwrap().trim_end_matches('/');
    let config = hub.config().display().to_string();
    let mut text = String::new();
    for (asked, code) in [
        ("", 2),
        ("dance", 2),
        ("press", 2),
        ("press B-02 --kind waltz", 2),
        ("press B-02 --count 0", 2),
        ("press B --from-devices 5 --count 3", 2),
        ("press B/5", 2),
        ("press B+", 2),
        ("press #", 2),
        ("press native-mqtt:B-02", 2),
        ("journal export --from 9 --to 3", 2),
        ("journal export --to 0", 2),
        ("roster --at tomorrow", 2),
        ("incident A01 resolve --ending sung --as zhangmin", 2),
        ("incident A01 follow-up --score 9 --as zhangmin", 2),
        ("status", 4),
        ("import", 4),
        ("import residents.csv --remove --skip-bad", 2),
        ("incidents", 4),
        ("incident A01 accept --as zhangmin", 4),
        ("press B-02 --broker 127.0.0.1:1", 4),
        ("press B-02", 4),
    ] {
        let mut args = vec!["--config", &config];
        args.extend(asked.split(' ').filter(|word| !word.is_empty()));
        let said = run(if asked.is_empty() { &[] } else { &args });
        assert_eq!(said.code, code, "{asked}: {said:?}");
        if code != 2 {
            text.push_str(&transcript(asked, &said, &[(dir, "DIR")]));
        }
    }
    for asked in ["status", "run", "check", "press B-02", "roster", "journal verify"] {
        let mut args = vec!["--config", "/nowhere/at/all"];
        args.extend(asked.split(' '));
        let said = run(&args);
        let code = if asked == "check" { 1 } else { 3 };
        assert_eq!(said.code, code, "{asked}: {said:?}");
        text.push_str(&transcript(&format!("--config /nowhere/at/all {asked}"), &said, &[]));
    }
    same("refusals", &text);
}

#[test]
fn a_record_that_is_not_there_is_5() {
    let hub = Hub::prepared();
    let said = hub.cli(&["journal", "verify"]);
    assert_eq!(said.code, 5, "{said:?}");
    assert_eq!(said.err.trim_end().lines().count(), 1, "{said:?}");
}

/// What a command says and how it ends when the reader of its output has gone away before it wrote.
fn into_a_closed_pipe(hub: &Hub, asked: &str) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = anling();
    command.arg("--config").arg(hub.config()).args(asked.split(' ')).stdout(writer);
    let output = command.output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_has_seen_enough_is_a_quiet_end_of_every_command() {
    let hub = Hub::open();
    hub.does(&["press", "B-02"]);
    for asked in [
        "--help",
        "status",
        "status --json",
        "incidents",
        "incident A01",
        "incident A01 accept --as zhangmin",
        "roster --days 7",
        "press B-02",
        "check",
        "journal tail",
        "journal verify",
        "journal export",
    ] {
        assert_eq!(into_a_closed_pipe(&hub, asked), (Some(0), String::new()), "{asked}");
    }
}

#[test]
fn a_closed_standard_error_is_no_bug() {
    let hub = Hub::prepared();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = anling();
    command.arg("--config").arg(hub.config()).arg("status").stderr(writer);
    assert_eq!(command.output().unwrap().status.code(), Some(4));
}
