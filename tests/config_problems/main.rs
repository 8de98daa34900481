//! Problems of the config directory: each code once, as people see it; many at once; none in the
//! directory that is shipped; and no text that stops the check.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test stops at what should not be")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anling::config::{
    Checked, Files, Look, Secrets, Severity, check, codes, compare, look_at_brokers, other_hub,
    read, render,
};
use anling::incident::{Ladder, Who};
use anling::registry::{Change, Registry, Row};
use anling::terms::{Class, HubId, LineId, PersonId, Wait};
use serde::Deserialize;

mod bots;
mod many;
mod shipped;

/// Columns of the snapshots.
const WIDTH: usize = 90;

#[derive(Deserialize)]
struct Cases {
    case: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    code: String,
    /// File, text to find (`*` is all of it), text to put there.
    edits: Vec<(String, String, String)>,
}

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config_problems").join(path)
}

/// The small good directory that the cases start from.
fn base() -> Files {
    read(&here("base"))
}

/// A set with some texts replaced; an edit that finds nothing fails the test.
fn edited(files: &Files, edits: &[(String, String, String)]) -> Files {
    let mut texts: Vec<(&str, String)> =
        files.texts().map(|(name, text)| (name, text.to_owned())).collect();
    for (file, find, put) in edits {
        let (_, text) = texts.iter_mut().find(|(name, _)| name == file).expect("a known file");
        if find == "*" {
            *text = put.clone();
        } else {
            assert!(text.contains(find), "{file} does not hold {find}");
            *text = text.replacen(find, put, 1);
        }
    }
    Files::of("test", texts.iter().map(|(name, text)| (*name, text.as_str())))
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(here("cases.toml")).unwrap();
    toml::from_str::<Cases>(&text).unwrap().case
}

/// What people see, with the name of the snapshot.
fn shown(name: &str, checked: &Checked, files: &Files) {
    let text = render(&checked.problems, files, Look::Plain, WIDTH);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

fn codes_of(checked: &Checked) -> Vec<&'static str> {
    checked.problems.iter().map(|problem| problem.code).collect()
}

#[test]
fn the_directory_the_cases_start_from_has_no_problem() {
    let checked = check(&base());
    assert_eq!(codes_of(&checked), [""; 0]);
    assert!(checked.settings.is_some());
}

#[test]
fn each_problem_reads_as_its_snapshot() {
    for case in cases() {
        let files = edited(&base(), &case.edits);
        let checked = check(&files);
        assert!(
            checked.problems.iter().any(|problem| problem.code == case.code),
            "{} is not found, but {:?}",
            case.code,
            codes_of(&checked)
        );
        let graves = checked.problems.iter().any(|p| p.severity == Severity::Problem);
        assert_eq!(checked.settings.is_none(), graves, "{}", case.code);
        for problem in &checked.problems {
            assert!(!problem.help.is_empty() && !problem.message.is_empty(), "{problem:?}");
        }
        shown(&case.code, &checked, &files);
    }
}

#[test]
fn files_that_say_otherwise_than_the_record_are_a_warning() {
    let files = base();
    let rows = check(&files).settings.unwrap().rows;
    let mut record = Registry::default();
    rows.iter().for_each(|row| record.apply(&Change::Set(row.clone())));
    assert_eq!(compare(&files, &rows, &record), []);
    for row in rows.iter().filter(|row| matches!(row, Row::Device(_))) {
        record.apply(&Change::Removed(row.id()));
    }
    for row in rows {
        if let Row::Person(mut person) = row {
            person.phone.push('9');
            record.apply(&Change::Set(Row::Person(person.clone())));
            person.id = PersonId::new(&format!("{}-2", person.id)).unwrap();
            record.apply(&Change::Set(Row::Person(person)));
        }
    }
    let rows = check(&files).settings.unwrap().rows;
    let problems = compare(&files, &rows, &record);
    let checked = Checked { problems, ..check(&files) };
    shown("registry-differs", &checked, &files);
}

#[test]
fn another_id_than_the_records_is_a_warning_at_its_line() {
    let files = base();
    let checked = check(&files);
    let settings = checked.settings.clone().unwrap();
    assert_eq!(other_hub(&files, &settings, &settings.gateway.hub), None);
    let told = other_hub(&files, &settings, &HubId::new("zs-before").unwrap()).unwrap();
    shown("hub-id-changed", &Checked { problems: vec![told], ..checked }, &files);
}

#[test]
fn a_plan_that_the_record_cannot_hold_is_a_problem_before_the_start() {
    let rules: String = (0..300)
        .map(|n| {
            format!(
                "[rule.extra-{n}]\nline = \"first\"\ndays = [\"sat\"]\nhours = \"08:00-20:00\"\n\
                 people = [\"wangli\"]\n"
            )
        })
        .collect();
    let edit = ("roster.toml".to_owned(), "# end".to_owned(), rules);
    let files = edited(&base(), &[edit]);
    let checked = check(&files);
    assert!(checked.settings.is_none());
    let told = checked.problems.iter().find(|p| p.code == "too-long-for-the-record").unwrap();
    shown("too-long-for-the-record", &Checked { problems: vec![told.clone()], ..checked }, &files);
}

