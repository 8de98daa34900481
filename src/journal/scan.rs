//! Reads one segment from front to back through a sliding window: good frames, and between them
//! runs of bytes that are none. After a wrong one it looks for the next magic behind which a whole
//! frame checks, so that one bad sector costs the frames it touches and no more.

use std::io;

use crate::terms::Seq;

use super::disk::DiskFile;
use super::finding::Why;
use super::frame::{FRAME_HEAD, Frame, FrameFault, FrameHead, MAGIC, read_frame, read_head};

/// How much is read at a time. Own choice: long enough for a disk to stream, short enough to stay
/// out of the memory table.
const CHUNK: usize = 256 * 1024;

/// What is left out when the disk refuses to read: one block of every common file system.
const BLOCK: usize = 4096;

/// After so many unreadable blocks in one segment the rest of it counts as unreadable: a dying disk
/// may take seconds over each.
const UNREADABLE_BLOCKS_MAX: u32 = 16;

/// The next thing in a segment.
pub(super) enum Piece<'a> {
    /// A frame that checks.
    Frame { offset: u64, frame: Frame<'a> },
    /// Bytes that are no frame, up to the next good frame or the end; the highest sequence that can
    /// have stood in them, as far as a good head tells, or else how many entries fit.
    Wrong { offset: u64, bytes: u64, why: Why, seen: Seen },
    /// Bytes up to the end of the file that were still being written.
    Torn { offset: u64, bytes: u64 },
    /// Nothing more.
    End,
}

/// Which sequences a run of wrong bytes may have used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// Up to this one.
    UpTo(Seq),
    /// At most so many.
    AtMost(u64),
}

/// A place in a segment.
pub(super) struct Scan {
    file: Box<dyn DiskFile>,
    length: u64,
    offset: u64,
    window: Vec<u8>,
    window_at: u64,
    unreadable_blocks: u32,
    read_error: Option<String>,
}

impl Scan {
    /// Begins at `offset`; what is appended behind the length of now is not looked at.
    pub(super) fn new(file: Box<dyn DiskFile>, offset: u64) -> io::Result<Self> {
        let length = file.length()?;
        let offset = offset.min(length);
        Ok(Self {
            file,
            length,
            offset,
            window: Vec::new(),
            window_at: offset,
            unreadable_blocks: 0,
            read_error: None,
        })
    }

