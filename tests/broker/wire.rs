//! MQTT 3.1.1 written out byte by byte, so that a test sees exactly what the broker sends.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::house::soon;

pub const ACCEPTED: u8 = 0;
pub const BAD_PASSWORD: u8 = 4;
pub const NOT_ALLOWED: u8 = 5;
pub const REFUSED_FILTER: u8 = 0x80;

pub struct Wire(pub TcpStream);

pub struct Hello<'a> {
    pub client_id: &'a str,
    pub account: Option<(&'a str, &'a str)>,
    pub clean: bool,
    pub will: Option<(&'a str, &'a [u8])>,
}

impl Default for Hello<'_> {
    fn default() -> Self {
        Self { client_id: "c", account: None, clean: true, will: None }
    }
}

/// What came from the broker.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    Connack(u8),
    Puback(u16),
    Pubrec(u16),
    Pubcomp(u16),
    Suback(Vec<u8>),
    Publish { topic: String, payload: Vec<u8>, retained: bool },
    Pingresp,
    Other(u8),
    Closed,
}

pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    let mut left = body.len();
    loop {
        let more = if left >= 128 { 0x80 } else { 0 };
        bytes.push(u8::try_from(left % 128).unwrap() | more);
        left /= 128;
        if left == 0 {
            break;
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

fn text(into: &mut Vec<u8>, bytes: &[u8]) {
    into.extend_from_slice(&u16::try_from(bytes.len()).unwrap().to_be_bytes());
    into.extend_from_slice(bytes);
}

pub fn connect_packet(hello: &Hello<'_>) -> Vec<u8> {
    let mut flags = u8::from(hello.clean) << 1;
    let mut body = Vec::new();
    text(&mut body, b"MQTT");
    body.push(4);
    let flags_at = body.len();
    body.extend_from_slice(&[0, 0, 60]);
    text(&mut body, hello.client_id.as_bytes());
    if let Some((topic, message)) = hello.will {
        flags |= 0x04 | 0x08 | 0x20;
        text(&mut body, topic.as_bytes());
        text(&mut body, message);
    }
    if let Some((name, password)) = hello.account {
        flags |= 0x80;
        text(&mut body, name.as_bytes());
        if !password.is_empty() {
            flags |= 0x40;
            text(&mut body, password.as_bytes());
        }
    }
    body[flags_at] = flags;
    packet(0x10, &body)
}

pub fn publish_packet(qos: u8, dup: bool, id: u16, topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    text(&mut body, topic.as_bytes());
    if qos > 0 {
        body.extend_from_slice(&id.to_be_bytes());
    }
    body.extend_from_slice(payload);
    packet(0x30 | qos << 1 | u8::from(dup) << 3, &body)
}

impl Wire {
    pub async fn open(address: SocketAddr) -> Self {
        Self(soon("a TCP connection", TcpStream::connect(address)).await.unwrap())
    }

    /// Connects and says what the CONNACK said.
    pub async fn hello(address: SocketAddr, hello: &Hello<'_>) -> (Self, Said) {
        let mut wire = Self::open(address).await;
        wire.send(&connect_packet(hello)).await;
        let answer = wire.said().await;
        (wire, answer)
    }

    /// A signed-in client of the account `name`, which is also its client id.
    pub async fn signed_in(address: SocketAddr, name: &str) -> Self {
        let password = format!("{name}-password");
        let hello = Hello { client_id: name, account: Some((name, &password)), ..Hello::default() };
        let (wire, answer) = Self::hello(address, &hello).await;
        assert_eq!(answer, Said::Connack(ACCEPTED));
        wire
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        // A broker that has just closed makes writing fail; the test sees it when it reads.
        let _ = self.0.write_all(bytes).await;
    }

    pub async fn publish(&mut self, id: u16, topic: &str, payload: &[u8]) {
        self.send(&publish_packet(1, false, id, topic, payload)).await;
    }

    pub async fn subscribe(&mut self, filter: &str) -> Said {
        let mut body = 9_u16.to_be_bytes().to_vec();
        text(&mut body, filter.as_bytes());
        body.push(1);
        self.send(&packet(0x82, &body)).await;
        self.said().await
    }

    pub async fn said(&mut self) -> Said {
        soon("a packet or the end", self.read()).await
    }

    async fn read(&mut self) -> Said {
        let Ok(first) = self.0.read_u8().await else { return Said::Closed };
        let mut length = 0_usize;
        for shift in [0, 7, 14, 21] {
            let Ok(byte) = self.0.read_u8().await else { return Said::Closed };
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        if self.0.read_exact(&mut body).await.is_err() {
            return Said::Closed;
        }
        let id = || u16::from_be_bytes([body[0], body[1]]);
        match first >> 4 {
            2 => Said::Connack(body[1]),
            3 => {
                let end = 2 + usize::from(id());
                let topic = String::from_utf8(body[2..end].to_vec()).unwrap();
                let skip = if first & 0x06 == 0 { 0 } else { 2 };
                let payload = body[end + skip..].to_vec();
                Said::Publish { topic, payload, retained: first & 1 == 1 }
            }
            4 => Said::Puback(id()),
            5 => Said::Pubrec(id()),
            7 => Said::Pubcomp(id()),
            9 => Said::Suback(body[2..].to_vec()),
            13 => Said::Pingresp,
            other => Said::Other(other),
        }
    }
}
