//! The reference C codec against the vectors and against the hub's own, and the line's bad days: every
//! cut and every turned bit of every vector, with a whole frame right behind it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anling::contract::{
    SERIAL_DELIMITER, SERIAL_PIECE_MAX, SerialEvent, SerialFrame, serial_address,
};
use anling::terms::{FeedbackStage, Mark, RefusalReason};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tempfile::TempDir;

use super::vectors::{VectorFile, folder, mark, reason, vector_files};

fn vectors(stem: &str) -> VectorFile {
    let files = vector_files(stem).into_iter();
    let mut ours = files.filter(|(name, _)| name.starts_with("native-serial/v1/"));
    ours.next().unwrap().1
}

/// Compiles a program of `tests/firmware/` with the contract's C files, as strictly as they promise
/// and under the sanitizers that come with Debian's gcc: without them a read one byte too far passes.
fn compiled(program: &str) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let binary = dir.path().join(program);
    let contract = folder().join("native-serial/v1");
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/firmware");
    let mut cc = Command::new("cc");
    cc.args(["-std=c99", "-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion"]);
    cc.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]);
    cc.arg("-I").arg(&contract).arg("-o").arg(&binary);
    cc.args([contract.join("codec.c"), contract.join("button.c")]);
    let built = cc.arg(ours.join(program).with_extension("c")).output();
    let built = built.expect("install the package gcc");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    (dir, binary)
}

/// The compiled codec, asked line by line.
struct Codec {
    child: Child,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
    _dir: TempDir,
}

impl Codec {
    fn new() -> Self {
        let (dir, binary) = compiled("codec_lines");
        let mut command = Command::new(binary);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let ask = child.stdin.take().unwrap();
        let told = BufReader::new(child.stdout.take().unwrap());
        Self { child, ask, told, _dir: dir }
    }

    fn asked(&mut self, line: &str) -> String {
        writeln!(self.ask, "{line}").unwrap();
        let mut told = String::new();
        self.told.read_line(&mut told).unwrap();
        assert!(told.ends_with('\n'), "the codec stopped at {line}");
        told.trim().to_owned()
    }

    fn read(&mut self, piece: &[u8]) -> Result<SerialFrame, RefusalReason> {
        let told = self.asked(&format!("R {}", hex(piece)));
        let Some(fields) = told.strip_prefix("ok ") else { return Err(c_reason(&told)) };
        let fields: Vec<i64> = fields.split(' ').map(|field| field.parse().unwrap()).collect();
        let [kind, address, boot, seq, rest @ ..] = &*fields else { panic!("{told}") };
        let wide = |n: &i64| u32::try_from(*n).unwrap();
        let byte = |n: i64| u8::try_from(n).unwrap();
        let (address, mark) = (wide(address), Mark { boot: wide(boot), seq: wide(seq) });
        Ok(match kind {
            0x01 => SerialFrame::Event(SerialEvent {
                address,
                mark,
                kind: byte(rest[0]),
                flags: byte(rest[1]),
                battery: byte(rest[2]),
                signal: i8::try_from(rest[3]).unwrap(),
            }),
            0x02 => SerialFrame::Alive { address, mark },
            _ => SerialFrame::Command { address, mark, stage: STAGES[rest[4] as usize - 1] },
        })
    }

    fn write(&mut self, frame: &SerialFrame) -> Option<String> {
        let line = match frame {
            SerialFrame::Event(event) => {
                let SerialEvent { address, mark, kind, flags, battery, signal } = event;
                let Mark { boot, seq } = mark;
                format!("W 1 {address} {boot} {seq} {kind} {flags} {battery} {signal} 0")
            }
            SerialFrame::Alive { address, mark } => {
                format!("W 2 {address} {} {} 0 0 0 0 0", mark.boot, mark.seq)
            }
            SerialFrame::Command { address, mark, stage } => {
                let stage = STAGES.iter().position(|s| s == stage).unwrap() + 1;
                format!("W 129 {address} {} {} 0 0 0 0 {stage}", mark.boot, mark.seq)
            }
        };
        let told = self.asked(&line);
        (told != "-").then_some(told)
    }
}

