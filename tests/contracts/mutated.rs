//! Every family's decoders under messages that nobody wrote down: what fuzzers found, and vectors
//! changed at random from a fixed seed. `fuzz/` looks for more, over the same entry.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use anling::terms::{At, Decoded};

use super::inputs::{families, feed, read, readers, seeds};
use super::vectors::NOW;

/// How often a family's decoders begin anew: their memory is part of what is tried.
const FRESH_EVERY: u64 = 200;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}

/// Runs `body` and says which input broke it, and where to keep it.
fn held(family: &str, input: &[u8], body: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(body)).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = String::from_utf8_lossy(input);
        panic!("{family} broke; keep this in fuzz/corpus/{family}/:\n{text}\n{hex}");
    }
}

#[test]
fn every_vector_and_every_find_is_read_soundly_and_twice_the_same() {
    for family in families() {
        let corpus = fuzz().join("corpus").join(family);
        let found = fs::read_dir(&corpus).into_iter().flatten();
        let found = found.map(|entry| fs::read(entry.unwrap().path()).unwrap());
        for input in seeds(family).into_iter().chain(found) {
            held(family, &input, || read(family, &input));
        }
    }
}

/// `ANLING_MUTATIONS=1000000` makes it long.
#[test]
fn no_mutated_message_leads_a_decoder_astray() {
    let rounds = std::env::var("ANLING_MUTATIONS").map_or(3_000, |said| said.parse().unwrap());
    for family in families() {
        let seeds = seeds(family);
        let mut dice = Dice(0x5EED);
        let mut ours = readers(family);
        let (mut reports, mut refusals) = (0u64, 0u64);
        for round in 0..rounds {
            if round % FRESH_EVERY == 0 {
                ours = readers(family);
            }
            let input = dice.mutated(&seeds);
            let at = At(NOW.0 + round * 1_000);
            held(family, &input, || {
                for decoded in feed(&mut ours, at, &input) {
                    match decoded {
                        Decoded::Report(_) => reports += 1,
                        Decoded::Refusal(_) => refusals += 1,
                    }
                }
            });
        }
        // Mutations that are all refused, or none, would show little.
        assert!(reports > rounds / 100, "{family}: {reports} reports in {rounds} messages");
        assert!(refusals > rounds / 100, "{family}: {refusals} refusals in {rounds} messages");
    }
}

#[test]
fn every_family_has_its_fuzz_target() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    for family in families() {
        let target = fs::read_to_string(fuzz().join(format!("fuzz_targets/{family}.rs")));
        let target = target.unwrap_or_else(|_| panic!("{family} has no target in fuzz/"));
        assert!(target.contains(&format!("read(\"{family}\", ")), "{target}");
        assert!(manifest.contains(&format!("name = \"{family}\"")), "{family}");
    }
}

/// What parsers stumble over, put in whole.
const WORDS: [&[u8]; 14] = [
    b"18446744073709551616",
    b"-1",
    b"1e999",
    b"null",
    b"[[[[",
    b"{\"\":",
    b"\"\\ud800\"",
    b"\xFF\xFE",
    b"\0",
    b"\n--\n",
    b",",
    b"\xE4\xB8",
    b"/",
    b"9999-99-99T99:99:99Z",
];

/// xorshift64: the same messages on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.below(256) as u8
    }

    fn mutated(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = seeds[self.below(seeds.len())].clone();
        // What is very long is so for one reason only, and would take all the time.
        input.truncate(2_000);
        // Now and then none: a good message among bad ones.
        for _ in 0..self.below(5) {
            let at = self.below(input.len() + 1);
            match self.below(7) {
                0 if at < input.len() => input[at] = self.byte(),
                1 if at < input.len() => input[at] ^= 1 << self.below(8),
                2 => input.insert(at, self.byte()),
                3 => {
                    let end = (at + self.below(8)).min(input.len());
                    input.drain(at..end);
                }
                4 => {
                    let word = WORDS[self.below(WORDS.len())];
                    input.splice(at..at, word.iter().copied());
                }
                5 => {
                    let end = (at + self.below(24)).min(input.len());
                    let again = input[at..end].to_vec();
                    input.splice(at..at, again);
                }
                _ => {
                    let other = &seeds[self.below(seeds.len())];
                    let from = self.below(other.len() + 1);
                    input.truncate(at);
                    input.extend(other[from..].iter().take(2_000));
                }
            }
        }
        input
    }
}
