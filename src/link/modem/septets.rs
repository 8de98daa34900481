//! The 7-bit alphabet of GSM (3GPP TS 23.038, 6.2.1), read only: what the hub sends is Chinese and
//! goes out in UCS-2, but a reply of `1` comes in these septets. Pure.
//!
//! National tables are not known: a message in one is read by the default table, and its digits, which
//! are all that an answer needs, stand at the same places in each.

/// The default alphabet in the order of its 128 codes; [`ESCAPE`] stands at its own.
const DEFAULT: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\u{1b}ÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?\
¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// The next code is one of [`EXTENDED`].
const ESCAPE: u8 = 0x1b;

/// Codes behind an escape.
const EXTENDED: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];

/// `count` septets from the bit `from` on; `None` when there are not so many.
pub(super) fn unpacked(bytes: &[u8], from: usize, count: usize) -> Option<Vec<u8>> {
    let one = |index: usize| {
        let bit = from + index * 7;
        let low = u16::from(*bytes.get(bit / 8)?);
        // The last septet may end with the last byte.
        let needs_next = bit % 8 > 1;
        let high = match bytes.get(bit / 8 + 1) {
            Some(high) => u16::from(*high),
            None if needs_next => return None,
            None => 0,
        };
        u8::try_from(((high << 8 | low) >> (bit % 8)) & 0x7f).ok()
    };
    (0..count).map(one).collect()
}

/// The text of septets. A code that means nothing behind an escape is read as without it.
pub(super) fn text(septets: &[u8]) -> String {
    let plain = |code: u8| DEFAULT.chars().nth(usize::from(code)).unwrap_or('?');
    let mut text = String::new();
    let mut codes = septets.iter().copied();
    while let Some(code) = codes.next() {
        if code != ESCAPE {
            text.push(plain(code));
        } else if let Some(next) = codes.next() {
            let known = EXTENDED.iter().find(|(code, _)| *code == next);
            text.push(known.map_or_else(|| plain(next), |(_, c)| *c));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_has_128_places_with_digits_and_letters_where_they_belong() {
        assert_eq!(DEFAULT.chars().count(), 128);
        for c in ('0'..='9').chain('A'..='Z').chain('a'..='z') {
            assert_eq!(DEFAULT.chars().nth(c as usize), Some(c));
        }
        assert_eq!(DEFAULT.chars().nth(usize::from(ESCAPE)), Some('\u{1b}'));
    }

    #[test]
    fn the_example_of_every_textbook_is_read() {
        let packed = [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37];
        assert_eq!(text(&unpacked(&packed, 0, 10).unwrap()), "hellohello");
        assert_eq!(unpacked(&packed, 0, 11), None);
        assert_eq!(text(&[0x1b, 0x65, 0x31, 0x1b]), "€1");
    }
}
