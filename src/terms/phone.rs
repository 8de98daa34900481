//! A telephone number that a message goes to or comes from.
//!
//! A list of people holds numbers as somebody typed them, a network writes the same one in two ways,
//! and a reply counts only if both are the same. So a number is kept as it is to be dialled, and
//! compared without the country's prefix. Nothing that logs sees more of it than [`Phone::masked`].

use std::fmt;

/// The country that a number without a prefix belongs to.
const HOME: &str = "86";
/// Digits of a number with its country's prefix (ITU-T E.164: 15 at most; own choice: 8 at least).
const WORLD: std::ops::RangeInclusive<usize> = 8..=15;
/// Digits of a mobile number of the house's country, which all begin with 1.
const MOBILE: usize = 11;

/// A number that an SMS can be sent to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Phone {
    /// `+` stands for a country's prefix in front of the digits.
    world: bool,
    digits: String,
}

impl Phone {
    /// Reads a number as people type it: blanks, dashes, brackets and full-width digits are accepted,
    /// `+86…`, `0086…` and the eleven digits of a mobile number alike. `None` for what no SMS can
    /// reach: a landline, a short number, a word.
    pub fn parse(text: &str) -> Option<Self> {
        let plain: String = text.chars().filter_map(dialled).collect();
        let skipped =
            |c: char| c.is_whitespace() || matches!(c, '-' | '(' | ')' | '（' | '）' | '－');
        if text.chars().any(|c| dialled(c).is_none() && !skipped(c)) {
            return None;
        }
        let (world, digits) = match (plain.strip_prefix('+'), plain.strip_prefix("00")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) if !rest.starts_with('0') => (true, rest),
            _ => (false, plain.as_str()),
        };
        let is_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
        let fits = match world {
            true => WORLD.contains(&digits.len()) && !digits.starts_with('0'),
            false => digits.len() == MOBILE && digits.starts_with('1'),
        };
        (is_digits && fits).then(|| Self { world, digits: digits.to_owned() })
    }

    /// The digits to be dialled, without `+`.
    pub fn digits(&self) -> &str {
        &self.digits
    }

    /// Whether the digits begin with a country's prefix.
    pub fn is_world(&self) -> bool {
        self.world
    }

    /// Whether both are the same telephone.
    pub fn is_same(&self, other: &Self) -> bool {
        self.local() == other.local()
    }

    /// The same number in the one form by which it is compared.
    fn local(&self) -> (bool, &str) {
        match self.digits.strip_prefix(HOME).filter(|rest| self.world && rest.len() == MOBILE) {
            Some(rest) => (false, rest),
            None => (self.world, &self.digits),
        }
    }

    /// The digits as they are dialled in the house's country, which is how others there list it.
    pub fn at_home(&self) -> &str {
        self.local().1
    }

    /// What a log may show: `138****8000`.
    pub fn masked(&self) -> String {
        masked(self.local().1)
    }
}

/// What a log may show of a sender, whatever it calls itself: three characters and the last four.
pub fn masked(number: &str) -> String {
    const HEAD: usize = 3;
    const TAIL: usize = 4;
    let all: Vec<char> = number.chars().collect();
    if all.len() <= HEAD + TAIL {
        return "****".to_owned();
    }
    let (head, tail) = (&all[..HEAD], &all[all.len() - TAIL..]);
    head.iter().collect::<String>() + "****" + &tail.iter().collect::<String>()
}

fn dialled(c: char) -> Option<char> {
    let half = match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        other => other,
    };
    (half.is_ascii_digit() || half == '+').then_some(half)
}

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.masked())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_the_same_however_it_is_written() {
        let plain = Phone::parse("13800138000").unwrap();
        for same in
            ["+8613800138000", "008613800138000", " +86 138-0013-8000", "１３８００１３８０００"]
        {
            assert!(Phone::parse(same).unwrap().is_same(&plain), "{same}");
        }
        assert!(!Phone::parse("13800138001").unwrap().is_same(&plain));
        assert!(!Phone::parse("+4413800138000").unwrap().is_same(&plain));
        assert_eq!(Phone::parse("+8613800138000").unwrap().digits(), "8613800138000");
        assert_eq!(plain.digits(), "13800138000");
    }

    #[test]
    fn what_no_message_can_reach_is_no_number() {
        for bad in [
            "",
            "10086",
            "01012345678",
            "00000000001",
            "138001380000",
            "+861",
            "王丽",
            "1380013800x",
            "++8613800138000",
            "+86138001380001234567",
        ] {
            assert!(Phone::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_log_sees_neither_the_number_nor_a_name() {
        let phone = Phone::parse("+8613800138000").unwrap();
        assert_eq!(phone.masked(), "138****8000");
        assert_eq!(format!("{phone:?}"), "138****8000");
        assert_eq!(masked("10086"), "****");
        assert_eq!(masked("CHINAMOBILE"), "CHI****BILE");
    }
}
