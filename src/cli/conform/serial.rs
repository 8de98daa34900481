//! The examination's end of a serial line.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;
use tokio_serial::{SerialPortBuilderExt as _, SerialStream};

use super::wire::{Event, Heard};
use crate::cli::Failure;
use crate::clock::Stopwatch;
use crate::contract::{
    NativeSerial, SERIAL_DELIMITER, SERIAL_PIECE_MAX, SerialFrame, serial_address, serial_name,
};
use crate::exit;
use crate::terms::{At, Decoded, Decoder as _, FeedbackStage, Inbound, LinkId, Mark, Receipt};

/// Bytes taken in at once.
const READ_MAX: usize = 512;

pub(super) struct SerialWire {
    stream: SerialStream,
    piece: Vec<u8>,
    space: Vec<u8>,
}

impl SerialWire {
    pub(super) fn open(path: &str, baud: u32) -> Result<Self, Failure> {
        let opened = tokio_serial::new(path, baud).open_native_async();
        let stream = opened.map_err(|error| {
            let says = format!(
                "{path} cannot be opened: {error}; stop the hub that reads it, and see `ls -l \
                 /dev/serial/by-id`"
            );
            Failure::new(exit::NOT_RIGHT, says)
        })?;
        Ok(Self { stream, piece: Vec::new(), space: Vec::new() })
    }

    pub(super) async fn hear(&mut self, within: Duration) -> Result<Option<Heard>, Failure> {
        let watch = Stopwatch::start();
        loop {
            while !self.space.is_empty() {
                let byte = self.space.remove(0);
                if let Some(heard) = self.take(byte) {
                    return Ok(Some(heard));
                }
            }
            let mut bytes = [0; READ_MAX];
            let left = within.saturating_sub(watch.elapsed());
            match timeout(left, self.stream.read(&mut bytes)).await {
                Err(_) => return Ok(None),
                Ok(Ok(0)) => return Err(gone("it was closed")),
                Ok(Ok(count)) => self.space.extend_from_slice(&bytes[..count]),
                Ok(Err(error)) => return Err(gone(&error.to_string())),
            }
        }
    }

    fn take(&mut self, byte: u8) -> Option<Heard> {
        if byte != SERIAL_DELIMITER {
            if self.piece.len() <= SERIAL_PIECE_MAX {
                self.piece.push(byte);
            }
            return None;
        }
        let piece = std::mem::take(&mut self.piece);
        (!piece.is_empty()).then(|| heard(piece)).flatten()
    }

    pub(super) async fn tell(
        &mut self,
        device: &str,
        mark: Mark,
        stage: FeedbackStage,
    ) -> Result<(), Failure> {
        let Some(address) = serial_address(device) else { return Ok(()) };
        let frame = SerialFrame::Command { address, mark, stage }.to_wire();
        self.stream.write_all(&frame).await.map_err(|error| gone(&error.to_string()))
    }
}

/// What a piece says; noise says nothing.
fn heard(piece: Vec<u8>) -> Option<Heard> {
    if let Ok(SerialFrame::Alive { .. }) = SerialFrame::read(&piece) {
        return Some(Heard::Alive);
    }
    if let Err((address, reason)) = SerialFrame::read(&piece) {
        let device = address.map(serial_name);
        return device.is_some().then_some(Heard::Refused { device, reason });
    }
    let inbound = Inbound {
        link: LinkId::new("conform").ok()?,
        topic: "conform".into(),
        retained: false,
        received: At(0),
        bytes: piece.clone(),
        receipt: Receipt::new(|_| {}),
    };
    NativeSerial.take(At(0), &inbound).into_iter().next().map(|decoded| match decoded {
        Decoded::Report(report) => {
            let device = report.device.as_str().split_once(':').map_or("", |(_, name)| name);
            Heard::Event(Event {
                device: device.to_owned(),
                mark: report.mark,
                what: report.what,
                battery: report.battery,
                bytes: Some(piece.clone()),
            })
        }
        Decoded::Refusal(refusal) => {
            let device = refusal.device.map(|device| device.to_string());
            Heard::Refused { device, reason: refusal.reason }
        }
    })
}

fn gone(why: &str) -> Failure {
    let says = format!("the port is gone: {why}; put it back and begin again");
    Failure::new(exit::NOT_RIGHT, says)
}
