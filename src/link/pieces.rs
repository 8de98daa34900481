//! How the bytes of a serial line are cut into pieces; what a piece means is not known here.
//!
//! Text lines end with a byte of a set. Binary frames begin with a head, have a length that is fixed or
//! counted, and end with a tail and perhaps a sum. A head is only a head when all that follows fits:
//! else one byte is passed over and the next is looked at, so that neither noise nor a head inside of it
//! costs a good frame. A false head may claim bytes that never come; so when the line has been quiet for
//! [`QUIET`], whole frames behind it are handed over. Nothing that is still coming in is given up for
//! that: a frame that pauses in its middle stays whole. What is passed over is handed over as well, piece
//! by piece, because somebody has to count it.
//!
//! One byte goes in at a time, so it does not matter how the system splits what it read.

use crate::terms::Wait;

/// How long a line brings nothing before frames are looked for behind an open head. Own choice: longer
/// than USB holds bytes back (16 ms) and than 60 bytes take at 2,400 baud.
pub const QUIET: Wait = Wait(250);

/// How a line is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pieces {
    /// Where a piece begins and ends.
    pub form: Form,
    /// Longest piece in bytes; of a longer line so many and one more are handed over, a longer frame is
    /// none.
    pub most: usize,
}

/// Where a piece begins and ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// Each of these bytes ends a piece and belongs to none.
    Ended(Vec<u8>),
    /// A binary frame of one of these forms, handed over whole.
    Framed(Vec<Frame>),
}

/// A binary frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its first bytes, at least one.
    pub head: Vec<u8>,
    /// How long it is.
    pub length: Length,
    /// Its last bytes; may be none.
    pub tail: Vec<u8>,
    /// What must fit before the tail.
    pub sum: Option<Sum>,
}

/// How long a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Always so many bytes, head and tail included.
    Fixed(usize),
    /// Two bytes of the frame say it.
    Counted {
        /// Where they stand, from 0.
        at: usize,
        /// Whether the high byte is first.
        high_first: bool,
        /// How many bytes the frame has beside those that are counted.
        beside: usize,
    },
}

/// A sum that stands right before the tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// One byte: all from this place to it, added, the low byte.
    Added(usize),
    /// One byte: all from this place to it, by exclusive or.
    Xored(usize),
    /// Two bytes, low first: the CRC-16 of Modbus over all before it.
    Modbus,
}

impl Sum {
    /// Whether it fits a frame whose tail has been taken off.
    pub(super) fn fits(self, body: &[u8]) -> bool {
        let of = |from: usize, add: fn(u8, u8) -> u8| {
            let Some((sum, said)) = body.split_last() else { return false };
            let said = said.get(from..).unwrap_or_default();
            said.iter().fold(0, |sum, byte| add(sum, *byte)) == *sum
        };
        match self {
            Self::Added(from) => of(from, u8::wrapping_add),
            Self::Xored(from) => of(from, |a, b| a ^ b),
            Self::Modbus => {
                let Some((said, sum)) = body.split_last_chunk::<2>() else { return false };
                modbus(said) == u16::from_le_bytes(*sum)
            }
        }
    }
}

/// CRC-16 of Modbus: polynomial 0xA001 turned round, begun with 0xFFFF. "123456789" gives 0x4B37.
pub(super) fn modbus(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(
            sum ^ u16::from(*byte),
            |sum, _| {
                if sum & 1 == 0 { sum >> 1 } else { sum >> 1 ^ 0xA001 }
            },
        )
    })
}

/// What stands at the beginning of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Front {
    /// A frame of so many bytes.
    Whole(usize),
    /// Perhaps one; more has to come.
    Open,
    /// None.
    None,
}

impl Frame {
    fn front(&self, bytes: &[u8], most: usize) -> Front {
        let known = self.head.len().min(bytes.len());
        if bytes[..known] != self.head[..known] {
            return Front::None;
        }
        let length = match self.length {
            Length::Fixed(length) => length,
            Length::Counted { at, high_first, beside } => {
                let Some([a, b]) = bytes.get(at..at + 2) else { return Front::Open };
                let pair = if high_first { [*a, *b] } else { [*b, *a] };
                usize::from(u16::from_be_bytes(pair)) + beside
            }
        };
        let ends = self.tail.len() + self.sum.map_or(0, |sum| 1 + usize::from(sum == Sum::Modbus));
        if length > most || length < self.head.len() + ends {
            return Front::None;
        }
        let Some(frame) = bytes.get(..length) else { return Front::Open };
        let body = frame.strip_suffix(self.tail.as_slice());
        match body.is_some_and(|body| self.sum.is_none_or(|sum| sum.fits(body))) {
            true => Front::Whole(length),
            false => Front::None,
        }
    }
}

/// What stands at the beginning of some bytes by the first of the forms that says something.
fn front(frames: &[Frame], bytes: &[u8], most: usize) -> Front {
    let all = || frames.iter().map(|frame| frame.front(bytes, most));
    let whole = all().find(|front| matches!(front, Front::Whole(_)));
    whole.or_else(|| all().find(|front| *front == Front::Open)).unwrap_or(Front::None)
}

