//! What a modem says, whatever it says: lines parted into what was asked and what was not, and messages
//! in hexadecimal digits. The fuzz target `sms` and the tests share this entry; the vectors of messages
//! are its seeds.

use anling::link::modem::pdu;
use anling::link::modem::talk::{Said, Talk};

const VECTORS: &str = include_str!("../../src/link/modem/vectors.toml");

/// Reads any bytes as a modem's talk, in three moods, and what stands in it as messages.
pub fn read(input: &[u8]) {
    for (command, wants, prompt) in
        [("", "", false), ("AT+CMGL=4", "+CMGL:", false), ("AT+CMGS=19", "+CMGS:", true)]
    {
        let (mut talk, mut said) = (Talk::default(), Vec::new());
        if !command.is_empty() {
            talk.asks(command, wants, prompt);
        }
        talk.takes(input, &mut said);
        for one in said {
            let lines = match one {
                Said::Reply(reply) => reply.lines,
                Said::Unasked(line, digits) => [Some(line), digits].into_iter().flatten().collect(),
                Said::Prompt => Vec::new(),
            };
            for line in lines {
                let _ = pdu::read(&line, Some(line.len() / 2));
                let _ = pdu::read(&line, None);
            }
        }
    }
    let _ = pdu::read(&String::from_utf8_lossy(input), None);
}

/// The vectors as a modem says them.
pub fn seeds() -> Vec<Vec<u8>> {
    let file: toml::Table = toml::from_str(VECTORS).unwrap();
    let mut found = Vec::new();
    for table in ["deliver", "report", "refused"] {
        for row in file[table].as_array().unwrap() {
            let hex = row["hex"].as_str().unwrap().replace(' ', "");
            let length = hex.len() / 2;
            found.push(format!("\r\n+CMGL: 1,0,,{length}\r\n{hex}\r\nOK\r\n").into_bytes());
            found.push(format!("\r\nRING\r\n+CDS: {length}\r\n{hex}\r\n> ").into_bytes());
            found.push(hex.into_bytes());
        }
    }
    found
}

#[test]
fn every_cut_and_every_turned_bit_of_a_modems_talk_is_read_soundly() {
    for seed in seeds() {
        for cut in 0..=seed.len() {
            read(&seed[..cut]);
        }
        for bit in 0..seed.len() * 8 {
            let mut turned = seed.clone();
            turned[bit / 8] ^= 1 << (bit % 8);
            read(&turned);
        }
    }
}

#[test]
fn what_fuzzers_found_is_read_soundly() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/sms");
    for entry in std::fs::read_dir(corpus).into_iter().flatten() {
        read(&std::fs::read(entry.unwrap().path()).unwrap());
    }
}
