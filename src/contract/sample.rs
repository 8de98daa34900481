//! What of refused bytes may be kept and shown: the first of them, printable, without PINs.
//!
//! A keypad sends its user's PIN in clear text, and refused bytes are by definition not parsed: so the
//! mask works on bytes, not on JSON. Any name that ends in `code` or `pin` (or is written with
//! escapes, and so might) hides the value after it. Hiding too much costs a technician a guess; hiding
//! too little writes a door code into a record that is kept for years.

use crate::terms::is_plain;

/// Longest sample, in characters. Own choice: one line on a screen.
pub const SAMPLE_MAX_CHARS: usize = 120;

const MASK: &str = "***";

/// The first bytes of a message: printable characters as they are, others as `\xNN`, values that may
/// be a PIN as `***`; at most [`SAMPLE_MAX_CHARS`] characters.
pub fn sample(bytes: &[u8]) -> String {
    masked(bytes, SAMPLE_MAX_CHARS)
}

/// The same, at most `most` characters.
pub fn masked(bytes: &[u8], most: usize) -> String {
    let mut line = Line { text: String::new(), chars: 0, most, full: false };
    let mut rest = bytes;
    while !rest.is_empty() && !line.full {
        let name_len = rest.iter().take_while(|b| is_name_byte(**b)).count();
        let (head, tail) = rest.split_at(name_len.max(first_char_len(rest)));
        line.put(head);
        rest = tail;
        if name_len > 0
            && is_secret(head)
            && let Some(gap) = separator_len(tail)
        {
            let (gap, value) = tail.split_at(gap);
            line.put(gap);
            line.put(MASK.as_bytes());
            rest = &value[value_len(value)..];
        }
    }
    line.text
}

/// Text that stops, for good, before the first piece that does not fit.
struct Line {
    text: String,
    chars: usize,
    most: usize,
    full: bool,
}

impl Line {
    fn put(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            for c in chunk.valid().chars() {
                if is_plain(c) {
                    self.push(c.encode_utf8(&mut [0; 4]));
                } else {
                    c.encode_utf8(&mut [0; 4]).bytes().for_each(|b| self.push_escaped(b));
                }
            }
            chunk.invalid().iter().for_each(|b| self.push_escaped(*b));
        }
    }

    fn push_escaped(&mut self, byte: u8) {
        self.push(&format!("\\x{byte:02x}"));
    }

    fn push(&mut self, piece: &str) {
        let chars = piece.chars().count();
        self.full = self.full || self.chars + chars > self.most;
        if !self.full {
            self.text.push_str(piece);
            self.chars += chars;
        }
    }
}

fn first_char_len(bytes: &[u8]) -> usize {
    let start = &bytes[..bytes.len().min(4)];
    let valid = start.utf8_chunks().next().and_then(|chunk| chunk.valid().chars().next());
    valid.map_or(1, char::len_utf8)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'\\')
}

fn is_secret(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    let name = name.trim_ascii_end().strip_suffix(b"\\").unwrap_or(&name);
    name.ends_with(b"code") || name.ends_with(b"pin") || name.contains(&b'\\')
}

/// How long the gap is between a name and its value, if a value follows.
fn separator_len(after: &[u8]) -> Option<usize> {
    let blank = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'"' | b'\'' | b'\\');
    let gap = after.iter().take_while(|b| blank(b)).count();
    matches!(after.get(gap), Some(b':' | b'=')).then_some(gap + 1)
}

/// How long a value is. What has no clear end has none: everything after it is hidden.
fn value_len(value: &[u8]) -> usize {
    let blank = value.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let escapes = value[blank..].iter().take_while(|b| **b == b'\\').count();
    let start = blank + escapes;
    let end = match value.get(start) {
        Some(quote @ (b'"' | b'\'')) => {
            let mut escaped = false;
            value[start + 1..]
                .iter()
                .position(|b| {
                    let closes = b == quote && (!escaped || escapes > 0);
                    escaped = *b == b'\\' && !escaped;
                    closes
                })
                .map(|at| start + 1 + at + 1)
        }
        Some(b'{' | b'[') => None,
        _ => value[start..]
            .iter()
            .position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'}' | b']'))
            .map(|at| start + at),
    };
    end.unwrap_or(value.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn printable_bytes_stay_and_others_are_spelled() {
        assert_eq!(sample(b"ab\0\xff c"), r"ab\x00\xff c");
        assert_eq!(sample("楼道\u{202e}x".as_bytes()), r"楼道\xe2\x80\xaex");
    }

    #[test]
    fn a_pin_is_hidden_however_it_is_written() {
        for (said, shown) in [
            (r#"{"action_code":"4711","x":1}"#, r#"{"action_code":***,"x":1}"#),
            (r#"{"pin":4711,"x":1}"#, r#"{"pin":***,"x":1}"#),
            (r#"{"PIN" : "47\"11" ,"x":1}"#, r#"{"PIN" :*** ,"x":1}"#),
            (r#"{"user_code":"4711"#, r#"{"user_code":***"#),
            (r#"{"code":{"value":4711}}"#, r#"{"code":***"#),
            (r#"{"\u0070in":"4711"}"#, r#"{"\u0070in":***}"#),
            (r#"{"in":"{\"pin\":\"4711\",\"a\":1}"}"#, r#"{"in":"{\"pin\":***,\"a\":1}"}"#),
            ("it's pin='4711', pin: 4711", "it's pin=***, pin:***"),
        ] {
            assert_eq!(sample(said.as_bytes()), shown);
        }
    }

    #[test]
    fn a_word_that_only_holds_one_is_left_alone() {
        let said = r#"{"spinning":1,"codec":2,"action":"emergency"}"#;
        assert_eq!(sample(said.as_bytes()), said);
    }

    #[test]
    fn an_escape_is_never_cut_in_two() {
        let line = sample(&[b"a".repeat(118), vec![0; 4]].concat());
        assert_eq!(line, "a".repeat(118));
    }

    proptest! {
        #[test]
        fn no_bytes_make_a_long_or_unprintable_sample(bytes: Vec<u8>) {
            let line = sample(&bytes);
            prop_assert!(line.chars().count() <= SAMPLE_MAX_CHARS);
            prop_assert!(line.chars().all(is_plain));
        }

        #[test]
        fn no_pin_shows_wherever_the_message_is_cut(
            before in "[a-z0-9\"{}: ,]{0,20}",
            key in prop::sample::select(vec!["pin", "code", "action_code"]),
            cut in 0usize..80,
        ) {
            let said = format!("{before} \"{key}\":\"93587162\",\"rest\":[true]}}");
            let line = sample(&said.as_bytes()[..cut.min(said.len())]);
            prop_assert!(!line.contains('9') || before.contains('9'));
            prop_assert!(!line.contains("935"));
        }
    }
}
