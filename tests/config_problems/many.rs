//! Many problems at once, and texts nobody would write.

use proptest::prelude::*;

use super::*;

fn edit(file: &str, find: &str, put: &str) -> (String, String, String) {
    (file.to_owned(), find.to_owned(), put.to_owned())
}

/// Ten slips of one afternoon, in seven files.
fn ten() -> Files {
    edited(
        &base(),
        &[
            edit("gateway.toml", "\"127.0.0.1:0\"", "\"0.0.0.0:7580\""),
            edit("links.toml", "device = \"B-14\"", "device = \"B-41\""),
            edit("devices.toml", "family = \"zigbee2mqtt\"", "family = \"zigbee\""),
            edit("ladders.toml", "wait = \"60s\"", "wiat = \"60s\""),
            edit("ladders.toml", "\"line:lead\"", "\"line:laed\""),
            edit("ladders.toml", "wait = \"90s\"", "wait = \"9min\""),
            edit("notify.toml", "\"starttls\"", "\"none\""),
            edit("roster.toml", "\"Asia/Shanghai\"", "\"Asia/Shanghia\""),
            edit("roster.toml", "\"08:00-20:00\"", "\"8-20\""),
            edit("registry/people.csv", ",staff,", ",stuff,"),
        ],
    )
}

#[test]
fn ten_mistakes_are_told_at_once_each_on_its_line() {
    let files = ten();
    let checked = check(&files);
    assert!(checked.settings.is_none());
    let told: BTreeSet<(&str, &str, usize)> = checked
        .problems
        .iter()
        .map(|problem| (problem.code, problem.file.as_str(), problem.line.unwrap()))
        .collect();
    for expected in [
        ("address-not-loopback", "gateway.toml", 6),
        ("unknown-device", "links.toml", 18),
        ("bad-word", "devices.toml", 8),
        ("unknown-key", "ladders.toml", 3),
        ("unknown-line", "ladders.toml", 4),
        ("step-too-long", "ladders.toml", 4),
        ("plain-mail", "notify.toml", 8),
        ("unknown-zone", "roster.toml", 1),
        ("bad-hours", "roster.toml", 15),
        ("role-unknown", "registry/people.csv", 3),
    ] {
        assert!(told.contains(&expected), "{expected:?} is not among {told:#?}");
    }
    shown("ten-mistakes", &checked, &files);
}

#[test]
fn a_syntax_error_in_one_file_hides_nothing_in_the_others() {
    let mut edits = vec![edit("roster.toml", "[line.first]", "[line.first")];
    edits.push(edit("ladders.toml", "wait = \"90s\"", "wait = \"9min\""));
    edits.push(edit("links.toml", "local = true", "locl = true"));
    let codes = codes_of(&check(&edited(&base(), &edits)));
    for code in ["toml-syntax", "step-too-long", "unknown-key"] {
        assert!(codes.contains(&code), "{code} is not among {codes:?}");
    }
    assert!(!codes.contains(&"unknown-line"), "lines of a broken roster are not missed: {codes:?}");
}

#[test]
fn files_saved_on_windows_are_read_and_their_lines_counted_alike() {
    let windows = |files: &Files| {
        let text = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
        let texts: Vec<_> = files.texts().map(|(name, unix)| (name, text(unix))).collect();
        Files::of("test", texts.iter().map(|(name, text)| (*name, text.as_str())))
    };
    assert_eq!(codes_of(&check(&windows(&base()))), [""; 0]);
    let lines = |checked: Checked| -> Vec<_> {
        checked.problems.into_iter().map(|problem| (problem.code, problem.line)).collect()
    };
    assert_eq!(lines(check(&windows(&ten()))), lines(check(&ten())));
}

#[test]
fn problems_as_json_keep_their_form() {
    let checked = check(&ten());
    let first = serde_json::to_value(&checked.problems[0]).unwrap();
    let expected = serde_json::json!({
        "severity": "problem",
        "code": "address-not-loopback",
        "file": "gateway.toml",
        "line": 6,
        "column": 10,
        "message": "the console would listen on 0.0.0.0:7580",
        "help": "use 127.0.0.1: there is no sign-in yet; `lan` opens the one-tap pages to the network",
    });
    assert_eq!(first, expected);
}

