//! Modbus RTU: nurse-call panels on RS-485, asked again and again. The contract is written down in
//! `firmware-contracts/modbus/v1/frame.md`.
//!
//! The hub asks and a panel answers; nothing is said unasked. So this file writes requests as well
//! ([`ModbusRequest`]) and reads an answer only beside its request: an answer does not say which
//! addresses it is about. What a panel's points mean is data ([`ModbusPoint`]). A point says something
//! when it turns; the last image is kept, so that a call that began while a panel was away, or before
//! the hub started, is found at the first answer, and said as found. The image of an answer that was not
//! stored is forgotten, so that what it said is said again. Four functions and a sum are less than a
//! library's client around them, which would own the line and could be neither pure nor held by vectors.

use super::Heard;
use super::field::{Field, FieldReader, FieldSettings};
use crate::terms::{
    At, Decoded, Decoder, Inbound, Means, ModbusOn, ModbusPoint, ModbusTable, RefusalReason,
    Report, What,
};

/// The family of an unregistered point's address.
pub const MODBUS_FAMILY: &str = "modbus";
/// Longest frame in bytes (Modbus over serial line, 2.5.1).
pub const MODBUS_MAX: usize = 256;
/// Most registers that one request asks for. The standard allows 125; own choice, since small panels
/// answer long requests with an exception.
const REGISTERS_MAX: u16 = 64;
/// Most bits that one request asks for; the standard allows 2,000.
const BITS_MAX: u16 = 512;
/// The bit that an exception sets in its function.
const EXCEPTION: u8 = 0x80;

/// What stands behind a topic where an answer is the first after an outage of its panel …
const OUTAGE: &str = "outage";
/// … and where the one before it was not stored.
const ANEW: &str = "anew";

/// What an answer is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// The answer before it.
    Last,
    /// The same, a while ago.
    Outage,
    /// Nothing: the one before it was not stored.
    Nothing,
}

/// One question to one panel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ModbusRequest {
    /// The panel.
    pub slave: u8,
    /// The table.
    pub table: ModbusTable,
    /// The first address.
    pub address: u16,
    /// How many, from 1.
    pub count: u16,
}

/// Why a frame is no answer to its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// Its form is not an answer's, or it answers another question.
    Unread(RefusalReason),
    /// The panel says that it cannot: 1 no such function, 2 no such address, 3 no such value, 4 and
    /// above a failure of its own.
    Exception(u8),
}

impl ModbusRequest {
    /// The questions that bring all points, as few as their limits allow, in order.
    pub fn for_points(points: &[ModbusPoint]) -> Vec<Self> {
        let mut wanted: Vec<(u8, ModbusTable, u16)> =
            points.iter().map(|point| (point.slave, point.table, point.address)).collect();
        wanted.sort_unstable();
        let mut requests: Vec<Self> = Vec::new();
        for (slave, table, address) in wanted {
            let most = if table.is_bits() { BITS_MAX } else { REGISTERS_MAX };
            match requests.last_mut() {
                Some(last)
                    if (last.slave, last.table) == (slave, table)
                        && address - last.address < most =>
                {
                    last.count = address - last.address + 1;
                }
                _ => requests.push(Self { slave, table, address, count: 1 }),
            }
        }
        requests
    }

    /// The frame as it goes on the line.
    pub fn to_wire(self) -> Vec<u8> {
        let Self { slave, table, address, count } = self;
        let ([a, b], [c, d]) = (address.to_be_bytes(), count.to_be_bytes());
        sealed(vec![slave, table.function(), a, b, c, d])
    }

    /// How long its answer is, in bytes; an exception has 5.
    pub fn answer_len(self) -> usize {
        5 + self.data_len()
    }

    fn data_len(self) -> usize {
        let count = usize::from(self.count);
        if self.table.is_bits() { count.div_ceil(8) } else { count * 2 }
    }

    /// The data of its answer.
    ///
    /// # Errors
    /// [`NoAnswer`]: the frame is none, is another's, or says that the panel cannot.
    pub fn answer(self, frame: &[u8]) -> Result<&[u8], NoAnswer> {
        let unread = |reason| Err(NoAnswer::Unread(reason));
        if frame.len() > MODBUS_MAX {
            return unread(RefusalReason::TooLong);
        }
        let Some((body, sum)) = frame.split_last_chunk::<2>().filter(|(body, _)| body.len() >= 3)
        else {
            return unread(RefusalReason::Truncated);
        };
        let wanted = if body[1] & EXCEPTION > 0 { 5 } else { 5 + usize::from(body[2]) };
        if frame.len() < wanted {
            return unread(RefusalReason::Truncated);
        }
        if u16::from_le_bytes(*sum) != crc(body) {
            return unread(RefusalReason::Checksum);
        }
        if frame.len() > wanted {
            return unread(RefusalReason::TrailingBytes);
        }
        if body[0] != self.slave || body[1] & !EXCEPTION != self.table.function() {
            return unread(RefusalReason::ForeignTopic);
        }
        if body[1] & EXCEPTION > 0 {
            return Err(NoAnswer::Exception(body[2]));
        }
        let data = &body[3..];
        if data.len() == self.data_len() { Ok(data) } else { unread(RefusalReason::Malformed) }
    }

