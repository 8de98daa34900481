//! From a file's bytes to its text and back: what Excel, WPS and Notepad write.
//!
//! Chinese Windows saves “CSV” as GB 18030 and “CSV UTF-8” with a byte order mark; “Unicode text” is
//! UTF-16. The marks are trusted. Without one, text is UTF-8 if it can be, because Chinese in GB
//! 18030 nearly never is; except where every sign beyond ASCII takes two bytes and the same bytes are
//! Chinese in GB 18030: two or three short names can look like Greek. Whoever knows better says the
//! encoding.

use encoding_rs::{Encoding as Decoder, GB18030, UTF_8, UTF_16BE, UTF_16LE};

use super::BOM;

/// How a file's text stands in its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// GB 18030, and with it GBK and GB 2312.
    Gb18030,
    /// UTF-16 with a byte order mark.
    Utf16,
}

impl Encoding {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB 18030",
            Self::Utf16 => "UTF-16",
        }
    }
}

/// Why bytes are no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotText {
    /// They are a workbook, not what a workbook is exported to.
    Workbook,
    /// They are neither UTF-8 nor GB 18030, or not what was said.
    Unknown {
        /// The line of the first byte that fits nothing, from 1.
        line: usize,
    },
}

/// How a workbook begins: as ZIP (.xlsx, .et) or as an OLE file (.xls).
const WORKBOOKS: [&[u8]; 2] = [b"PK\x03\x04", b"\xD0\xCF\x11\xE0"];

/// Reads a file's text, without its byte order mark, and says how it stood there.
///
/// # Errors
/// [`NotText`] where it is none.
pub fn decode(bytes: &[u8], said: Option<Encoding>) -> Result<(String, Encoding), NotText> {
    if WORKBOOKS.iter().any(|start| bytes.starts_with(start)) {
        return Err(NotText::Workbook);
    }
    let found = said.or_else(|| marked(bytes)).unwrap_or_else(|| guessed(bytes));
    let decoder = match found {
        Encoding::Utf8 => UTF_8,
        Encoding::Gb18030 => GB18030,
        Encoding::Utf16 if bytes.starts_with(b"\xFE\xFF") => UTF_16BE,
        Encoding::Utf16 => UTF_16LE,
    };
    match strict(decoder, bytes) {
        Some(text) => Ok((text, found)),
        None => Err(NotText::Unknown { line: bad_line(decoder, bytes) }),
    }
}

/// Puts text into bytes; UTF-8 and UTF-16 begin with a byte order mark, because a spreadsheet shows
/// garbage without it.
///
/// # Errors
/// The first character that the encoding does not have.
pub fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, char> {
    match encoding {
        Encoding::Utf8 => Ok(format!("{BOM}{text}").into_bytes()),
        Encoding::Utf16 => {
            let units = std::iter::once(0xFEFF).chain(text.encode_utf16());
            Ok(units.flat_map(u16::to_le_bytes).collect())
        }
        Encoding::Gb18030 => match GB18030.encode(text) {
            (bytes, _, false) => Ok(bytes.into_owned()),
            _ => Err(text
                .chars()
                .find(|c| GB18030.encode(c.encode_utf8(&mut [0; 4])).2)
                .unwrap_or_default()),
        },
    }
}

fn marked(bytes: &[u8]) -> Option<Encoding> {
    match Decoder::for_bom(bytes) {
        Some((mark, _)) if mark == UTF_8 => Some(Encoding::Utf8),
        Some(_) => Some(Encoding::Utf16),
        None => None,
    }
}

fn guessed(bytes: &[u8]) -> Encoding {
    let Ok(text) = std::str::from_utf8(bytes) else { return Encoding::Gb18030 };
    let mut beyond = text.chars().filter(|c| !c.is_ascii()).peekable();
    if beyond.peek().is_none() || beyond.any(|c| c.len_utf8() > 2) {
        return Encoding::Utf8;
    }
    let chinese = |c: char| c.is_ascii() || ('\u{4E00}'..='\u{9FFF}').contains(&c);
    match strict(GB18030, bytes) {
        Some(text) if text.chars().all(chinese) => Encoding::Gb18030,
        _ => Encoding::Utf8,
    }
}