#[test]
fn a_list_saved_by_chinese_windows_is_read_in_the_directory_too() {
    let dir = copy();
    let row = b"id,name,role,phone\r\nzhangmin,\xd5\xc5\xc3\xf4,lead,1\r\n";
    fs::write(dir.path().join("registry/people.csv"), row).unwrap();
    assert!(read(dir.path()).text("registry/people.csv").unwrap().contains("张敏"));
    fs::write(dir.path().join("registry/people.csv"), b"PK\x03\x04xl/workbook.xml").unwrap();
    let problems = check(&read(dir.path())).problems;
    assert!(problems.iter().any(|p| p.message.contains("is a workbook")), "{problems:?}");
}

/// A copy of the base directory that a test may damage.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("registry")).unwrap();
    for (name, text) in base().texts() {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn damaged(name: &str, damage: impl FnOnce(&Path)) {
    let dir = copy();
    damage(dir.path());
    let files = read(dir.path());
    let checked = check(&files);
    assert!(codes_of(&checked).contains(&name), "{name}: {:?}", codes_of(&checked));
    shown(name, &checked, &files);
}

#[test]
fn files_that_are_none_read_as_their_snapshots() {
    damaged("file-missing", |dir| fs::remove_file(dir.join("ladders.toml")).unwrap());
    damaged("registry-file-missing", |dir| {
        fs::remove_file(dir.join("registry/people.csv")).unwrap();
    });
    damaged("file-unreadable", |dir| {
        fs::remove_file(dir.join("notify.toml")).unwrap();
        fs::create_dir(dir.join("notify.toml")).unwrap();
    });
    damaged("file-not-utf8", |dir| {
        let row = b"id,name,role\nzhangmin,\xd5\xc5\xff\xf4,lead\n";
        fs::write(dir.join("registry/people.csv"), row).unwrap();
    });
    damaged("file-too-large", |dir| {
        let film = fs::File::create(dir.join("roster.toml")).unwrap();
        film.set_len(anling::config::FILE_MAX_BYTES + 1).unwrap();
    });
    damaged("unknown-file", |dir| fs::write(dir.join("ladder.toml"), "").unwrap());
    let files = read(Path::new("no/such/directory"));
    shown("no-config-dir", &check(&files), &files);
}

#[test]
fn secrets_read_as_their_snapshots() {
    let files = base();
    let checked = check(&files);
    // In a place of its own name, so that the message is the same on every machine.
    let nowhere = Secrets { credentials: None, dirs: vec![PathBuf::from("state/secrets")] };
    let problems = nowhere.check(&checked.secrets, &files);
    shown("secret-missing", &Checked { problems, ..checked.clone() }, &files);
    let dir = tempfile::tempdir().unwrap();
    for wanted in &checked.secrets {
        let path = dir.path().join(&wanted.name);
        fs::write(&path, "x").unwrap();
        let mode = if wanted.name == "hall" { 0o644 } else { 0o600 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let open = Secrets { credentials: None, dirs: vec![dir.path().to_owned()] };
    let mut problems = open.check(&checked.secrets, &files);
    for problem in &mut problems {
        let place = dir.path().display().to_string();
        problem.message = problem.message.replace(&place, "state/secrets");
    }
    shown("secret-mode", &Checked { problems, ..checked }, &files);
}

#[test]
fn the_settings_of_a_broker_elsewhere_read_as_their_snapshots() {
    let dir = tempfile::tempdir().unwrap();
    for (code, settings) in [
        ("broker-queue", Some("persistence true\n")),
        ("broker-forgets", Some("max_queued_messages 0\n")),
        ("broker-conf-unread", None),
    ] {
        let path = dir.path().join(code);
        if let Some(text) = settings {
            fs::write(&path, text).unwrap();
        }
        let table = format!(
            "[link.mqtt.home]\nhost = \"127.0.0.1\"\nmosquitto_conf = \"{}\"",
            path.display()
        );
        let files = edited(&base(), &[("links.toml".into(), "# end".into(), table)]);
        let checked = check(&files);
        assert_eq!(codes_of(&checked), [""; 0]);
        let mut problems = look_at_brokers(&checked.confs, &files);
        assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [code]);
        for problem in &mut problems {
            let place = path.display().to_string();
            problem.message = problem.message.replace(&place, "/etc/mosquitto/mosquitto.conf");
        }
        // The same file on every machine.
        let table = "[link.mqtt.home]\nhost = \"127.0.0.1\"\n\
                     mosquitto_conf = \"/etc/mosquitto/mosquitto.conf\"";
        let shown_files = edited(&base(), &[("links.toml".into(), "# end".into(), table.into())]);
        shown(code, &Checked { problems, ..checked }, &shown_files);
    }
}

#[test]
fn every_code_has_a_snapshot_and_every_snapshot_a_code() {
    let snapshots: BTreeSet<String> = fs::read_dir(here("snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".snap").map(str::to_owned))
        .collect();
    for code in codes::ALL {
        assert!(snapshots.contains(code.word), "{} has no snapshot", code.word);
    }
    let registry = anling::registry::csv::CODES.map(|(code, ..)| code);
    for name in snapshots.iter().filter(|name| !["bots", "ten-mistakes"].contains(&name.as_str())) {
        let ours = codes::ALL.iter().any(|code| code.word == name);
        assert!(ours || registry.contains(&name.as_str()), "{name} is no code");
    }
    for code in registry {
        assert!(codes::ALL.iter().all(|ours| ours.word != code), "{code} means two things");
    }
}