    /// What stands at an address in its answer's data.
    fn at(self, data: &[u8], address: u16) -> Option<u16> {
        let at = usize::from(address.checked_sub(self.address).filter(|at| *at < self.count)?);
        if self.table.is_bits() {
            let byte = data.get(at / 8)?;
            return Some(u16::from(byte >> (at % 8) & 1));
        }
        let pair = data.get(at * 2..at * 2 + 2)?;
        Some(u16::from_be_bytes([pair[0], pair[1]]))
    }

    /// The topic of its answers: all that an answer itself does not say.
    pub fn topic(self) -> String {
        let Self { slave, table, address, count } = self;
        format!("{slave}/{}/{address}/{count}", table.function())
    }

    fn of_topic(topic: &str) -> Option<(Self, Since)> {
        let mut levels = topic.split('/');
        let slave = levels.next()?.parse().ok()?;
        let table = ModbusTable::of_function(levels.next()?.parse().ok()?)?;
        let (address, count) = (levels.next()?.parse().ok()?, levels.next()?.parse().ok()?);
        let since = match levels.next() {
            None => Since::Last,
            Some(OUTAGE) => Since::Outage,
            Some(ANEW) => Since::Nothing,
            Some(_) => return None,
        };
        levels.next().is_none().then_some((Self { slave, table, address, count }, since))
    }
}

/// Switches a coil: the lamp over a door. A panel answers with the same frame. Saying it twice does no
/// harm.
pub fn modbus_coil(slave: u8, coil: u16, on: bool) -> Vec<u8> {
    let [a, b] = coil.to_be_bytes();
    sealed(vec![slave, 5, a, b, if on { 0xFF } else { 0 }, 0])
}

fn sealed(mut body: Vec<u8>) -> Vec<u8> {
    let sum = crc(&body);
    body.extend_from_slice(&sum.to_le_bytes());
    body
}

/// CRC-16/MODBUS: polynomial 0x8005 reflected, begun with 0xFFFF. "123456789" gives 0x4B37.
fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte), |sum, _| {
            if sum & 1 > 0 { (sum >> 1) ^ 0xA001 } else { sum >> 1 }
        })
    })
}

/// Reads the answers of one line's panels, each on its request's [topic](ModbusRequest::topic).
#[derive(Debug, Clone)]
pub struct Modbus {
    field: Field,
    line: String,
    points: Vec<Point>,
}

/// A point and how it stood last; `None` before the first answer.
#[derive(Debug, Clone)]
struct Point {
    is: ModbusPoint,
    /// The name that it is heard under.
    name: String,
    stood: Option<bool>,
}

impl Modbus {
    /// A reader that knows no image yet. Points are heard as `<line>/<point>`.
    pub fn new(line: &str, points: Vec<ModbusPoint>, settings: FieldSettings) -> Self {
        let points = points.into_iter().map(|is| Point::new(line, is, None)).collect();
        Self { field: Field::new(MODBUS_FAMILY, settings), line: line.to_owned(), points }
    }
}

impl Point {
    fn new(line: &str, is: ModbusPoint, stood: Option<bool>) -> Self {
        let name = format!("{line}/{}", is.name);
        Self { is, name, stood }
    }

    /// What it says now, and whether it was so when the hub came to look; nothing but that it is there
    /// when it stands as before.
    fn turned(&mut self, value: u16, since: Since) -> Option<(Means, bool)> {
        if since == Since::Nothing {
            self.stood = None;
        }
        let on = match self.is.on {
            ModbusOn::Set => value != 0,
            ModbusOn::Bit(bit) => value >> bit.min(15) & 1 > 0,
            ModbusOn::Value(wanted) => value == wanted,
        };
        let before = self.stood.replace(on);
        match self.is.means {
            _ if before == Some(on) => None,
            means if on => Some((means, before.is_none() || since == Since::Outage)),
            // What was on before the hub's start is known from the record, and may be over by now.
            Means::Says(What::Level { kind, .. }) => {
                Some((Means::Says(What::Level { kind, on: false }), false))
            }
            _ => None,
        }
    }
}