/// The text, if every byte fits.
fn strict(decoder: &'static Decoder, bytes: &[u8]) -> Option<String> {
    let (text, damaged) = decoder.decode_with_bom_removal(bytes);
    (!damaged).then(|| text.into_owned())
}

/// The line of the first byte that does not fit.
fn bad_line(decoder: &'static Decoder, bytes: &[u8]) -> usize {
    let (text, _) = decoder.decode_with_bom_removal(bytes);
    let good = text.split(char::REPLACEMENT_CHARACTER).next().unwrap_or_default();
    good.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8]) -> (String, Encoding) {
        decode(bytes, None).unwrap()
    }

    #[test]
    fn what_windows_saves_is_read() {
        let text = "id,name\r\nR1,王桂芳\r\n";
        let (gb, _, _) = GB18030.encode(text);
        assert_eq!(read(&gb), (text.to_owned(), Encoding::Gb18030));
        for encoding in [Encoding::Utf8, Encoding::Utf16] {
            assert_eq!(read(&encode(text, encoding).unwrap()), (text.to_owned(), encoding));
        }
        let big = [b"\xFE\xFF".to_vec(), text.encode_utf16().flat_map(u16::to_be_bytes).collect()];
        assert_eq!(read(&big.concat()), (text.to_owned(), Encoding::Utf16));
        assert_eq!(read(text.as_bytes()), (text.to_owned(), Encoding::Utf8));
        assert_eq!(read(b"id\nB-1\n").1, Encoding::Utf8);
    }

    #[test]
    fn rare_characters_of_names_survive_in_gb_18030() {
        let text = "id,name\nR1,㛃𫖯𠮷\n";
        let bytes = encode(text, Encoding::Gb18030).unwrap();
        assert_eq!(read(&bytes), (text.to_owned(), Encoding::Gb18030));
    }

    #[test]
    fn a_few_names_that_could_be_greek_are_chinese() {
        let name = "id,name\nR1,\u{4e91}\n";
        let (bytes, _, _) = GB18030.encode(name);
        assert!(bytes.is_ascii() || std::str::from_utf8(&bytes).is_err());
        let name = b"id,name\nR1,\xCE\xB1\xCE\xB2\n";
        assert!(std::str::from_utf8(name).is_ok());
        assert_eq!(read(name), (GB18030.decode(name).0.into_owned(), Encoding::Gb18030));
        let said = decode(name, Some(Encoding::Utf8)).unwrap();
        assert_eq!(said.0, "id,name\nR1,αβ\n");
    }

    #[test]
    fn what_is_no_text_is_told_with_its_line() {
        let bytes = b"id,name\nR1,\xCD\xF5\nR2,\xFF\xFF\nR3,\xCD\xF5\n";
        assert_eq!(decode(bytes, None), Err(NotText::Unknown { line: 3 }));
        let gb = b"id\nR1\n\xCD\xF5\n";
        assert_eq!(decode(gb, Some(Encoding::Utf8)), Err(NotText::Unknown { line: 3 }));
        assert_eq!(decode(b"PK\x03\x04 and so on", None), Err(NotText::Workbook));
    }

    proptest! {
        #[test]
        fn any_text_comes_back_from_any_encoding(text in "[ -~\u{4E00}-\u{9FFF}\n😀𠮷]{0,60}") {
            for encoding in [Encoding::Utf8, Encoding::Gb18030, Encoding::Utf16] {
                let bytes = encode(&text, encoding).unwrap();
                prop_assert_eq!(decode(&bytes, Some(encoding)), Ok((text.clone(), encoding)));
            }
        }

        #[test]
        fn no_bytes_stop_the_reader(bytes: Vec<u8>) {
            if let Err(NotText::Unknown { line }) = decode(&bytes, None) {
                prop_assert!((1..=bytes.len() + 1).contains(&line));
            }
        }
    }
}