/// Cuts one line. It remembers at most two pieces.
#[derive(Debug, Clone)]
pub struct Cutter {
    pieces: Pieces,
    /// What may still become a piece.
    held: Vec<u8>,
    /// What is none and has not been handed over.
    passed_over: Vec<u8>,
    /// Whether bytes came since frames were last looked for behind an open head.
    stirred: bool,
}

impl Cutter {
    /// One that has heard nothing.
    pub fn new(pieces: Pieces) -> Self {
        Self { pieces, held: Vec::new(), passed_over: Vec::new(), stirred: false }
    }

    /// Takes the next byte; pieces that it completes are added to `out`, in their order.
    pub fn take(&mut self, byte: u8, out: &mut Vec<Vec<u8>>) {
        self.stirred = true;
        match &self.pieces.form {
            Form::Ended(by) if by.contains(&byte) => {
                out.extend(Some(std::mem::take(&mut self.held)).filter(|piece| !piece.is_empty()));
            }
            Form::Ended(_) => {
                if self.held.len() <= self.pieces.most {
                    self.held.push(byte);
                }
            }
            Form::Framed(_) => {
                self.held.push(byte);
                self.sort(out);
            }
        }
    }

    /// Whether [`Cutter::quiet`] has something to do when nothing comes for a while.
    pub fn waits(&self) -> bool {
        let open = !self.held.is_empty() || !self.passed_over.is_empty();
        self.stirred && open && matches!(self.pieces.form, Form::Framed(_))
    }

    /// Nothing has come for [`QUIET`]: adds whole frames behind an open head, and what was passed over.
    pub fn quiet(&mut self, out: &mut Vec<Vec<u8>>) {
        self.stirred = false;
        let Form::Framed(frames) = &self.pieces.form else { return };
        let (frames, most) = (frames.clone(), self.pieces.most);
        let whole = |bytes: &[u8]| matches!(front(&frames, bytes, most), Front::Whole(_));
        while let Some(at) = (1..self.held.len()).find(|at| whole(&self.held[*at..])) {
            self.passed_over.extend(self.held.drain(..at));
            self.sort(out);
        }
        self.let_go(out);
    }

    /// Takes whole frames off the front of what is held, and what cannot begin one.
    fn sort(&mut self, out: &mut Vec<Vec<u8>>) {
        let most = self.pieces.most;
        while !self.held.is_empty() {
            let Form::Framed(frames) = &self.pieces.form else { return };
            match front(frames, &self.held, most) {
                Front::Whole(length) => {
                    let piece = self.held.drain(..length).collect();
                    self.let_go(out);
                    out.push(piece);
                }
                Front::Open => return,
                Front::None => {
                    self.passed_over.push(self.held.remove(0));
                    if self.passed_over.len() >= most {
                        self.let_go(out);
                    }
                }
            }
        }
    }

