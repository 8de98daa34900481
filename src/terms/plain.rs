//! Text that people typed or devices sent, as it may be shown: one line, and without power over what
//! stands around it.

/// Whether a character may be shown as it is: printable, no mark that turns the direction of writing
/// (it could hide a code), none without a width.
pub fn is_plain(c: char) -> bool {
    let invisible = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !c.is_control() && !invisible
}

/// The text in one line: what breaks a line or commands a terminal is a blank, what cannot be seen is
/// left out.
pub fn plain(text: &str) -> String {
    let shown = |c: char| match c {
        c if is_plain(c) => Some(c),
        c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => Some(' '),
        _ => None,
    };
    text.chars().filter_map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_words_and_loses_its_power() {
        let typed = "左膝\u{202e}擦伤\n\u{1b}[2J已\u{200b}消毒\u{2028}ok é 👍";
        assert_eq!(plain(typed), "左膝擦伤  [2J已消毒 ok é 👍");
        assert_eq!(plain("\u{feff}\u{2066}a\u{9b}b"), "a b");
    }
}
