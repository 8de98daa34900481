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
}

impl Spoken {
    /// The words in `links.toml`, in the order in which they are told.
    pub const WORDS: [&str; 2] = ["native", "contact-id"];

    /// The word in `links.toml`.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::ContactId(_) => "contact-id",
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
