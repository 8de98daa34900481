//! What a person means by a short message: which incident, and which move. Pure.
//!
//! People answer outdoors, with gloves, and in a hurry: `1`, `１`, `A17 1`, `1a17`, `收到`, `收到27`, `Ａ１７`.
//! A digit or one of the words of [`PHRASES`] says what, a code or its bare number says about what. Words
//! count only whole: 马上到 is "coming", not 到, "there". A message that says two different things, or
//! anything else, means nothing, and what means nothing changes nothing: the person is told how to say
//! it. No word unsubscribes anybody, and none of another country's (STOP, TD) has a meaning.
//!
//! Without a code a word is about the one open incident that this person was called to; with several,
//! they are listed and nothing happens (field notes, 10.8). The notes know letters for moves as well
//! (`F27` for a false alarm); here letters name classes, `F09` is a fire, so they are codes and nothing
//! else, and a bare code says "I take it".

use super::{Contact, Ending, Incident, IncidentBook, Move, Responder};
use crate::terms::{Class, Code, IncidentId, PersonId};

/// Longest message that is looked at, in characters: what is longer is a letter, and no answer.
const READ_MAX: usize = 160;

/// What somebody says of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplyWord {
    /// I take it.
    Accept,
    /// I have set out.
    OnTheWay,
    /// I am there.
    Arrive,
    /// It is done.
    Done,
    /// It was nothing.
    FalseAlarm,
    /// I cannot come.
    Decline,
    /// I need somebody.
    NeedHelp,
    /// What is open?
    List,
}

/// Whole phrases and what they mean. A digit stands for what every message says of it.
const PHRASES: [(ReplyWord, &[&str]); 8] = [
    (
        ReplyWord::Accept,
        &[
            "1",
            "收到",
            "收到了",
            "接警",
            "已接警",
            "接单",
            "已接单",
            "我接警",
            "我去",
            "我来",
            "好",
            "好的",
            "马上到",
            "马上去",
            "马上来",
            "这就去",
            "这就来",
            "OK",
        ],
    ),
    (ReplyWord::OnTheWay, &["出发", "出发了", "已出发", "我出发了", "在路上", "路上", "正在路上"]),
    (
        ReplyWord::Arrive,
        &["2", "到场", "到场了", "已到场", "到了", "已到", "我到了", "到达", "已到达", "到达现场"],
    ),
    (
        ReplyWord::Done,
        &[
            "3",
            "完成",
            "完成了",
            "已完成",
            "结束",
            "结束了",
            "已结束",
            "处理完",
            "处理完了",
            "办完了",
        ],
    ),
    (ReplyWord::FalseAlarm, &["4", "误报", "是误报", "误按", "误触", "按错了"]),
    (
        ReplyWord::Decline,
        &["0", "去不了", "不能去", "来不了", "我去不了", "转派", "转他人", "没空"],
    ),
    (
        ReplyWord::NeedHelp,
        &["支援", "增援", "需要支援", "请求支援", "需要增援", "升级", "需要帮助"],
    ),
    (ReplyWord::List, &["?", "查询", "列表", "查"]),
];

/// What a message comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// A move.
    Move {
        /// About which incident.
        incident: IncidentId,
        /// What.
        says: Move,
        /// The epoch of the newest message that this person was sent about it.
        epoch: Option<u32>,
    },
    /// It could be about each of these, or it asks for them.
    Several(Vec<IncidentId>),
    /// It is about none: nothing is open for this person.
    NothingOpen,
    /// It names one that is not known.
    NoSuch(String),
    /// It means nothing, and there is one incident that it may be about: a note.
    Note(IncidentId),
    /// It means nothing.
    Nothing,
}

/// What stands in a message, word by word.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    /// Digits with or without a letter before them.
    Name(Option<char>, String),
    /// Anything else.
    Word(String),
}

impl IncidentBook {
    /// What this person means by this message.
    pub fn meant(&self, by: &PersonId, text: &str) -> Meant {
        let theirs: Vec<&Incident> = self.open().filter(|i| is_theirs(i, by)).collect();
        let note = || match &theirs[..] {
            [one] => Meant::Note(one.id),
            _ => Meant::Nothing,
        };
        if text.chars().count() > READ_MAX {
            return note();
        }
        let Some((word, name)) = self.read(&theirs, text) else { return note() };
        if word == ReplyWord::List {
            return several(&theirs);
        }
        let incident = match (name, &theirs[..]) {
            (Some(Named::One(incident)), _) => incident,
            (None, [incident]) => *incident,
            (Some(Named::Unknown(said)), _) => return Meant::NoSuch(said),
            (None, _) => return several(&theirs),
        };
        let (says, epoch) = (a_move(word, incident, by), incident.texted.get(by).copied());
        Meant::Move { incident: incident.id, says, epoch }
    }

