//! The talk with a modem: one command at a time, its reply parted from what the modem says unasked.
//! Pure: bytes go in, what was said comes out; it never waits and knows no port.
//!
//! A modem says what it likes in the middle of anything: a ring between a command and its answer, a
//! report of two lines between a message and its number, its own echo, the boot lines of a reset that
//! nobody asked for. So a line is first looked at for what it can only be (the end of a reply, an
//! unasked word of the table), and only what is left belongs to the command. A word that is both, as
//! `+CPIN:`, belongs to the command that asks for it. Chosen over cutting a stream by regular
//! expressions of each command, which take a ring for an answer; and over two channels (a second AT
//! port), which not every module has.

/// Longest line in bytes: a message in hexadecimal digits has 352. What is longer is noise.
const LINE_MAX: usize = 1_024;
/// Lines of one reply: a full store of 255 messages has two each. What is beyond is dropped.
const LINES_MAX: usize = 600;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `OK`
    Ok,
    /// `ERROR`
    Error,
    /// `+CME ERROR: n`
    Cme(u16),
    /// `+CMS ERROR: n`
    Cms(u16),
}

/// A modem's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// How it ended.
    pub end: End,
    /// What it said before that, without the echo.
    pub lines: Vec<String>,
}

/// What came out of the bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The command is answered.
    Reply(Reply),
    /// It asks for the message.
    Prompt,
    /// It says something unasked: a line, and the digits that belong to it.
    Unasked(String, Option<String>),
}

/// Words that come unasked. Those that can be an answer as well are told apart by what was asked.
const UNASKED: [&str; 41] = [
    "RING",
    "+CRING:",
    "+CLIP:",
    "+CMTI:",
    "+CMT:",
    "+CDS:",
    "+CDSI:",
    "+CREG:",
    "+CGREG:",
    "+CEREG:",
    "+CPIN:",
    "+CFUN:",
    "+CUSD:",
    "+CGEV:",
    "+CTZV:",
    "+CTZE:",
    "+SIMCARD:",
    "+QSIMSTAT:",
    "+QUSIM:",
    "+QIND:",
    "^",
    "*",
    "NO CARRIER",
    "BUSY",
    "NO ANSWER",
    "NO DIALTONE",
    "+CLCC:",
    "+RXDTMF:",
    "+DTMF:",
    "+QTONEDET:",
    "+WAVSTATE:",
    "+CTTS:",
    "+QTTS:",
    "+QPSND:",
    "VOICE CALL:",
    "MISSED_CALL:",
    "RDY",
    "PB DONE",
    "SMS DONE",
    "POWERED DOWN",
    "NORMAL POWER DOWN",
];
/// Of those, words that are whole: `RDY`, not `RDY2`.
const WHOLE: [&str; 3] = ["START", "APP RDY", "*ATREADY"];
/// Unasked words whose digits follow on a line of their own.
const WITH_DIGITS: [&str; 2] = ["+CMT:", "+CDS:"];

/// The command that is waited for.
#[derive(Debug)]
struct Asked {
    command: String,
    /// What its answer begins with; empty where it has none, or any.
    wants: &'static str,
    /// Whether it waits for the prompt now.
    prompt: bool,
    lines: Vec<String>,
}

/// One side of the talk.
#[derive(Debug, Default)]
pub struct Talk {
    line: Vec<u8>,
    /// The line is longer than any that means something.
    over: bool,
    asked: Option<Asked>,
    /// An unasked word whose digits are still to come.
    half: Option<String>,
}

impl Talk {
    /// A command goes out; a former one that was not answered is over. `wants` is what a line of the
    /// answer begins with, `prompt` whether the modem is to ask for a message before it answers.
    pub fn asks(&mut self, command: &str, wants: &'static str, prompt: bool) {
        let (command, lines) = (command.trim().to_owned(), Vec::new());
        self.asked = Some(Asked { command, wants, prompt, lines });
    }

