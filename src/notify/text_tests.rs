//! Every text, as it would be read, and measured.

use proptest::prelude::*;

use super::*;
use crate::terms::{Code, PersonId};

fn person(id: &str, name: &str) -> Named {
    Named { id: PersonId::new(id).unwrap(), name: name.to_owned() }
}

fn letter(notice: Notice, class: Class, kind: Kind) -> Letter {
    let letter = Letter::sample(class, 7);
    Letter { notice, kind, kinds: vec![kind], ..letter }
}

fn notices() -> Vec<Notice> {
    let by = || PersonId::new("P002").unwrap();
    vec![
        Notice::Called,
        Notice::Escalated,
        Notice::PressedAgain,
        Notice::AllHands,
        Notice::NotArrived,
        Notice::Declined,
        Notice::Reopened,
        Notice::Reinforce,
        Notice::HazardGoesOn,
        Notice::YouAccepted,
        Notice::Taken { by: by() },
        Notice::ArrivalReminder,
        Notice::PressedMeanwhile,
        Notice::ResidentCancelled,
        Notice::StillOnScene,
        Notice::Closed,
        Notice::CannotReach { person: by(), by: Carrier::Mail },
        Notice::CannotReach { person: by(), by: Carrier::Screen },
        Notice::CannotReach { person: by(), by: Carrier::Sms },
        Notice::CannotReach { person: by(), by: Carrier::Voice },
        Notice::FollowUpDue,
        Notice::RunningLow { minutes: Some(7) },
        Notice::RunningLow { minutes: None },
        Notice::MainsBack { minutes: 42 },
    ]
}

fn measured(text: &str) -> String {
    format!("{:>2} {text}\n", units(text))
}