#[test]
fn nothing_is_coloured_unless_asked_for() {
    let files = ten();
    let problems = check(&files).problems;
    assert!(!render(&problems, &files, Look::Plain, WIDTH).contains('\u{1b}'));
    assert!(render(&problems, &files, Look::Colour, WIDTH).contains('\u{1b}'));
}

/// Whatever a check says must also be tellable, and it says why there are no settings.
fn survives(files: &Files) {
    let checked = check(files);
    let graves = checked.problems.iter().any(|problem| problem.severity == Severity::Problem);
    assert_eq!(checked.settings.is_none(), graves, "settings exactly when nothing forbids them");
    let _ = render(&checked.problems, files, Look::Plain, 40);
    for problem in &checked.problems {
        let _ = anling::config::one_line(problem);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_in_any_file_is_answered(
        at in 0..Files::NAMES.len(),
        text in prop_oneof!["\\PC{0,200}", "[a-z0-9 \\[\\]{}=\".,#\n-]{0,300}", any::<String>()],
    ) {
        let base = base();
        let texts = base.texts().filter(|(name, _)| *name != Files::NAMES[at]);
        let texts: Vec<_> = texts.chain([(Files::NAMES[at], text.as_str())]).collect();
        survives(&Files::of("test", texts));
    }

    #[test]
    fn a_good_file_with_bytes_cut_out_or_put_in_is_answered(
        at in 0..Files::NAMES.len(),
        place in any::<prop::sample::Index>(),
        gone in 0usize..40,
        put in "[\\PC\n]{0,5}",
    ) {
        let base = base();
        let name = Files::NAMES[at];
        let text = base.text(name).unwrap_or_default();
        let start = text.floor_char_boundary(place.index(text.len() + 1));
        let end = text.ceil_char_boundary((start + gone).min(text.len()));
        let changed = format!("{}{put}{}", &text[..start], &text[end..]);
        let texts = base.texts().filter(|(other, _)| *other != name);
        let texts: Vec<_> = texts.chain([(name, changed.as_str())]).collect();
        survives(&Files::of("test", texts));
    }
}

fn with_life(rule: &str) -> Checked {
    let end = "# end of sos-button";
    check(&edited(&base(), &[edit("devices.toml", end, &format!("{end}\n[life.day]\n{rule}"))]))
}

#[test]
fn every_slip_in_a_rule_for_signs_of_life_is_told() {
    let checked = with_life(
        "windows = [\"6-10\"]\nsigns = [\"dor\"]\nhomes = [\"\"]\nowner = \"\"\ntypes = { nothing = \"door\" }\nwho = 1\n",
    );
    let told: Vec<&str> = checked.problems.iter().map(|problem| problem.code).collect();
    for code in ["bad-hours", "bad-word", "bad-id", "unknown-key"] {
        assert!(told.contains(&code), "{code} is not among {told:?}");
    }
    let nothing = with_life("");
    let told: Vec<&str> = nothing.problems.iter().map(|problem| problem.code).collect();
    assert_eq!(told.iter().filter(|code| **code == "key-missing").count(), 3, "{told:?}");
}

#[test]
fn a_rule_for_signs_of_life_is_read() {
    let checked = with_life(
        "windows = [\"06:00-10:00\"]\nsigns = [\"door\", \"meal\"]\ntypes = { sos-button = \"check_in\" }\n",
    );
    let settings = checked.settings.unwrap();
    let rule = &settings.life["day"];
    assert_eq!((rule.windows.len(), rule.signs.len(), rule.types.len()), (1, 2, 1));
    assert_eq!((rule.homes.len(), rule.owner.as_ref()), (0, None));
}

#[test]
fn an_owner_of_a_rule_who_is_nobody_is_a_problem() {
    let rule = "windows = [\"06:00-10:00\"]\nsigns = [\"door\"]\nhomes = [\"H1\"]\nowner = ";
    assert_eq!(codes_of(&with_life(&format!("{rule}\"zhangmin\"\n"))), [""; 0]);
    assert_eq!(codes_of(&with_life(&format!("{rule}\"zhangmn\"\n"))), ["unknown-person"]);
}

fn with_neighbour(consent: &str, wall: Option<anling::terms::Wall>) -> Vec<&'static str> {
    let steps = edit(
        "ladders.toml",
        "[\"line:first\"], by = [\"screen\"]",
        "[\"contact:neighbour\"], by = [\"mail\"]",
    );
    let files = edited(&base(), &[steps]);
    let list = format!("id,relation,home,consent,consent_until\nn1,邻居,H1,{consent}\n");
    let mut texts: Vec<(&str, &str)> = files.texts().collect();
    texts.push(("registry/contacts.csv", &list));
    codes_of(&anling::config::check_at(&Files::of("test", texts), wall))
}