    /// The message goes out behind the prompt.
    pub fn gives(&mut self, digits: &str) {
        if let Some(asked) = &mut self.asked {
            asked.command = digits.trim().to_owned();
            asked.prompt = false;
        }
    }

    /// What of the answer has come, when nobody waits for the rest any longer.
    pub fn gives_up(&mut self) -> Vec<String> {
        self.asked.take().map(|asked| asked.lines).unwrap_or_default()
    }

    /// The lines of the answer so far.
    pub fn so_far(&self) -> &[String] {
        self.asked.as_ref().map_or(&[], |asked| &asked.lines)
    }

    /// Takes bytes of the line.
    pub fn takes(&mut self, bytes: &[u8], out: &mut Vec<Said>) {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    let over = std::mem::take(&mut self.over);
                    // What a modem sends that is no text is noise in a line of text.
                    let line = String::from_utf8_lossy(&line);
                    let line = line.trim_matches(|c: char| c.is_control() || c.is_whitespace());
                    if !over && !line.is_empty() {
                        self.hears(line, out);
                    }
                }
                _ if self.line.len() >= LINE_MAX => self.over = true,
                byte => self.line.push(*byte),
            }
            let asks = self.line == b"> " || self.line == b">";
            let waits = self.asked.as_mut().filter(|asked| asked.prompt && asks);
            if let Some(asked) = waits {
                asked.prompt = false;
                self.line.clear();
                out.push(Said::Prompt);
            }
        }
    }

    fn hears(&mut self, line: &str, out: &mut Vec<Said>) {
        // The blank of a prompt that was taken for one at its first byte.
        let line = line.strip_prefix("> ").unwrap_or(line);
        if is_digits(line)
            && let Some(word) = self.half.take()
        {
            out.push(Said::Unasked(word, Some(line.to_owned())));
            return;
        }
        if let Some(word) = self.half.take() {
            // Its digits never came: it says at least that something is there.
            out.push(Said::Unasked(word, None));
        }
        let Some(asked) = &mut self.asked else {
            return self.unasked(line, out);
        };
        if is_echo(line, &asked.command) {
            return;
        }
        if let Some(end) = end(line) {
            let lines = std::mem::take(&mut asked.lines);
            self.asked = None;
            return out.push(Said::Reply(Reply { end, lines }));
        }
        let wanted = !asked.wants.is_empty() && line.starts_with(asked.wants);
        if !wanted && is_unasked(line) {
            return self.unasked(line, out);
        }
        if asked.lines.len() < LINES_MAX {
            asked.lines.push(line.to_owned());
        }
    }

    fn unasked(&mut self, line: &str, out: &mut Vec<Said>) {
        if WITH_DIGITS.iter().any(|word| line.starts_with(word)) {
            self.half = Some(line.to_owned());
        } else {
            out.push(Said::Unasked(line.to_owned(), None));
        }
    }
}

fn is_unasked(line: &str) -> bool {
    UNASKED.iter().any(|word| line.starts_with(word)) || WHOLE.contains(&line)
}

fn is_digits(line: &str) -> bool {
    line.len() >= 2 && line.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A modem that repeats what it is told says it back whole, perhaps behind the prompt.
fn is_echo(line: &str, command: &str) -> bool {
    !command.is_empty() && line.eq_ignore_ascii_case(command)
}

fn end(line: &str) -> Option<End> {
    let number = |mark: &str| {
        let rest = line.strip_prefix(mark)?;
        // A modem that was not told otherwise says it in words.
        Some(rest.trim().parse().unwrap_or(UNKNOWN))
    };
    match line {
        "OK" => Some(End::Ok),
        "ERROR" | "COMMAND NOT SUPPORT" => Some(End::Error),
        _ => number("+CMS ERROR:").map(End::Cms).or(number("+CME ERROR:").map(End::Cme)),
    }
}

/// "Unknown error" of 27.005.
const UNKNOWN: u16 = 500;

#[cfg(test)]
#[path = "talk_tests.rs"]
mod tests;
