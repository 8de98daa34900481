//! The entry that fuzz targets and tests share: any bytes as messages of one family, through that
//! family's decoders. An input is text for people where it can be: messages parted by a line `--`,
//! each its topic on a line of its own, with `!` before a retained one's, then its payload. So the
//! vectors are seeds without a second copy, and what a fuzzer finds can be read and made smaller by
//! hand. Topic and payload are one input because most decoders read both.

use std::sync::LazyLock;

use anling::contract::SAMPLE_MAX_CHARS;
use anling::terms::{At, Decoded, Decoder};

use super::vectors::{NOW, VectorFile, decoder, inbound, vector_files};

const BETWEEN: &[u8] = b"\n--\n";

/// From one message to the next, milliseconds: within the time in which a radio's repeats are one
/// press.
const APART_MS: u64 = 40;

/// Most messages of an input: a fuzzer that found out how to make many would only become slow.
const MESSAGES_MAX: usize = 64;

static UPLINKS: LazyLock<Vec<(String, VectorFile)>> = LazyLock::new(|| vector_files("uplink"));
static REFUSED: LazyLock<Vec<(String, VectorFile)>> = LazyLock::new(|| vector_files("refused"));

fn family_of(name: &str) -> &str {
    name.split('/').next().unwrap_or(name)
}

/// Every family that has vectors, once.
pub fn families() -> Vec<&'static str> {
    let mut found: Vec<&str> = UPLINKS.iter().map(|(name, _)| family_of(name)).collect();
    found.dedup();
    found
}

/// The vectors of a family as inputs.
pub fn seeds(family: &str) -> Vec<Vec<u8>> {
    let files = UPLINKS.iter().chain(REFUSED.iter());
    let ours = files.filter(|(name, _)| family_of(name) == family);
    let input = |vector: &super::vectors::Vector| {
        let before = vector
            .before
            .iter()
            .map(|earlier| message(&earlier.topic, earlier.retained, &earlier.bytes()));
        let last = message(&vector.topic, vector.retained, &vector.bytes());
        before.chain([last]).collect::<Vec<_>>().join(BETWEEN)
    };
    ours.flat_map(|(_, file)| file.vector.iter().map(input)).collect()
}

fn message(topic: &str, retained: bool, payload: &[u8]) -> Vec<u8> {
    let mark = if retained { "!" } else { "" };
    [mark.as_bytes(), topic.as_bytes(), b"\n", payload].concat()
}

/// The family's decoders, each as one of its vector files sets it up.
pub fn readers(family: &str) -> Vec<Box<dyn Decoder>> {
    let ours = UPLINKS.iter().filter(|(name, _)| family_of(name) == family);
    let found: Vec<_> = ours.map(|(name, file)| decoder(name, file)).collect();
    assert!(!found.is_empty(), "no vectors for {family}");
    found
}

/// What the decoders say to an input that begins at `at`, after what holds of every answer was looked
/// at: it is about this message, and no refusal shows more of it than the limit.
pub fn feed(readers: &mut [Box<dyn Decoder>], at: At, input: &[u8]) -> Vec<Decoded> {
    let mut all = Vec::new();
    for reader in readers {
        let mut at = at;
        for message in parted(input).into_iter().take(MESSAGES_MAX) {
            let (topic, payload) = match message.iter().position(|byte| *byte == b'\n') {
                Some(end) => (&message[..end], &message[end + 1..]),
                None => (&message[..0], message),
            };
            let topic = String::from_utf8_lossy(topic);
            let (topic, retained) =
                topic.strip_prefix('!').map_or((&*topic, false), |topic| (topic, true));
            let said = reader.take(at, &inbound(topic, payload.to_vec(), retained, at));
            for decoded in &said {
                match decoded {
                    Decoded::Report(report) => {
                        assert_eq!((report.retained, report.heard_at), (retained, at));
                    }
                    Decoded::Refusal(refusal) => {
                        assert_eq!(refusal.heard_at, at);
                        assert!(refusal.sample.chars().count() <= SAMPLE_MAX_CHARS);
                    }
                }
            }
            all.extend(said);
            at = At(at.0 + APART_MS);
        }
    }
    all
}

fn parted(input: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = input;
    while let Some(end) = rest.windows(BETWEEN.len()).position(|here| here == BETWEEN) {
        found.push(&rest[..end]);
        rest = &rest[end + BETWEEN.len()..];
    }
    found.push(rest);
    found
}

/// One input to fresh decoders, twice: a decoder that is pure says the same both times.
pub fn read(family: &str, input: &[u8]) {
    let first = feed(&mut readers(family), NOW, input);
    assert_eq!(first, feed(&mut readers(family), NOW, input));
}
