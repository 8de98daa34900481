//! What the wire has to know of each contract that is spoken on serial lines: how bytes are cut, what is
//! answered at once, and how much is too much.

use crate::config::settings;
use crate::contract::{CONTACT_ID_MAX, SERIAL_DELIMITER, SERIAL_PIECE_MAX};
use crate::link::pieces::{Form, Pieces};
use crate::link::serial::{Answers, SerialSettings};
use crate::terms::{LinkId, Spoken};

/// What a line is opened with.
pub(super) fn opened(link: &LinkId, serial: &settings::Serial) -> SerialSettings {
    SerialSettings {
        link: link.clone(),
        path: serial.path.clone(),
        baud: serial.baud,
        framing: serial.framing,
        pieces: pieces(&serial.contract),
        answers: answers(&serial.contract),
        pieces_a_minute: None,
    }
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
    }
}

fn answers(spoken: &Spoken) -> Option<Answers> {
    const ACK: u8 = 0x06;
    const NAK: u8 = 0x15;
    match spoken {
        Spoken::Native => None,
        Spoken::ContactId(_) => {
            Some(Answers { stored: vec![ACK], unread: vec![NAK], in_turn: true })
        }
    }
}
