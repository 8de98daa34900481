//! What the wire has to know of each contract that is spoken on serial lines: how bytes are cut, what is
//! answered at once, how much is too much, and what is asked where nobody speaks unasked.

use crate::config::settings;
use crate::contract::{
    CONTACT_ID_MAX, MR24FDB1_HEAD, MR24FDB1_MAX, ModbusRequest, R60AFD1_BESIDE, R60AFD1_HEAD,
    R60AFD1_MAX, R60AFD1_TAIL, RF_BRIDGE_FRAME, RFLINK_MAX, SERIAL_DELIMITER, SERIAL_PIECE_MAX,
    TEXT_LINE_MAX,
};
use crate::link::modbus::{Asks, PolledSettings, Question};
use crate::link::pieces::{Form, Frame, Length, Pieces, Sum};
use crate::link::serial::{Answers, SerialSettings};
use crate::terms::{CodeForm, CodeSum, LinkId, Spoken};

/// What a line is opened with.
pub(super) fn opened(link: &LinkId, serial: &settings::Serial) -> SerialSettings {
    SerialSettings {
        link: link.clone(),
        path: serial.path.clone(),
        baud: serial.baud,
        framing: serial.framing,
        pieces: pieces(&serial.contract),
        answers: answers(&serial.contract),
        pieces_a_minute: match &serial.contract {
            Spoken::Ev1527(_, radio) | Spoken::RfBridge(radio) | Spoken::Rflink(radio) => {
                Some(radio.a_minute)
            }
            Spoken::Native | Spoken::ContactId(_) | Spoken::R60afd1 | Spoken::Mr24fdb1 => None,
            Spoken::Lines(_) => None,
        },
    }
}

/// What a polled line is opened with.
pub(super) fn polled(link: &LinkId, line: &settings::PolledLine) -> PolledSettings {
    let (path, baud, framing) = (line.path.clone(), line.baud, line.framing);
    PolledSettings { link: link.clone(), path, baud, framing, asks: asks(line) }
}

/// What is asked on it.
pub(super) fn asks(line: &settings::PolledLine) -> Asks {
    let question = |request: ModbusRequest| Question {
        slave: request.slave,
        wire: request.to_wire(),
        answer_len: request.answer_len(),
        topic: request.topic().into(),
    };
    let questions = ModbusRequest::for_points(&line.points).into_iter().map(question).collect();
    Asks { poll: line.poll, questions }
}

fn pieces(spoken: &Spoken) -> Pieces {
    match spoken {
        Spoken::Native => {
            Pieces { form: Form::Ended(vec![SERIAL_DELIMITER]), most: SERIAL_PIECE_MAX }
        }
        // A line feed begins a line of some receivers and ends one of others.
        Spoken::ContactId(form) => {
            Pieces { form: Form::Ended(vec![form.ended_by, b'\n']), most: CONTACT_ID_MAX }
        }
        Spoken::Ev1527(form, _) => Pieces { form: module(form), most: form.length },
        Spoken::RfBridge(_) => Pieces { form: bridge(), most: RF_BRIDGE_FRAME },
        Spoken::Lines(_) => Pieces { form: Form::Ended(b"\r\n\0".into()), most: TEXT_LINE_MAX },
        Spoken::Rflink(_) => Pieces { form: Form::Ended(b"\r\n".into()), most: RFLINK_MAX },
        Spoken::R60afd1 => {
            let length = Length::Counted { at: 4, high_first: true, beside: R60AFD1_BESIDE };
            let (head, tail) = (R60AFD1_HEAD.into(), R60AFD1_TAIL.into());
            let frame = Frame { head, length, tail, sum: Some(Sum::Added(0)) };
            Pieces { form: Form::Framed(vec![frame]), most: R60AFD1_MAX }
        }
        Spoken::Mr24fdb1 => {
            let length = Length::Counted { at: 1, high_first: false, beside: 1 };
            let (head, tail) = (vec![MR24FDB1_HEAD], Vec::new());
            let frame = Frame { head, length, tail, sum: Some(Sum::Modbus) };
            Pieces { form: Form::Framed(vec![frame]), most: MR24FDB1_MAX }
        }
    }
}

fn module(form: &CodeForm) -> Form {
    let sum = match form.sum {
        CodeSum::None => None,
        CodeSum::Added => Some(Sum::Added(form.sum_from)),
        CodeSum::Xored => Some(Sum::Xored(form.sum_from)),
    };
    let (head, tail) = (form.head.clone(), form.tail.clone());
    Form::Framed(vec![Frame { head, length: Length::Fixed(form.length), tail, sum }])
}

/// What the chip says by itself: a code, what it learned, and short words about learning.
fn bridge() -> Form {
    let kinds = [(0xA4, RF_BRIDGE_FRAME), (0xA3, RF_BRIDGE_FRAME), (0xA0, 3), (0xA1, 3), (0xA2, 3)];
    let frame = |(kind, length)| Frame {
        head: vec![0xAA, kind],
        length: Length::Fixed(length),
        tail: vec![0x55],
        sum: None,
    };
    Form::Framed(kinds.into_iter().map(frame).collect())
}

fn answers(spoken: &Spoken) -> Option<Answers> {
    const ACK: u8 = 0x06;
    const NAK: u8 = 0x15;
    match spoken {
        Spoken::ContactId(_) => {
            Some(Answers { stored: vec![ACK], unread: vec![NAK], in_turn: true })
        }
        // A chip that hears nothing says the same frame again.
        Spoken::RfBridge(_) => {
            let stored = vec![0xAA, 0xA0, 0x55];
            Some(Answers { stored, unread: Vec::new(), in_turn: false })
        }
        Spoken::Native | Spoken::Ev1527(..) | Spoken::Rflink(_) => None,
        Spoken::R60afd1 | Spoken::Mr24fdb1 | Spoken::Lines(_) => None,
    }
}