#[test]
fn every_notice_in_every_way_of_answering() {
    let mut all = String::new();
    for notice in notices() {
        for reply in Reply::ALL {
            let letter = letter(notice.clone(), Class::Emergency, Kind::Sos);
            all += &measured(&short_with(&letter, reply));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn the_first_call_of_every_kind() {
    let mut all = String::new();
    for kind in Kind::ALL {
        for reply in [Reply::Link, Reply::Digits] {
            all += &measured(&short_with(&letter(Notice::Called, kind.class(), kind), reply));
        }
    }
    for (class, kind) in [
        (Class::Emergency, Kind::Inactivity),
        (Class::Coverage, Kind::Silent),
        (Class::Test, Kind::Sos),
    ] {
        all += &measured(&short(&letter(Notice::Called, class, kind)));
    }
    for kind in [Kind::Silent, Kind::Link] {
        let letter = letter(Notice::Called, Class::Coverage, kind);
        all += &measured(&short(&Letter { silenced: (46, "三楼护理站".into()), ..letter }));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn what_was_on_before_anybody_could_hear_it_says_so() {
    let found = Letter { found: true, ..letter(Notice::Called, Class::Hazard, Kind::Smoke) };
    assert!(short(&found).contains("（恢复接收时已在报警）"), "{}", short(&found));
    assert!(mail(&found).1.contains("恢复接收时已在报警"));
    let new = letter(Notice::Called, Class::Hazard, Kind::Smoke);
    assert!(!short(&new).contains("恢复接收"));
}

#[test]
fn a_hazard_is_told_in_its_own_words() {
    let mut all = String::new();
    for notice in [
        Notice::HazardGoesOn,
        Notice::AllHands,
        Notice::PressedMeanwhile,
        Notice::Taken { by: PersonId::new("P002").unwrap() },
    ] {
        for kind in [Kind::Smoke, Kind::Gas, Kind::Co] {
            all += &measured(&short(&letter(notice.clone(), Class::Hazard, kind)));
        }
    }
    insta::assert_snapshot!(all);
}

#[test]
fn several_dangers_of_one_detector_are_all_named_the_oldest_first() {
    use Kind::{Co, Gas, LowBattery, Smoke, Tamper};
    let mut all = String::new();
    for notice in [
        Notice::Called,
        Notice::HazardGoesOn,
        Notice::AllHands,
        Notice::PressedMeanwhile,
        Notice::CannotReach { person: PersonId::new("P002").unwrap(), by: Carrier::Mail },
    ] {
        for kinds in [[Smoke, Gas].as_slice(), &[Smoke, Co], &[Gas, Co, Smoke]] {
            let one = letter(notice.clone(), Class::Hazard, Smoke);
            all += &measured(&short(&Letter { kinds: kinds.to_vec(), ..one }));
        }
    }
    let worst = Letter {
        kinds: vec![Gas, Co, Smoke],
        test: true,
        resent: true,
        clock_trusted: false,
        ..letter(Notice::Called, Class::Hazard, Smoke)
    };
    all += &measured(&short(&worst));
    for notice in [Notice::Called, Notice::PressedMeanwhile] {
        let one = letter(notice, Class::Fault, LowBattery);
        all += &measured(&short(&Letter { kinds: vec![Tamper, LowBattery], ..one }));
    }
    assert!(all.lines().all(|line| units(line) <= UNITS_MAX + 3), "{all}");
    insta::assert_snapshot!(all);
}

#[test]
fn tests_repeats_unsure_clocks_and_unknown_devices_are_marked() {
    let mut drill = letter(Notice::Called, Class::Hazard, Kind::Smoke);
    drill.test = true;
    let mut repeat = letter(Notice::Called, Class::Emergency, Kind::Sos);
    repeat.resent = true;
    repeat.clock_trusted = false;
    let mut unknown = letter(Notice::Called, Class::Emergency, Kind::Sos);
    unknown.unregistered = true;
    unknown.device = "rf433:0xA1B2C3".into();
    let mut nameless = letter(Notice::Called, Class::Emergency, Kind::Sos);
    (nameless.place, nameless.place_short) = (String::new(), String::new());
    nameless.residents.clear();
    let all: String = [&drill, &repeat, &unknown, &nameless]
        .into_iter()
        .map(|letter| measured(&short(letter)))
        .collect();
    assert!(!short(&drill).contains("打119。"), "a drill must send nobody to the telephone");
    insta::assert_snapshot!(all);
}

#[test]
fn a_reminder_speaks_to_the_responder_and_of_them_to_the_lead() {
    let mut all = String::new();
    for notice in [Notice::ArrivalReminder, Notice::StillOnScene] {
        let mut own = letter(notice, Class::Emergency, Kind::Sos);
        all += &measured(&short(&own));
        own.about = Some(person("P001", "李建国"));
        all += &measured(&short(&own));
    }
    insta::assert_snapshot!(all);
}

#[test]
fn a_mail_in_full() {
    let mut call = letter(Notice::Called, Class::Emergency, Kind::Sos);
    call.about = None;
    call.link = Some("https://anling.example.org/a/abc123".into());
    let (subject, body) = mail(&call);
    let (told_subject, told) = mail(&letter(Notice::Closed, Class::Emergency, Kind::Sos));
    insta::assert_snapshot!(format!("{subject}\n\n{body}\n----\n{told_subject}\n\n{told}"));
}

#[test]
fn a_mail_that_may_have_come_before_says_so_and_gives_no_reason_it_does_not_know() {
    let first = letter(Notice::Called, Class::Emergency, Kind::Sos);
    let again = Letter { resent: true, ..first.clone() };
    let (subject, body) = mail(&again);
    assert!(subject.starts_with("【重发】"), "{subject}");
    assert!(body.contains("可能与前一封重复") && !body.contains("重启"), "{body}");
    let (subject, body) = mail(&first);
    assert!(!subject.contains("重发") && !body.contains("重复"), "{body}");
}

#[test]
fn no_text_promises_a_reply_that_nobody_would_hear() {
    for notice in notices() {
        // Answers to a short message are heard.
        for carrier in Carrier::ALL.into_iter().filter(|carrier| *carrier != Carrier::Sms) {
            for kind in Kind::ALL {
                let mut letter = letter(notice.clone(), kind.class(), kind);
                letter.id.carrier = carrier;
                let text = short(&letter);
                for digit in ["回0", "回1", "回2", "回3", "回4", "回复1"] {
                    assert!(!text.contains(digit), "{text}");
                }
                assert!(!text.contains("链接"), "there is no link: {text}");
            }
        }
    }
}

#[test]
fn a_name_with_a_line_break_adds_no_line_and_no_escape() {
    let mut letter = letter(Notice::Called, Class::Emergency, Kind::Sos);
    letter.residents = vec!["王\r\nBcc: x@example.org".into()];
    letter.place = "3号楼\u{1b}[2J\u{202e}501".into();
    let (subject, body) = mail(&letter);
    for line in [short(&letter), subject] {
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
    assert!(!body.contains('\u{1b}') && !body.contains("\nBcc"), "{body}");
    assert!(!body.contains('\u{202e}'));
}

fn any_letter() -> impl Strategy<Value = Letter> {
    let names = proptest::collection::vec("[王李欧阳𠀋A-Za-z· ]{0,40}", 0..6);
    let place = "[0-9号楼单元栋社区东西𠀋 -]{0,120}";
    (
        (0..notices().len(), 0..Class::ALL.len(), 0..Kind::ALL.len()),
        (names, place, "[0-9-]{0,40}", "[a-z呼叫器:]{0,128}", "[张敏A-Z\u{20000}-\u{20010}]{0,40}"),
        (any::<u32>(), any::<u32>(), 1..=Code::NUMBER_MAX, any::<u32>()),
        proptest::collection::vec(any::<bool>(), 6),
        "[一-龥]{0,80}",
    )
        .prop_map(
            |((notice, class, kind), (names, place, near, device, who), n, flags, free)| {
                let notice = notices()[notice].clone();
                let mut letter = letter(notice, Class::ALL[class], Kind::ALL[kind]);
                letter.code = Code::new('A', n.2).unwrap();
                (letter.presses, letter.minutes, letter.arrive_within) = (n.0, n.1, Some(n.3));
                letter.silenced = (usize::try_from(n.1).unwrap_or(0), letter.place.clone());
                letter.residents = names;
                (letter.place, letter.place_short, letter.device) = (place, near, device);
                letter.about = Some(person("P002", &who));
                (letter.test, letter.resent, letter.unregistered) = (flags[0], flags[1], flags[2]);
                letter.clock_trusted = flags[3];
                letter.found = flags[2] != flags[3];
                if flags[4] {
                    letter.link = Some("https://anling.example.org/a/abc".into());
                }
                if flags[5] {
                    letter.id.carrier = Carrier::Screen;
                }
                letter.site.name = free.clone();
                if let Some(closing) = &mut letter.closing {
                    closing.outcome = free;
                }
                letter
            },
        )
}

proptest! {
    #[test]
    fn every_text_fits_and_keeps_its_code(letter in any_letter()) {
        for reply in Reply::ALL {
            let text = short_with(&letter, reply);
            prop_assert!(units(&text) <= UNITS_MAX, "{} units: {text}", units(&text));
            prop_assert!(text.contains(&letter.code.to_string()), "{text}");
            prop_assert_eq!(letter.test && !text.contains("测试"), false);
        }
        let (subject, body) = mail(&letter);
        prop_assert!(units(&subject) <= UNITS_MAX, "{subject}");
        prop_assert!(body.contains(&letter.code.to_string()));
    }
}
