//! What is said back to a short message: taken down, not taken down and why, or how to say it.
//!
//! Each is one message of at most [`UNITS_MAX`] units and says what to do next. What the engine itself
//! tells (who accepted, who is released, that it is over) is said by its orders and not here.

use super::fit::{UNITS_MAX, units};
use crate::incident::{Ignored, Move};
use crate::terms::{self, Code};

/// One open incident in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its code.
    pub code: Code,
    /// Its place in the shortest form staff use; may be empty.
    pub place: String,
}

/// A move was taken down.
pub fn taken_down(code: Code, says: Move) -> String {
    match says {
        Move::Accept | Move::TakeOver => {
            format!("已登记：您已接警{code}。到场请回2，去不了回0。")
        }
        Move::OnTheWay => format!("已登记：{code}您已出发。到场请回2，去不了回0。"),
        Move::Arrive => format!("已登记：{code}您已到场。完成回3，误报回4，要人帮忙回“支援”。"),
        Move::StillHere => format!("已登记：{code}您仍在现场。完成请回3。"),
        Move::Resolve { .. } => format!("已登记：{code}已完成，无需再报。"),
        Move::FalseAlarm { .. } => format!("已登记：{code}为误报，已结束。"),
        Move::Decline => format!("已登记：{code}您去不了，将转派他人。"),
        Move::NeedHelp => format!("已登记：{code}已叫人支援。到场请回2，完成回3。"),
        Move::Note | Move::FollowUp { .. } | Move::Silence => format!("已登记：{code}。"),
    }
}

/// A move was written down and changed nothing.
pub fn not_taken_down(code: Code, why: Ignored) -> String {
    match why {
        Ignored::AlreadyOver | Ignored::NotOver | Ignored::BadScore => {
            format!("{code}已结束，无需再报。")
        }
        Ignored::AlreadySaid => format!("{code}此前已登记，无需再报。到场请回2，完成回3。"),
        Ignored::EarlierCall | Ignored::Expired => {
            format!("{code}已重新呼叫，您的回复未登记。可去请回1接警。")
        }
        Ignored::NobodyOnScene | Ignored::NotOnScene | Ignored::OthersOnScene => {
            format!("{code}未登记：到场的人才能报完成。到了请先回2，再回3。")
        }
        Ignored::NoContact => format!("{code}未登记：误报须先到场核实。到了请先回2，再回4。"),
        Ignored::NobodyToHelp => format!("{code}尚无人接警，支援未登记。可去请先回1接警。"),
        Ignored::NotTheDistricts => format!("{code}未登记：平台人员只能接警和留言。"),
        Ignored::NotAContacts => {
            format!("{code}未登记：完成和误报由中心登记，请联系值班室。到场请回2，去不了回0。")
        }
        Ignored::NotCalledFor | Ignored::UnknownPerson | Ignored::UnknownIncident => {
            no_such(&code.to_string())
        }
    }
}

/// Several are open, or somebody asks for them.
pub fn list(open: &[Listed]) -> String {
    let count = open.len();
    let example = open.first().map(|first| first.code.to_string()).unwrap_or_default();
    let tail = format!("。请回 单号+数字，如 {example} 1。");
    let head = format!("您有{count}件未结：");
    let mut shown = String::new();
    for (n, one) in open.iter().enumerate() {
        let place = flat(&one.place);
        let mut part = one.code.to_string();
        if !place.is_empty() {
            part.push_str(&format!("({place})"));
        }
        let gap = if n == 0 { "" } else { "、" };
        let more = if n + 1 < count { "等" } else { "" };
        if units(&format!("{head}{shown}{gap}{part}{more}{tail}")) > UNITS_MAX {
            shown.push('等');
            break;
        }
        shown.push_str(gap);
        shown.push_str(&part);
    }
    head + &shown + &tail
}

/// The last part of a place, which is the flat: 3-2-501 is 501.
fn flat(place: &str) -> String {
    const FLAT_MAX: usize = 8;
    let plain = terms::plain(place.trim());
    let last = plain.rsplit('-').next().unwrap_or_default();
    last.chars().take(FLAT_MAX).collect()
}

/// Nothing is open for whoever wrote.
pub fn nothing_open() -> String {
    "您目前没有未结的呼叫，本条未登记。要报事请致电值班室。".to_owned()
}

/// The message names a code that is not known.
pub fn no_such(said: &str) -> String {
    const SAID_MAX: usize = 12;
    let said: String = terms::plain(said).chars().take(SAID_MAX).collect();
    format!("没有单号{said}，未登记。请看短信里的单号，回 单号+数字，如 A17 1。")
}

/// The message means nothing and stands with an incident as a note.
pub fn kept(code: Code) -> String {
    format!("您的话已记入{code}，但未作登记。请回数字：1接警 2到场 3完成 4误报 0去不了。")
}

/// The message means nothing.
pub fn not_understood() -> String {
    "无法识别。请回复数字：1接警 2到场 3完成 4误报 0去不了；多单请加单号如A17 1。".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incident::{Contact, Ending};

    fn code(number: u32) -> Code {
        Code::new('A', number).unwrap()
    }

    #[test]
    fn every_answer_fits_into_one_message_with_the_longest_code() {
        let code = code(Code::NUMBER_MAX);
        let moves = [
            Move::Accept,
            Move::Decline,
            Move::OnTheWay,
            Move::Arrive,
            Move::StillHere,
            Move::NeedHelp,
            Move::Resolve { ending: Ending::Helped, contact: Some(Contact::Voice) },
            Move::FalseAlarm { contact: None },
            Move::Note,
            Move::TakeOver,
        ];
        let mut all: Vec<String> = moves.iter().map(|says| taken_down(code, *says)).collect();
        all.extend(
            [
                Ignored::AlreadyOver,
                Ignored::AlreadySaid,
                Ignored::EarlierCall,
                Ignored::NobodyOnScene,
                Ignored::NoContact,
                Ignored::NobodyToHelp,
                Ignored::NotTheDistricts,
                Ignored::UnknownIncident,
            ]
            .map(|why| not_taken_down(code, why)),
        );
        all.extend([nothing_open(), no_such(&"9".repeat(90)), kept(code), not_understood()]);
        for text in &all {
            assert!(units(text) <= UNITS_MAX, "{} units: {text}", units(text));
        }
        for text in &all[..moves.len()] {
            assert!(text.contains(&code.to_string()) && text.starts_with("已登记"), "{text}");
        }
    }

    #[test]
    fn a_list_names_as_many_as_there_is_room_for_and_how_many_there_are() {
        let one = |n: u32, place: &str| Listed { code: code(n), place: place.to_owned() };
        assert_eq!(
            list(&[one(17, "3-2-501"), one(18, "5-1-302")]),
            "您有2件未结：A17(501)、A18(302)。请回 单号+数字，如 A17 1。"
        );
        let many: Vec<Listed> = (1..40).map(|n| one(n, "幸福里东区-3-2-501")).collect();
        let text = list(&many);
        assert!(units(&text) <= UNITS_MAX && units(&text) > UNITS_MAX - 12, "{text}");
        assert!(
            text.starts_with("您有39件未结：A01(501)、") && text.contains("等。请回"),
            "{text}"
        );
    }
}
