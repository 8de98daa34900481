//! What a telephone says: who calls, what is the matter, where, who, and which keys there are.
//!
//! It is heard once, half asleep, over a bad line: so it is shorter than a message, holds no code and no
//! time, and says numbers as they are read (`501` is 五零一, `12` is 十二), because a module that speaks
//! reads them each in its own way. Names are never spelled with stars: where there is no room for all,
//! the surname alone is said. Chosen over reading the short message aloud, whose brackets and digits
//! (到场2，完成3) nobody understands by ear.

use crate::incident::Notice;
use crate::terms::{Class, Kind};

use super::Letter;
use super::fit::{Part, fit, units};
use super::text::plain;
use super::wording::{Subject, told};

/// Longest spoken text in UTF-16 units, keys included. Own choice: at four characters a second 25 s,
/// so that it can be said twice within the step of 60 s that a call begins.
pub const SPOKEN_MAX: usize = 100;
/// What each key does, as the person hears it.
const KEYS: &str = "接警请按一，重听请按二，去不了请按零。";
/// How the figures are read.
const FIGURES: [char; 10] = ['零', '一', '二', '三', '四', '五', '六', '七', '八', '九'];

/// The whole of what is said.
pub fn spoken(letter: &Letter) -> String {
    let said = aloud(&fit(&parts(letter)).replace("**", "").replace('…', ""));
    let room = SPOKEN_MAX - units(KEYS) - 1;
    // Cut from its front: the flat and the name stand at its end.
    let over = units(&said).saturating_sub(room);
    let said: String = if over == 0 { said } else { said.chars().skip(over).collect() };
    format!("{said}。{KEYS}")
}

fn parts(letter: &Letter) -> Vec<Part> {
    let fixed = |text: &str| Part::Fixed(text.to_owned());
    let told = told(letter.class, &letter.kinds);
    let mut parts = Vec::new();
    if letter.test || letter.class == Class::Test {
        parts.push(fixed("这是测试，"));
    }
    parts.push(match (letter.class, letter.kind) {
        (Class::Emergency, Kind::Sos | Kind::Unreadable) => fixed("紧急呼叫"),
        (Class::Emergency, _) => Part::Fixed(format!("紧急呼叫，{}", told.title)),
        (Class::Coverage, _) => fixed("系统失灵，有人的呼叫可能收不到"),
        _ => Part::Fixed(told.title),
    });
    parts.push(fixed(match letter.notice {
        Notice::Escalated | Notice::AllHands | Notice::PressedAgain => "，尚无人接警",
        Notice::NotArrived => "，接警后无人到场",
        Notice::Declined => "，有人去不了",
        Notice::Reopened => "，结束后又报警",
        Notice::Reinforce => "，现场请求支援",
        Notice::HazardGoesOn => "，仍未处置完",
        _ => "",
    }));
    parts.push(fixed("，"));
    if told.subject == Subject::Site {
        parts.push(Part::Label(plain(&letter.site.name)));
        return parts;
    }
    let place = plain(&letter.place);
    match letter.unregistered || place.is_empty() {
        true => parts.push(Part::Label(format!("位置不明，设备{}", plain(&letter.device)))),
        false => parts.push(Part::Place(place, plain(&letter.place_short))),
    }
    if !letter.residents.is_empty() && !letter.unregistered {
        parts.push(fixed("，"));
        let names = letter.residents.iter().map(|name| plain(name)).collect();
        parts.push(Part::Residents(names, None));
    }
    parts
}

/// The same with every number in words: of one or two figures as a number, longer ones figure by figure.
fn aloud(text: &str) -> String {
    let (mut said, mut number) = (String::new(), Vec::new());
    for c in text.chars() {
        match c.to_digit(10) {
            Some(figure) => number.push(figure as usize),
            None => {
                read(&number, &mut said);
                number.clear();
                // A dash parts numbers, and is read as minus.
                said.push(if c == '-' { '，' } else { c });
            }
        }
    }
    read(&number, &mut said);
    said
}

fn read(number: &[usize], said: &mut String) {
    match number {
        [tens @ 1..=9, ones] => {
            if *tens > 1 {
                said.push(FIGURES[*tens]);
            }
            said.push('十');
            if *ones > 0 {
                said.push(FIGURES[*ones]);
            }
        }
        figures => said.extend(figures.iter().filter_map(|figure| FIGURES.get(*figure))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_is_said_as_a_person_would_say_it() {
        assert_eq!(
            spoken(&Letter::sample(Class::Emergency, 7)),
            "紧急呼叫，三号楼二单元五零一，王桂芳。接警请按一，重听请按二，去不了请按零。"
        );
    }

    #[test]
    fn numbers_are_read_as_numbers_of_houses_are() {
        for (text, said) in [
            ("12号楼", "十二号楼"),
            ("20号", "二十号"),
            ("35栋", "三十五栋"),
            ("1108室", "一一零八室"),
            ("05", "零五"),
            ("3-2-501", "三，二，五零一"),
            ("Ｂ座", "Ｂ座"),
        ] {
            assert_eq!(aloud(text), said);
        }
    }

    #[test]
    fn every_call_of_every_kind_is_said_in_time_and_names_its_keys() {
        let mut all = String::new();
        let calls = [
            Notice::Called,
            Notice::Escalated,
            Notice::PressedAgain,
            Notice::AllHands,
            Notice::NotArrived,
            Notice::Declined,
            Notice::Reopened,
            Notice::Reinforce,
            Notice::HazardGoesOn,
        ];
        let letter = |kind: Kind| {
            let letter = Letter::sample(kind.class(), 7);
            Letter { kind, kinds: vec![kind], ..letter }
        };
        let kinds = Kind::ALL.into_iter().filter(|kind| kind.class().is_urgent());
        let mut letters: Vec<Letter> = kinds.map(letter).collect();
        letters.extend(calls.map(|notice| Letter { notice, ..letter(Kind::Sos) }));
        let mut long = letter(Kind::Sos);
        long.place = "阳光花园北区".repeat(12) + "12号楼3单元1501";
        long.place_short = long.place.clone();
        long.residents = vec!["欧阳明月".to_owned(); 9];
        letters.push(long);
        letters.push(Letter { unregistered: true, ..letter(Kind::Sos) });
        letters.push(Letter { test: true, ..letter(Kind::Sos) });
        for letter in &letters {
            let said = spoken(letter);
            assert!(units(&said) <= SPOKEN_MAX, "{} units: {said}", units(&said));
            assert!(said.ends_with(KEYS) && !said.contains('*'), "{said}");
            all += &format!("{:>3} {said}\n", units(&said));
        }
        insta::assert_snapshot!(all);
    }
}
