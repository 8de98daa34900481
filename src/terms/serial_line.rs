//! What is spoken on a serial line and how its bytes look, so that the config can name it, the wire cut
//! it and the contract read it.

/// Data bits, parity and stop bits of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Framing {
    /// 8 data bits, no parity, 1 stop bit: what nearly everything uses.
    #[default]
    Eight,
    /// 8 data bits, even parity, 1 stop bit.
    EightEven,
    /// 8 data bits, odd parity, 1 stop bit.
    EightOdd,
    /// 7 data bits, even parity, 1 stop bit: alarm receivers.
    SevenEven,
    /// 7 data bits, odd parity, 1 stop bit.
    SevenOdd,
}

impl Framing {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Eight, Self::EightEven, Self::EightOdd, Self::SevenEven, Self::SevenOdd];

    /// The word in `links.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Eight => "8N1",
            Self::EightEven => "8E1",
            Self::EightOdd => "8O1",
            Self::SevenEven => "7E1",
            Self::SevenOdd => "7O1",
        }
    }

    /// Bits of a byte on the line, start and stop bit included.
    pub fn bits_a_byte(self) -> u64 {
        match self {
            Self::Eight | Self::SevenEven | Self::SevenOdd => 10,
            Self::EightEven | Self::EightOdd => 11,
        }
    }
}

/// What is spoken on a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Spoken {
    /// Our own frames.
    #[default]
    Native,
    /// An alarm receiver's Contact ID.
    ContactId(ContactIdForm),
    /// A module that learns codes of 433 MHz.
    Ev1527(CodeForm, Radio),
    /// Itead's bridge chip for 433 MHz.
    RfBridge(Radio),
    /// RFLink's text.
    Rflink(Radio),
    /// A fall radar of 60 GHz.
    R60afd1,
    /// A fall radar of 24 GHz.
    Mr24fdb1,
    /// Lines of text of any other form, by these patterns, the first that matches.
    Lines(Vec<LinePattern>),
}

impl Spoken {
    /// The words in `links.toml`, in the order in which they are told.
    pub const WORDS: [&str; 8] =
        ["native", "contact-id", "ev1527", "rf-bridge", "rflink", "r60afd1", "mr24fdb1", "lines"];

    /// The word in `links.toml`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::ContactId(_) => "contact-id",
            Self::Ev1527(..) => "ev1527",
            Self::RfBridge(_) => "rf-bridge",
            Self::Rflink(_) => "rflink",
            Self::R60afd1 => "r60afd1",
            Self::Mr24fdb1 => "mr24fdb1",
            Self::Lines(_) => "lines",
        }
    }
}

/// How an alarm receiver writes its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactIdForm {
    /// Whose way of writing.
    pub dialect: Dialect,
    /// Digits of an account, 3 to 16.
    pub account: usize,
    /// Digits that name receiver and line before the account, 1 to 8.
    pub header: usize,
    /// The byte that ends a line.
    pub ended_by: u8,
}

impl ContactIdForm {
    /// As the makers' manuals describe it.
    pub fn of(dialect: Dialect) -> Self {
        let (account, header, ended_by) = match dialect {
            Dialect::SurGard => (4, 3, 0x14),
            Dialect::Sia => (6, 3, 0x14),
            Dialect::Radionics => (4, 3, 0x14),
            Dialect::Ademco => (4, 2, 0x0D),
            Dialect::Plain => (4, 0, 0x0D),
        };
        Self { dialect, account, header, ended_by }
    }
}

/// A way of writing Contact ID and SIA events for a computer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `5RRL 18AAAAQEEEGGCCC`, and `1RRL … @ …` as the test of the line; SIA events where they come
    /// between.
    SurGard,
    /// `3RRL    AAAAAACCZZZZ`, the same with events in the form of SIA.
    Sia,
    /// ` aRRL AAAA18QXYZGGCCC`.
    Radionics,
    /// `RL AAAA 18 QXYZ GG UCCC` between line feed and carriage return.
    Ademco,
    /// `AAAA 18 QEEE GG CCC S`, the sixteen digits of DC-05 themselves with their sum.
    Plain,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::SurGard, Self::Sia, Self::Radionics, Self::Ademco, Self::Plain];

    /// The word in `links.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::SurGard => "surgard",
            Self::Sia => "sia",
            Self::Radionics => "radionics-6500",
            Self::Ademco => "ademco-685",
            Self::Plain => "dc-05",
        }
    }
}

/// How much of what a receiver of 433 MHz hears is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Radio {
    /// So many equal frames within half a second are a press, 1 to 5.
    pub frames: u8,
    /// More frames in a minute are a jam or a flood, 60 to 60,000.
    pub a_minute: u32,
}

impl Default for Radio {
    /// Two frames (field notes, 4.6). 2,000 in a minute: own choice, a key that is held all the time
    /// makes 1,500.
    fn default() -> Self {
        Self { frames: 2, a_minute: 2_000 }
    }
}

/// The form of a learning module's frames; sellers differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeForm {
    /// First bytes, 1 to 4.
    pub head: Vec<u8>,
    /// Last bytes, 0 to 4.
    pub tail: Vec<u8>,
    /// Bytes of a frame, head and tail included, 5 to 32.
    pub length: usize,
    /// Where the three bytes of the code stand, from 0.
    pub code_at: usize,
    /// The sum before the tail.
    pub sum: CodeSum,
    /// The first byte that the sum counts, from 0.
    pub sum_from: usize,
}

impl Default for CodeForm {
    /// `FD`, the code, the oscillator's value, `DF`: the most common module.
    fn default() -> Self {
        let (head, tail) = (vec![0xFD], vec![0xDF]);
        Self { head, tail, length: 6, code_at: 1, sum: CodeSum::None, sum_from: 0 }
    }
}

impl CodeForm {
    /// Whether head, code, sum and tail stand beside each other within the length.
    pub fn fits(&self) -> bool {
        let end = self.length.checked_sub(self.tail.len() + usize::from(self.sum != CodeSum::None));
        let heads = (1..=4).contains(&self.head.len()) && self.tail.len() <= 4;
        let code =
            self.code_at >= self.head.len() && end.is_some_and(|end| self.code_at + 3 <= end);
        heads && code && end.is_some_and(|end| self.sum_from < end)
    }
}

/// A sum of one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeSum {
    /// There is none.
    None,
    /// All bytes added, the low byte.
    Added,
    /// All bytes by exclusive or.
    Xored,
}

impl CodeSum {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Added, Self::Xored];

    /// The word in `links.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Added => "added",
            Self::Xored => "xored",
        }
    }
}

/// A pattern of a line of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinePattern {
    /// Its name in the file, which is a word, too: `line=call`.
    pub name: String,
    /// A regular expression with named groups.
    pub pattern: String,
    /// The device's name, with groups in braces: `ward-{channel}`.
    pub device: String,
    /// Whether a line like this says nothing.
    pub ignore: bool,
}

impl LinePattern {
    /// Most memory of a compiled pattern in bytes. Own choice: ten times an ordinary one.
    pub const SIZE_MAX: usize = 1 << 20;
}