impl Drop for Codec {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const STAGES: [FeedbackStage; 4] =
    [FeedbackStage::Stored, FeedbackStage::Accepted, FeedbackStage::OnScene, FeedbackStage::Closed];

/// The words of `enum anling_result`.
fn c_reason(number: &str) -> RefusalReason {
    let words = [
        "too_long",
        "malformed",
        "truncated",
        "checksum",
        "newer_than_us",
        "unknown_kind",
        "trailing_bytes",
        "out_of_range",
    ];
    reason(words[number.parse::<usize>().unwrap_or_else(|_| panic!("{number}")) - 1])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn on_the_line(piece: &[u8]) -> Vec<u8> {
    [&[SERIAL_DELIMITER], piece, &[SERIAL_DELIMITER]].concat()
}

#[test]
fn both_codecs_write_and_read_every_vector_in_both_directions() {
    let mut codec = Codec::new();
    let mut kinds: BTreeSet<&str> = anling::contract::kinds().collect();
    for vector in vectors("uplink").vector {
        let frame = vector.frame.as_ref().unwrap();
        if let Some(row) = frame.kind {
            kinds.remove(anling::contract::kinds().nth(usize::from(row) - 1).unwrap());
        }
        let (piece, meant) = (vector.bytes(), vector.frame.as_ref().unwrap().meant());
        assert_eq!(meant.to_wire(), on_the_line(&piece), "{}", vector.name);
        assert_eq!(SerialFrame::read(&piece), Ok(meant), "{}", vector.name);
        assert_eq!(codec.write(&meant), Some(hex(&on_the_line(&piece))), "{}", vector.name);
        assert_eq!(codec.read(&piece), Ok(meant), "{}", vector.name);
    }
    assert!(kinds.is_empty(), "without a vector: {kinds:?}");
    for vector in vectors("downlink").command {
        let name = vector.device.strip_prefix("native-serial:").unwrap();
        let (address, mark) = (serial_address(name).unwrap(), mark(vector.mark.as_ref().unwrap()));
        let meant = SerialFrame::Command { address, mark, stage: vector.stage };
        let wire = vector.bytes();
        assert_eq!(codec.write(&meant), Some(hex(&wire)), "{}", vector.name);
        assert_eq!(codec.read(&wire[1..wire.len() - 1]), Ok(meant), "{}", vector.name);
    }
}

#[test]
fn both_codecs_refuse_the_same_pieces_for_the_same_reason() {
    let mut codec = Codec::new();
    for vector in vectors("refused").vector {
        let refused = vector.refusal.as_ref().unwrap();
        if refused.reason == "foreign_topic" {
            continue; // A device does read commands.
        }
        assert_eq!(codec.read(&vector.bytes()), Err(reason(&refused.reason)), "{}", vector.name);
    }
}

/// The pieces of every vector, read, refused and written.
fn pieces() -> Vec<Vec<u8>> {
    let said = ["uplink", "refused"].into_iter().flat_map(|stem| vectors(stem).vector);
    let commands = vectors("downlink").command.into_iter().map(|vector| {
        let wire = vector.bytes();
        wire[1..wire.len() - 1].to_vec()
    });
    said.map(|vector| vector.bytes()).chain(commands).collect()
}

/// Ruins frames in C under the sanitizers; how many were tried, and how many of them read.
fn mutated(rounds: u64, seed: u64) -> (u64, u64) {
    let (dir, binary) = compiled("codec_mutated");
    let given = dir.path().join("pieces");
    std::fs::write(&given, pieces().iter().map(|piece| hex(piece) + "\n").collect::<String>())
        .unwrap();
    let mut command = Command::new(binary);
    command.args([rounds.to_string(), seed.to_string()]).stdin(std::fs::File::open(given).unwrap());
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{rounds} rounds from seed {seed}: {told}{wrong}");
    let (tried, read) = told.trim().split_once(' ').unwrap();
    (tried.parse().unwrap(), read.parse().unwrap())
}

/// `ANLING_MUTATIONS=10000000` makes it long.
#[test]
fn no_cut_no_turned_bit_and_no_mutation_leads_the_c_codec_astray() {
    let rounds = std::env::var("ANLING_MUTATIONS").map_or(100_000, |said| said.parse().unwrap());
    let whole = pieces();
    let systematic: usize = whole.iter().map(|piece| piece.len() * 9 + 1).sum();
    let (tried, read) = mutated(rounds, 0x5EED);
    assert_eq!(tried, rounds + systematic as u64, "all vectors reached it");
    // Mutations that never get behind the sum would show little.
    assert!(read > rounds / 100, "only {read} of {tried} were read as frames");
}

/// Frames and pieces as they come: half of them frames, half of those with something wrong.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    let body =
        (0..=3u8, prop::sample::select(vec![1u8, 2, 0x81, 9]), 0..24usize, any::<[u8; 24]>());
    let sealed = body.prop_map(|(version, kind, length, fields)| {
        let said = [&[version, kind], &fields[..length]].concat();
        stuffed_with_sum(&said)
    });
    prop_oneof![
        any_frame().prop_map(|frame| {
            let wire = frame.to_wire();
            wire[1..wire.len() - 1].to_vec()
        }),
        sealed,
        prop::collection::vec(1..=255u8, 1..40),
        prop::collection::vec(any::<u8>(), 0..400),
    ]
}

/// A body with its right sum, as COBS, independently of both codecs.
fn stuffed_with_sum(said: &[u8]) -> Vec<u8> {
    let mut sum = 0xFFFFu32;
    for byte in said {
        sum ^= u32::from(*byte) << 8;
        for _ in 0..8 {
            sum = if sum & 0x8000 > 0 { (sum << 1) ^ 0x1_1021 } else { sum << 1 };
        }
    }
    let mut body = said.to_vec();
    body.extend_from_slice(&(sum as u16).to_le_bytes());
    let runs: Vec<&[u8]> = body.split(|byte| *byte == 0).collect();
    runs.iter().flat_map(|run| [&[run.len() as u8 + 1], *run].concat()).collect()
}

fn any_frame() -> impl Strategy<Value = SerialFrame> {
    let mark = (any::<u32>(), any::<u32>()).prop_map(|(boot, seq)| Mark { boot, seq });
    (0..3u8, any::<u32>(), mark, any::<[u8; 4]>()).prop_map(|(which, address, mark, bytes)| {
        let [kind, flags, battery, signal] = bytes;
        // Mostly within their ranges, so that both sides of every limit are met.
        let (kind, flags, battery) = (kind % 16, flags % 5, battery % 104);
        let signal = i8::from_le_bytes([signal]);
        match which {
            0 => SerialFrame::Event(SerialEvent { address, mark, kind, flags, battery, signal }),
            1 => SerialFrame::Alive { address, mark },
            _ => SerialFrame::Command { address, mark, stage: STAGES[usize::from(kind % 4)] },
        }
    })
}

#[test]
fn both_codecs_say_the_same_of_thousands_of_random_pieces() {
    let codec = std::cell::RefCell::new(Codec::new());
    let mut runner =
        TestRunner::new(Config { cases: 4_000, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&any_piece(), |piece| {
        let ours = SerialFrame::read(&piece).map_err(|(_, reason)| reason);
        prop_assert_eq!(codec.borrow_mut().read(&piece), ours);
        Ok(())
    });
    outcome.unwrap();
    let outcome = runner.run(&any_frame(), |frame| {
        let wire = frame.to_wire();
        // The hub's writer is given only what its types allow; the C writer looks for itself.
        let sound = SerialFrame::read(&wire[1..wire.len() - 1]) == Ok(frame);
        prop_assert_eq!(codec.borrow_mut().write(&frame), sound.then(|| hex(&wire)));
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn the_c_reader_of_lines_finds_a_frame_after_any_noise() {
    let mut codec = Codec::new();
    let wire = SerialFrame::Alive { address: 7, mark: Mark { boot: 1, seq: 1 } }.to_wire();
    let piece = hex(&wire[1..wire.len() - 1]);
    for noise in [vec![], vec![0; 5], vec![0x55; 3], vec![0xFF; 600], wire[..9].to_vec()] {
        let told = codec.asked(&format!("L {}", hex(&[noise.clone(), wire.clone()].concat())));
        let pieces: Vec<&str> = told.split(' ').collect();
        assert_eq!(*pieces.last().unwrap(), piece, "after {} bytes", noise.len());
        let longest = pieces.iter().map(|piece| piece.len() / 2).max().unwrap();
        assert!(longest <= SERIAL_PIECE_MAX + 1);
    }
}

/// What a line brings, read as the hub reads it.
fn heard(line: &[u8]) -> Vec<SerialFrame> {
    let pieces = line.split(|byte| *byte == SERIAL_DELIMITER);
    pieces.filter_map(|piece| SerialFrame::read(piece).ok()).collect()
}

#[test]
fn no_cut_and_no_turned_bit_makes_another_frame_or_costs_the_next_one() {
    let next = SerialFrame::Alive { address: 9, mark: Mark { boot: 2, seq: 3 } };
    for vector in vectors("uplink").vector {
        let meant = vector.frame.as_ref().unwrap().meant();
        let wire = meant.to_wire();
        let ruined =
            (0..wire.len()).map(|cut| wire[..cut].to_vec()).chain((0..wire.len() * 8).map(|bit| {
                let mut turned = wire.clone();
                turned[bit / 8] ^= 1 << (bit % 8);
                turned
            }));
        for line in ruined {
            let mut heard = heard(&[line, next.to_wire()].concat());
            assert_eq!(heard.pop(), Some(next), "{}: the next frame is lost", vector.name);
            // A cut or a flip of a delimiter alone leaves the frame whole.
            assert!(heard.is_empty() || heard == [meant], "{}: {heard:?}", vector.name);
        }
    }
}

#[test]
fn the_worked_example_repeats_as_the_contract_says() {
    let (_dir, binary) = compiled("button_times");
    let times = |kind: &str| -> Vec<u64> {
        let output = Command::new(&binary).arg(kind).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(|at| at.parse().unwrap()).collect()
    };
    let first: Vec<u64> =
        [0, 2, 6, 14, 30].into_iter().chain((1..=20).map(|n| 30 + 30 * n)).collect();
    assert_eq!(times("9"), first, "a service key is repeated for ten minutes");
    let sos = times("1");
    assert_eq!(sos[..first.len()], first, "so is an emergency at first");
    let lasting = &sos[first.len()..];
    assert!(lasting.windows(2).all(|pair| pair[1] - pair[0] == 600), "then every ten minutes");
    assert!((86_400 - 600..=86_400).contains(lasting.last().unwrap()), "for a day");
}
