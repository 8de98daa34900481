//! Vectors as data, and what nobody wrote down: every cut, every turned bit.

use proptest::prelude::*;

use super::*;

const VECTORS: &str = include_str!("vectors.toml");

fn vectors(table: &str) -> Vec<toml::Table> {
    let file: toml::Table = toml::from_str(VECTORS).unwrap();
    file[table].as_array().unwrap().iter().map(|row| row.as_table().unwrap().clone()).collect()
}

fn text<'a>(row: &'a toml::Table, key: &str) -> &'a str {
    row.get(key).and_then(toml::Value::as_str).unwrap_or_default()
}

fn hex(row: &toml::Table) -> String {
    text(row, "hex").replace(' ', "")
}

fn phone(text: &str) -> Phone {
    Phone::parse(text).unwrap()
}

#[test]
fn what_is_sent_is_exactly_as_written_down() {
    for row in vectors("submit") {
        let (to, centre) = (phone(text(&row, "to")), Phone::parse(text(&row, "centre")));
        let written = Submit {
            to: &to,
            text: text(&row, "text"),
            report: row.contains_key("report"),
            validity: row.get("validity").map(|v| u8::try_from(v.as_integer().unwrap()).unwrap()),
            centre: centre.as_ref(),
        };
        let written = written.write().unwrap();
        let length = usize::try_from(row["length"].as_integer().unwrap()).unwrap();
        assert_eq!(written, Written { length, hex: hex(&row) }, "{}", text(&row, "name"));
    }
}

#[test]
fn what_comes_in_is_read_exactly_as_written_down() {
    for row in vectors("deliver") {
        let name = text(&row, "name");
        let Ok(Received::Deliver(read)) = read(&hex(&row), None) else {
            panic!("{name}: {:?}", read(&hex(&row), None))
        };
        assert_eq!(
            (read.from.as_str(), read.text.as_str()),
            (text(&row, "from"), text(&row, "text"))
        );
        if row.contains_key("sent") {
            assert_eq!(read.sent, text(&row, "sent"), "{name}");
        }
        let part = row.get("part").and_then(toml::Value::as_array).map(|part| {
            let at = |n: usize| part[n].as_integer().unwrap();
            let small = |n| u8::try_from(at(n)).unwrap();
            Part { reference: u16::try_from(at(0)).unwrap(), total: small(1), number: small(2) }
        });
        assert_eq!(read.part, part, "{name}");
    }
    for row in vectors("report") {
        let fate = match text(&row, "fate") {
            "arrived" => Fate::Arrived,
            "trying" => Fate::Trying,
            _ => Fate::Failed,
        };
        let reference = u8::try_from(row["reference"].as_integer().unwrap()).unwrap();
        let expected = Report { reference, to: text(&row, "to").to_owned(), fate };
        assert_eq!(
            read(&hex(&row), None),
            Ok(Received::Report(expected)),
            "{}",
            text(&row, "name")
        );
    }
}

#[test]
fn what_is_wrong_is_refused_with_its_reason() {
    for row in vectors("refused") {
        let why = read(&hex(&row), None).unwrap_err();
        assert_eq!(format!("{why:?}"), text(&row, "why"), "{}", text(&row, "name"));
    }
    let good = hex(&vectors("report")[0]);
    let length = good.len() / 2 - 1;
    assert!(read(&good, Some(length)).is_ok());
    assert_eq!(read(&good, Some(length + 1)), Err(BadPdu::Length), "announced longer");
}

#[test]
fn a_text_of_seventy_units_goes_out_and_one_of_seventy_one_does_not() {
    let to = phone("13800138000");
    let submit =
        |text: &str| Submit { to: &to, text, report: false, validity: None, centre: None }.write();
    assert_eq!(submit(&"字".repeat(70)).unwrap().length, 153);
    assert_eq!(submit(&"字".repeat(71)), Err(BadPdu::TooLong));
    assert_eq!(submit(&"👍".repeat(36)), Err(BadPdu::TooLong), "a rare character has two units");
    assert_eq!(submit(&"字".repeat(500)), Err(BadPdu::TooLong));
}

#[test]
fn every_cut_is_refused_and_every_turned_bit_is_refused_or_read() {
    for table in ["deliver", "report"] {
        for row in vectors(table) {
            let whole = bytes(&hex(&row)).unwrap();
            let digits =
                |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
            // A report may end in what nobody needs; cut before its last byte it is none.
            for cut in 0..whole.len() {
                let cut = digits(&whole[..cut]);
                assert!(read(&cut, None).is_err(), "{}: {cut}", text(&row, "name"));
            }
            for bit in 0..whole.len() * 8 {
                let mut turned = whole.clone();
                turned[bit / 8] ^= 1 << (bit % 8);
                let _ = read(&digits(&turned), None);
            }
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_lead_astray(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = read(&hex, None);
    }

    #[test]
    fn no_text_leads_astray(text in "\\PC{0,60}") {
        let _ = read(&text, Some(3));
    }
}