    /// The word and the incident that are named; `None` where it means nothing.
    fn read<'b>(
        &'b self,
        theirs: &[&'b Incident],
        text: &str,
    ) -> Option<(ReplyWord, Option<Named<'b>>)> {
        let (mut word, mut name) = (None, None);
        for token in tokens(text) {
            let (said, named) = match token {
                Token::Word(text) => (Some(phrase(&text)?), None),
                Token::Name(letter, digits) => match self.named(theirs, letter, &digits) {
                    (None, None) => return None,
                    both => both,
                },
            };
            word = both_words(word, said)?;
            if named.is_some() && name.is_some() {
                return None;
            }
            name = name.or(named);
        }
        match (word, name) {
            (None, None) => None,
            // A bare code takes it.
            (word, name) => Some((word.unwrap_or(ReplyWord::Accept), name)),
        }
    }

    /// What digits with or without a letter are: a move, an incident, or both in one (`A171`).
    fn named<'b>(
        &'b self,
        theirs: &[&'b Incident],
        letter: Option<char>,
        digits: &str,
    ) -> (Option<ReplyWord>, Option<Named<'b>>) {
        if letter.is_none() && digits.len() == 1 {
            return (phrase(digits), None);
        }
        if let Some(incident) = self.find(theirs, letter, digits) {
            return (None, Some(Named::One(incident)));
        }
        let (head, last) = digits.split_at(digits.len() - 1);
        if let (Some(word), Some(incident)) =
            (phrase(last), self.find(theirs, letter, head).filter(|_| letter.is_some()))
        {
            return (Some(word), Some(Named::One(incident)));
        }
        let said = letter.map(String::from).unwrap_or_default() + digits;
        (None, Some(Named::Unknown(said)))
    }

    /// The incident of a code, or of a number alone: theirs before others'.
    fn find<'b>(
        &'b self,
        theirs: &[&'b Incident],
        letter: Option<char>,
        digits: &str,
    ) -> Option<&'b Incident> {
        let number: u32 = digits.parse().ok().filter(|_| digits.len() >= 2)?;
        if let Some(letter) = letter {
            return self.by_code(Code::new(letter, number)?);
        }
        let only = |all: Vec<&'b Incident>| match all[..] {
            [one] => Some(one),
            _ => None,
        };
        let has_number = |incident: &&Incident| incident.code.number() == number;
        let of_theirs: Vec<&Incident> = theirs.iter().copied().filter(has_number).collect();
        match of_theirs.is_empty() {
            true => only(self.open().filter(has_number).collect()),
            false => only(of_theirs),
        }
    }
}

/// The incident that a message names.
enum Named<'b> {
    One(&'b Incident),
    Unknown(String),
}

/// Whether a person was called to it, and has not said that they cannot come.
fn is_theirs(incident: &Incident, by: &PersonId) -> bool {
    incident.responder(by).is_some_and(|what| what != Responder::Declined)
}

fn several(theirs: &[&Incident]) -> Meant {
    match theirs {
        [] => Meant::NothingOpen,
        more => Meant::Several(more.iter().map(|incident| incident.id).collect()),
    }
}

/// One word and one more; `None` where they contradict each other.
fn both_words(first: Option<ReplyWord>, second: Option<ReplyWord>) -> Option<Option<ReplyWord>> {
    let goes_on = |word: &ReplyWord| *word <= ReplyWord::Arrive;
    match (first, second) {
        (Some(one), Some(other)) if one == other => Some(Some(one)),
        // "I take it, I am on the way": the later stage says the earlier one as well.
        (Some(one), Some(other)) if goes_on(&one) && goes_on(&other) => Some(Some(one.max(other))),
        (Some(_), Some(_)) => None,
        (one, other) => Some(one.or(other)),
    }
}

fn phrase(text: &str) -> Option<ReplyWord> {
    PHRASES.iter().find(|(_, phrases)| phrases.contains(&text)).map(|(word, _)| *word)
}

