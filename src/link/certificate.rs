//! What the hub must know of a certificate and rustls does not tell: until when it holds, and whom it
//! names.
//!
//! A walk along the few fields that stand before the two, in DER (ITU-T X.690) as RFC 5280, 4.1 lays
//! a certificate out. Whether a certificate is genuine is rustls' to judge, before a name is believed.
//! Chosen over a whole X.509 reader, which would be the largest dependency for two fields.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::terms::Wall;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, which the first one leaves out.
const VERSION: u8 = 0xa0;
/// UTF-8, printable and IA5 strings: the texts that a name is written in today.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3, the common name.
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The last moment it holds.
    pub(super) until: Wall,
    /// Its subject's common name; none where it has none, or more than one.
    pub(super) name: Option<String>,
}

impl Certificate {
    /// Reads a certificate; none when it is not one.
    pub(super) fn read(der: &[u8]) -> Option<Self> {
        let (SEQUENCE, whole, _) = element(der)? else { return None };
        let (SEQUENCE, mut fields, _) = element(whole)? else { return None };
        if fields.first() == Some(&VERSION) {
            fields = element(fields)?.2;
        }
        // Serial number, signature, issuer.
        for _ in 0..3 {
            fields = element(fields)?.2;
        }
        let (SEQUENCE, validity, fields) = element(fields)? else { return None };
        let (SEQUENCE, subject, _) = element(fields)? else { return None };
        let (tag, text, _) = element(element(validity)?.2)?;
        Some(Self { until: time(tag, text)?, name: common_name(subject) })
    }
}

/// The first element: its tag, what is in it, and what follows.
fn element(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        // More than 4 bytes of length is no certificate.
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)), rest)
        }
        _ => return None,
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    Some((tag, inside, rest))
}

/// RFC 5280, 4.1.2.5: two digits of a year from 50 on are of the last century.
fn time(tag: u8, text: &[u8]) -> Option<Wall> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let text = match tag {
        UTC_TIME if text.len() == 12 => {
            let century = if text.get(..2)? >= "50" { "19" } else { "20" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME if text.len() == 14 => text.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    let moment = civil.to_zoned(TimeZone::UTC).ok()?;
    Some(Wall(moment.timestamp().as_millisecond()))
}

fn common_name(mut subject: &[u8]) -> Option<String> {
    let mut found = None;
    while !subject.is_empty() {
        let (SET, mut set, rest) = element(subject)? else { return None };
        subject = rest;
        while !set.is_empty() {
            let (SEQUENCE, pair, rest) = element(set)? else { return None };
            set = rest;
            let (OBJECT, kind, value) = element(pair)? else { return None };
            if kind != COMMON_NAME {
                continue;
            }
            let (tag, text, _) = element(value)?;
            let text = std::str::from_utf8(text).ok().filter(|_| TEXTS.contains(&tag))?;
            if found.replace(text.to_owned()).is_some() {
                return None;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, date_time_ymd};

    use super::*;

    fn made(name: Option<&str>, year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["hub.example".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "云建社区");
        if let Some(name) = name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.not_after = date_time_ymd(year, 2, 28);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn the_end_and_the_name_are_read() {
        let read = Certificate::read(&made(Some("三号楼/501-按钮"), 2031)).unwrap();
        // 28 February 2031, 00:00 UTC.
        assert_eq!(read.until, Wall(1_930_003_200_000));
        assert_eq!(read.name.as_deref(), Some("三号楼/501-按钮"));
        // From 2050 on the time is written in another way.
        let read = Certificate::read(&made(None, 2051)).unwrap();
        assert_eq!(read, Certificate { until: Wall(2_561_155_200_000), name: None });
    }

    #[test]
    fn what_is_cut_or_changed_is_never_a_panic() {
        let whole = made(Some("B-14"), 2031);
        for cut in 0..whole.len().min(200) {
            assert_eq!(Certificate::read(&whole[..cut]), None, "{cut}");
        }
        for at in 0..whole.len() {
            for bit in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= bit;
                let _ = Certificate::read(&changed);
            }
        }
    }
}