impl Decoder for Modbus {
    fn take(&mut self, at: At, inbound: &Inbound) -> Vec<Decoded> {
        let heard = Heard { at, inbound };
        let Some((request, since)) = ModbusRequest::of_topic(&inbound.topic) else {
            return vec![heard.refusal(None, RefusalReason::ForeignTopic)];
        };
        let data = match request.answer(&inbound.bytes) {
            Ok(data) => data,
            Err(NoAnswer::Unread(reason)) => return vec![heard.refusal(None, reason)],
            Err(NoAnswer::Exception(_)) => {
                return vec![heard.refusal(None, RefusalReason::UnknownKind)];
            }
        };
        let mut decoded = Vec::new();
        for point in &mut self.points {
            if (point.is.slave, point.is.table) != (request.slave, request.table) {
                continue;
            }
            let Some(value) = request.at(data, point.is.address) else { continue };
            let mut told = self.field.told(heard, &point.name, None);
            let turned = point.turned(value, since);
            if let Some((means, _)) = turned {
                told.means(means);
            }
            let is_found = turned.is_some_and(|(_, found)| found);
            decoded.extend(told.end().into_iter().map(|said| match said {
                Decoded::Report(report) if is_found && report.what.must_survive() => {
                    Decoded::Report(Report { found: true, ..report })
                }
                said => said,
            }));
        }
        decoded
    }
}

impl FieldReader for Modbus {
    fn claims(&self, topic: &str) -> bool {
        ModbusRequest::of_topic(topic).is_some()
    }

    fn set(&mut self, settings: FieldSettings) {
        self.field.set(settings);
    }

    fn set_points(&mut self, points: &[ModbusPoint]) {
        let before = std::mem::take(&mut self.points);
        let place = |is: &ModbusPoint| (is.slave, is.table, is.address, is.on);
        let known = |is: &ModbusPoint| {
            let mut same = before.iter().filter(|point| place(&point.is) == place(is));
            same.find(|point| point.is.name == is.name).and_then(|point| point.stood)
        };
        let points = points.iter().map(|is| Point::new(&self.line, is.clone(), known(is)));
        self.points = points.collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Kind;

    #[test]
    fn the_sum_is_that_of_the_standard() {
        assert_eq!(crc(b"123456789"), 0x4B37);
    }

    #[test]
    fn points_are_asked_for_in_few_questions_within_their_limits() {
        let point = |slave, table, address| ModbusPoint {
            name: format!("{slave}-{address}"),
            slave,
            table,
            address,
            on: ModbusOn::Set,
            means: Means::Says(What::Pulse(Kind::Sos)),
            lamp: None,
        };
        let (inputs, holding) = (ModbusTable::Inputs, ModbusTable::Holding);
        let points = [
            point(2, holding, 65_535),
            point(1, inputs, 15),
            point(1, inputs, 0),
            point(1, inputs, 0),
            point(1, inputs, 512),
            point(1, holding, 100),
            point(1, holding, 163),
            point(1, holding, 164),
        ];
        let asked: Vec<_> = ModbusRequest::for_points(&points)
            .into_iter()
            .map(|asked| (asked.slave, asked.table.function(), asked.address, asked.count))
            .collect();
        let expected =
            [(1, 2, 0, 16), (1, 2, 512, 1), (1, 3, 100, 64), (1, 3, 164, 1), (2, 3, 65_535, 1)];
        assert_eq!(asked, expected);
        for request in ModbusRequest::for_points(&points) {
            assert!(request.answer_len() <= MODBUS_MAX);
            assert_eq!(ModbusRequest::of_topic(&request.topic()), Some((request, Since::Last)));
        }
        for none in ["1/2/0", "1/2/0/16/later", "1/2/0/16/anew/anew", "1/5/0/16", "256/2/0/16"] {
            assert_eq!(ModbusRequest::of_topic(none), None, "{none}");
        }
    }

    #[test]
    fn other_points_keep_the_image_of_those_that_stay() {
        use crate::terms::{LinkId, Receipt};
        let point = |name: &str, address| ModbusPoint {
            name: name.to_owned(),
            slave: 1,
            table: ModbusTable::Inputs,
            address,
            on: ModbusOn::Set,
            means: Means::Says(What::Pulse(Kind::Sos)),
            lamp: None,
        };
        let mut reader = Modbus::new("ward", vec![point("bed", 2)], FieldSettings::default());
        let take = |reader: &mut Modbus| {
            let inbound = Inbound {
                link: LinkId::new("modbus.ward").unwrap(),
                topic: "1/2/0/16".into(),
                retained: false,
                received: At(1),
                bytes: vec![1, 2, 2, 4, 0, 0xBB, 0x78],
                receipt: Receipt::unasked(),
            };
            let decoded = reader.take(At(1), &inbound);
            let called = |decoded: &Decoded| matches!(decoded, Decoded::Report(r) if r.found);
            decoded.iter().map(called).collect::<Vec<_>>()
        };
        assert_eq!(take(&mut reader), [true]);
        // The same place under another name is another device, and says what it has to say.
        reader.set_points(&[point("bed", 2), point("bath", 2), point("leak", 9)]);
        assert_eq!(take(&mut reader), [false, true, false]);
        assert_eq!(take(&mut reader), [false; 3]);
    }
}