/// The parts of a message: full width is half width, small letters are large, and what only parts
/// words is left out.
fn tokens(text: &str) -> Vec<Token> {
    let mut found: Vec<Token> = Vec::new();
    let mut fresh = true;
    for c in text.chars().map(half_width).flat_map(char::to_uppercase) {
        if is_gap(c) {
            fresh = true;
            continue;
        }
        let last = found.last_mut().filter(|_| !fresh);
        match (last, c) {
            (Some(Token::Name(_, digits)), '0'..='9') => digits.push(c),
            // A letter right before digits is a code's.
            (Some(Token::Word(word)), '0'..='9') => {
                let letter = word.chars().last().filter(char::is_ascii_uppercase);
                let alone = letter.filter(|_| !word.chars().rev().nth(1).is_some_and(is_letter));
                if alone.is_some() {
                    word.pop();
                    if word.is_empty() {
                        found.pop();
                    }
                }
                found.push(Token::Name(alone, c.to_string()));
            }
            (None, '0'..='9') => found.push(Token::Name(None, c.to_string())),
            (Some(Token::Word(word)), _) => word.push(c),
            (Some(Token::Name(..)) | None, _) => found.push(Token::Word(c.to_string())),
        }
        fresh = false;
    }
    found
}

fn is_letter(c: char) -> bool {
    c.is_ascii_uppercase()
}

fn is_gap(c: char) -> bool {
    c.is_whitespace()
        || c.is_control()
        || matches!(c, ',' | '.' | ';' | ':' | '!' | '+' | '-' | '/' | '#' | '(' | ')' | '~')
        || matches!(
            c,
            '，' | '。' | '；' | '：' | '！' | '、' | '…' | '“' | '”' | '"' | '\'' | '【' | '】'
        )
}

fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        other => other,
    }
}

/// The move that a word is, where this incident stands and for this person.
fn a_move(word: ReplyWord, incident: &Incident, by: &PersonId) -> Move {
    // The message after the cancel key asks to verify, by a call or a visit, and to answer then.
    let contact = incident.cancelled.then_some(Contact::Voice);
    let is_there = incident.responder(by) == Some(Responder::OnScene);
    match word {
        ReplyWord::Arrive if is_there => Move::StillHere,
        ReplyWord::Arrive => Move::Arrive,
        ReplyWord::OnTheWay => Move::OnTheWay,
        ReplyWord::Done => {
            let ending = match incident.class {
                Class::Hazard | Class::Emergency | Class::Welfare => Ending::Helped,
                Class::Coverage | Class::Fault | Class::Service => Ending::Done,
                Class::Test => Ending::Test,
            };
            Move::Resolve { ending, contact }
        }
        ReplyWord::FalseAlarm => Move::FalseAlarm { contact },
        ReplyWord::Decline => Move::Decline,
        ReplyWord::NeedHelp => Move::NeedHelp,
        ReplyWord::Accept | ReplyWord::List => Move::Accept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(letter: Option<char>, digits: &str) -> Token {
        Token::Name(letter, digits.to_owned())
    }

    fn word(text: &str) -> Token {
        Token::Word(text.to_owned())
    }

    #[test]
    fn a_message_is_parted_where_its_writer_meant_it() {
        for (text, parts) in [
            ("1", vec![name(None, "1")]),
            ("Ａ１７　１", vec![name(Some('A'), "17"), name(None, "1")]),
            ("1a17", vec![name(None, "1"), name(Some('A'), "17")]),
            ("收到27", vec![word("收到"), name(None, "27")]),
            ("收到A27！", vec![word("收到"), name(Some('A'), "27")]),
            ("A17到了。", vec![name(Some('A'), "17"), word("到了")]),
            ("ok", vec![word("OK")]),
            ("TD2", vec![word("TD"), name(None, "2")]),
            ("", vec![]),
            ("？", vec![word("?")]),
        ] {
            // `1a17` has no gap: the letter belongs to what follows.
            assert_eq!(tokens(text), parts, "{text}");
        }
    }

    #[test]
    fn only_whole_phrases_mean_something_and_each_means_one_thing() {
        let mut all: Vec<&str> = PHRASES.iter().flat_map(|(_, phrases)| phrases.to_vec()).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
        assert_eq!(phrase("马上到"), Some(ReplyWord::Accept));
        for nothing in ["到了吗", "没收到", "STOP", "TD", "T", "退订", "CANCEL", "不", "5", "9"]
        {
            assert_eq!(phrase(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn two_words_are_one_only_where_the_later_holds_the_earlier() {
        use ReplyWord::{Accept, Arrive, Decline, Done, OnTheWay};
        assert_eq!(both_words(Some(Accept), Some(OnTheWay)), Some(Some(OnTheWay)));
        assert_eq!(both_words(Some(Arrive), Some(Accept)), Some(Some(Arrive)));
        assert_eq!(both_words(None, Some(Done)), Some(Some(Done)));
        assert_eq!(both_words(Some(Accept), Some(Decline)), None);
        assert_eq!(both_words(Some(Arrive), Some(Done)), None);
    }
}