    /// Where the next piece begins.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// The file's length when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The next piece; after [`Piece::End`] always that.
    pub(super) fn next_piece(&mut self) -> Piece<'_> {
        let offset = self.offset;
        if offset >= self.length {
            return Piece::End;
        }
        match self.frame_at(offset) {
            Ok(head) => {
                self.offset += head.frame_length() as u64;
                match read_frame(&head, self.bytes_from(offset)) {
                    Ok(frame) => Piece::Frame { offset, frame },
                    Err(fault) => wrong(offset, self.offset - offset, why(fault), Some(&head)),
                }
            }
            Err(fault) => self.not_a_frame(offset, fault),
        }
    }

    fn not_a_frame(&mut self, offset: u64, fault: FrameFault) -> Piece<'static> {
        let head = read_head(self.bytes_from(offset)).ok();
        let torn = self.is_torn(offset, fault, head.as_ref());
        let good = self.next_good_after(offset);
        self.offset = good.unwrap_or(self.length);
        let bytes = self.offset - offset;
        if good.is_none() && torn && self.read_error.is_none() {
            return Piece::Torn { offset, bytes };
        }
        let why = match self.read_error.take() {
            Some(error) => Why::Unreadable(error),
            None => why(fault),
        };
        wrong(offset, bytes, why, head.as_ref())
    }

    /// Whether bytes from `offset` on look as a write leaves them that was cut off: shorter than
    /// they say, or with zeros where the end should be.
    fn is_torn(&mut self, offset: u64, fault: FrameFault, head: Option<&FrameHead>) -> bool {
        match (fault, head) {
            (FrameFault::Short, _) => true,
            (FrameFault::Unended, Some(head)) => {
                let end = offset + head.frame_length() as u64;
                self.zeros_from(end - 1)
            }
            (FrameFault::Head, _) => self.zeros_from(offset + FRAME_HEAD as u64 - 1),
            _ => false,
        }
    }

    /// Whether the file holds nothing but zeros from `at` on.
    fn zeros_from(&mut self, mut at: u64) -> bool {
        while at < self.length {
            self.fill(at, 1);
            let bytes = self.bytes_from(at);
            if bytes.is_empty() || bytes.iter().any(|byte| *byte != 0) {
                return false;
            }
            at += bytes.len() as u64;
        }
        true
    }

    fn next_good_after(&mut self, offset: u64) -> Option<u64> {
        let mut at = offset + 1;
        while at + FRAME_HEAD as u64 <= self.length {
            self.fill(at, FRAME_HEAD);
            let bytes = self.bytes_from(at);
            let Some(step) = bytes.iter().position(|byte| *byte == MAGIC[0]) else {
                at += (bytes.len() as u64).max(1);
                continue;
            };
            at += step as u64;
            if self.frame_at(at).is_ok() {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn frame_at(&mut self, offset: u64) -> Result<FrameHead, FrameFault> {
        self.fill(offset, FRAME_HEAD);
        let head = read_head(self.bytes_from(offset))?;
        self.fill(offset, head.frame_length());
        read_frame(&head, self.bytes_from(offset)).map(|_| head)
    }

    fn bytes_from(&self, offset: u64) -> &[u8] {
        let skip = offset.saturating_sub(self.window_at) as usize;
        self.window.get(skip..).unwrap_or_default()
    }

    /// Has `wanted` bytes from `offset` on in the window, or all that the file has. Never goes back
    /// before the piece that is being read.
    fn fill(&mut self, offset: u64, wanted: usize) {
        let left = self.length.saturating_sub(offset);
        let wanted = (wanted as u64).min(left) as usize;
        let outside = offset < self.window_at || offset > self.window_at + self.window.len() as u64;
        if outside {
            self.window.clear();
            self.window_at = offset;
        }
        if self.bytes_from(offset).len() >= wanted {
            return;
        }
        let used = (offset - self.window_at) as usize;
        self.window.drain(..used);
        self.window_at = offset;
        let target = (wanted.max(CHUNK) as u64).min(left) as usize;
        let have = self.window.len();
        self.window.resize(target, 0);
        self.read_into_window(have);
    }

    fn read_into_window(&mut self, have: usize) {
        let start = self.window_at + have as u64;
        match self.file.read_at(start, &mut self.window[have..]) {
            Ok(got) if have + got == self.window.len() => return,
            Ok(got) => {
                // Shorter than when it was opened: somebody cut the file meanwhile.
                self.window.truncate(have + got);
                self.length = self.window_at + self.window.len() as u64;
                return;
            }
            Err(error) => self.read_error = Some(error.to_string()),
        }
        let mut from = have;
        while from < self.window.len() {
            let place = self.window_at + from as u64;
            let step = BLOCK - (place % BLOCK as u64) as usize;
            let to = (from + step).min(self.window.len());
            let block = &mut self.window[from..to];
            let read = self.unreadable_blocks < UNREADABLE_BLOCKS_MAX
                && self.file.read_at(place, block).is_ok_and(|got| got == block.len());
            if !read {
                block.fill(0);
                self.unreadable_blocks = self.unreadable_blocks.saturating_add(1);
            }
            from = to;
        }
    }
}

fn wrong(offset: u64, bytes: u64, why: Why, head: Option<&FrameHead>) -> Piece<'static> {
    // An entry takes 20 bytes and more, so no more than that many can have stood here.
    let at_most = bytes / super::entry::ENTRY_HEAD as u64;
    let seen = head.map_or(Seen::AtMost(at_most), |head| {
        if bytes > head.frame_length() as u64 {
            Seen::AtMost(at_most)
        } else {
            Seen::UpTo(head.last_named())
        }
    });
    Piece::Wrong { offset, bytes, why, seen }
}

fn why(fault: FrameFault) -> Why {
    match fault {
        FrameFault::Short => Why::CutShort,
        FrameFault::Head => Why::NoFrame,
        FrameFault::Unended | FrameFault::Checksum => Why::Checksum,
        FrameFault::Entries => Why::Entries,
    }
}