#[test]
fn a_step_of_contacts_alone_by_the_duty_rooms_own_screen_is_a_problem() {
    let to = "who = [\"contact:neighbour\"], by = [\"screen\"], wait = \"10min\"";
    let from = "who = [\"line:first\"], by = [\"screen\"], wait = \"10min\"";
    let files = edited(&base(), &[edit("ladders.toml", from, to)]);
    let mut texts: Vec<(&str, &str)> = files.texts().collect();
    let list = "id,relation,home,consent\nn1,邻居,H1,2026-10-01\n";
    texts.push(("registry/contacts.csv", list));
    assert_eq!(codes_of(&check(&Files::of("test", texts))), ["rung-reaches-nobody"]);
}

#[test]
fn a_step_of_contacts_of_whom_nobody_agrees_any_more_is_a_warning() {
    // 23 November 2026, 10:00 in Shanghai.
    let now = Some(anling::terms::Wall(1_795_399_200_000));
    assert_eq!(with_neighbour("2026-10-01,", now), [""; 0]);
    assert_eq!(with_neighbour("2026-10-01,2026-11-22", None), [""; 0], "on a day nobody knows");
    for consent in ["2026-10-01,2026-11-22", "2026-11-24,", ","] {
        assert_eq!(with_neighbour(consent, now), ["no-consent"], "{consent}");
    }
}

#[test]
fn stations_are_read_with_their_lines_and_every_slip_in_them_is_told() {
    let with = |table: &str| {
        let end = "# end of console";
        check(&edited(&base(), &[edit("gateway.toml", end, &format!("{end}\n{table}"))]))
    };
    let good = with("[station.hepan]\nlabel = \"河畔驿站\"\nlines = { first = \"lead\" }\n");
    let stations = good.settings.unwrap().roster.stations;
    let (id, station) = stations.first_key_value().unwrap();
    assert_eq!(
        (id.as_str(), station.label.as_str(), station.lines.len()),
        ("hepan", "河畔驿站", 1)
    );
    let bad = with("[station.hepan]\nlines = { frist = \"lead\", first = \"leed\" }\nwho = 1\n");
    assert_eq!(codes_of(&bad), ["key-missing", "unknown-line", "unknown-line", "unknown-key"]);
}

/// People are called by short message over one modem, by these carriers in the first steps.
fn with_sms(by: &str, phones: bool) -> Files {
    let modem = "[link.modem.front]\npath = \"/dev/serial/by-id/usb-modem\"\nprofile = \"ec25\"\n";
    let mut edits = vec![
        edit("links.toml", "# end", modem),
        edit("notify.toml", "# end", "[sms]\nmodems = [\"front\"]\n"),
        edit("ladders.toml", "by = [\"screen\", \"mail\"]", by),
        edit("ladders.toml", "by = [\"mail\"]", by),
    ];
    if phones {
        edits.push(edit("registry/people.csv", "00000000001", "+86 13800138001"));
    }
    edited(&base(), &edits)
}

#[test]
fn a_step_by_sms_that_reaches_nobody_is_a_problem_and_somebody_without_a_number_a_warning() {
    let told = |files: &Files| -> Vec<(&'static str, String)> {
        check(files).problems.into_iter().map(|problem| (problem.code, problem.message)).collect()
    };
    let nobody = told(&with_sms("by = [\"sms\"]", false));
    let message = "nobody who is called here has a mobile number".to_owned();
    assert!(nobody.contains(&("rung-reaches-nobody", message)), "{nobody:?}");
    let one = with_sms("by = [\"screen\", \"sms\"]", true);
    assert_eq!(told(&one), [("no-address", "wangli has no mobile number".to_owned())]);
    let settings = check(&one).settings.unwrap();
    let (link, modem) = settings.modems.first_key_value().unwrap();
    assert_eq!((link.as_str(), modem.profile.as_str()), ("modem.front", "ec25"));
    assert_eq!((modem.probe, modem.lost_after), (Wait::secs(10), Wait::secs(60)));
    assert_eq!(settings.notify.sms.unwrap().per_hour, 60);
}