    fn let_go(&mut self, out: &mut Vec<Vec<u8>>) {
        out.extend(Some(std::mem::take(&mut self.passed_over)).filter(|piece| !piece.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(pieces: &Pieces, bytes: &[u8]) -> Vec<Vec<u8>> {
        let (mut cutter, mut out) = (Cutter::new(pieces.clone()), Vec::new());
        bytes.iter().for_each(|byte| cutter.take(*byte, &mut out));
        cutter.quiet(&mut out);
        out
    }

    fn module() -> Pieces {
        let (head, tail) = (vec![0xFD], vec![0xDF]);
        let frame = Frame { head, length: Length::Fixed(6), tail, sum: None };
        Pieces { form: Form::Framed(vec![frame]), most: 6 }
    }

    fn radar() -> Pieces {
        let length = Length::Counted { at: 4, high_first: true, beside: 9 };
        let (head, tail) = (vec![0x53, 0x59], vec![0x54, 0x43]);
        let frame = Frame { head, length, tail, sum: Some(Sum::Added(0)) };
        Pieces { form: Form::Framed(vec![frame]), most: 64 }
    }

    fn summed() -> Pieces {
        let length = Length::Counted { at: 1, high_first: false, beside: 1 };
        let frame = Frame { head: vec![0x55], length, tail: vec![], sum: Some(Sum::Modbus) };
        Pieces { form: Form::Framed(vec![frame]), most: 64 }
    }

    /// Somebody fell; the radar's heartbeat; a code.
    const FALL: [u8; 10] = [0x53, 0x59, 0x83, 0x01, 0x00, 0x01, 0x01, 0x32, 0x54, 0x43];
    const ALIVE: [u8; 10] = [0x55, 0x0A, 0x00, 0x04, 0x05, 0x01, 0x00, 0xFF, 0xFF, 0x84];
    const CODE: [u8; 6] = [0xFD, 0x12, 0x34, 0x51, 0x20, 0xDF];

    #[test]
    fn lines_end_with_any_of_their_bytes_and_a_long_one_is_cut() {
        let pieces = Pieces { form: Form::Ended(b"\r\n".into()), most: 4 };
        assert_eq!(
            cut(&pieces, b"one\r\n\ntwo\nthree is long\rx"),
            [&b"one"[..], b"two", b"three"]
        );
    }

    #[test]
    fn a_good_frame_behind_noise_and_behind_false_heads_is_whole() {
        let noisy = [&[0x00, 0xFD, 0xFD, 0x12][..], &CODE, &[0xFD, 0x99], &CODE].concat();
        let got = cut(&module(), &noisy);
        assert_eq!(got, [&[0x00, 0xFD, 0xFD, 0x12][..], &CODE, &[0xFD, 0x99], &CODE]);
    }

    #[test]
    fn a_false_head_whose_end_fits_by_chance_costs_no_frame() {
        // Its length and its tail are those of the good frame behind it; its sum is not.
        let noise = [0x53, 0x59, 0x00, 0x00, 0x00, 0x07];
        let got = cut(&radar(), &[&noise[..], &FALL].concat());
        assert_eq!(got, [&noise[..], &FALL]);
    }

    #[test]
    fn a_false_head_that_claims_more_than_comes_holds_a_frame_back_only_until_it_is_quiet() {
        let noise = [0x53, 0x59, 0x00, 0x00, 0x00, 0x30];
        let (mut cutter, mut out) = (Cutter::new(radar()), Vec::new());
        [&noise[..], &FALL].concat().iter().for_each(|byte| cutter.take(*byte, &mut out));
        assert!(out.is_empty() && cutter.waits());
        cutter.quiet(&mut out);
        assert_eq!(out, [&noise[..], &FALL]);
        assert!(!cutter.waits());
    }

    #[test]
    fn a_frame_that_pauses_in_its_middle_stays_whole() {
        let (mut cutter, mut out) = (Cutter::new(radar()), Vec::new());
        for byte in FALL {
            assert!(out.is_empty());
            cutter.take(byte, &mut out);
            cutter.quiet(&mut out);
        }
        assert_eq!(out, [FALL]);
    }

    #[test]
    fn a_frame_without_a_tail_is_known_by_its_sum() {
        let alive = [&ALIVE[..], &[0x14]].concat();
        assert_eq!(modbus(b"123456789"), 0x4B37);
        assert_eq!(
            cut(&summed(), &[&[0x55, 0x07][..], &alive].concat()),
            [&[0x55, 0x07][..], &alive]
        );
        let xored = Frame {
            head: vec![0xA5],
            length: Length::Fixed(5),
            tail: vec![],
            sum: Some(Sum::Xored(1)),
        };
        let pieces = Pieces { form: Form::Framed(vec![xored]), most: 5 };
        assert_eq!(cut(&pieces, &[0xA5, 1, 2, 4, 7]), [[0xA5, 1, 2, 4, 7]]);
        assert!(
            Sum::Xored(1).fits(&[0xA5, 1, 2, 4, 7]) && !Sum::Xored(1).fits(&[0xA5, 1, 2, 4, 6])
        );
        assert!(!Sum::Modbus.fits(&[0x55]) && !Sum::Added(0).fits(&[]));
    }

    #[test]
    fn frames_of_several_forms_come_on_one_line() {
        let fixed = |kind, length| Frame {
            head: vec![0xAA, kind],
            length: Length::Fixed(length),
            tail: vec![0x55],
            sum: None,
        };
        let form = Form::Framed(vec![fixed(0xA4, 6), fixed(0xA0, 3)]);
        let pieces = Pieces { form, most: 6 };
        let bytes = [0xAA, 0xA0, 0x55, 0xAA, 0xAA, 0xA4, 1, 0x55, 3, 0x55];
        let got = cut(&pieces, &bytes);
        assert_eq!(got, [&bytes[..3], &bytes[3..4], &bytes[4..]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_byte_is_lost_or_turned_and_no_piece_is_too_long(bytes: Vec<u8>, which in 0..3usize) {
            let pieces = [module(), radar(), summed()][which].clone();
            let (mut cutter, mut out) = (Cutter::new(pieces.clone()), Vec::new());
            bytes.iter().for_each(|byte| cutter.take(*byte, &mut out));
            prop_assert!(out.iter().all(|piece| piece.len() <= pieces.most));
            let all = [out.concat(), cutter.passed_over, cutter.held].concat();
            prop_assert_eq!(all, bytes);
        }

        #[test]
        fn a_good_frame_is_found_behind_whatever_noise_is_no_open_head(
            noise in prop::collection::vec(prop::sample::select(vec![0u8, 0x53, 0x59, 0x54, 0x43, 0x01, 0xFF]), 0..40),
            rest in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let bytes = [&noise[..], &FALL, &rest].concat();
            let (mut cutter, mut out) = (Cutter::new(radar()), Vec::new());
            bytes.iter().for_each(|byte| cutter.take(*byte, &mut out));
            while cutter.waits() {
                cutter.quiet(&mut out);
            }
            prop_assert!(out.iter().any(|piece| *piece == FALL), "{:?}", out);
        }
    }
}
