//! The floor: append, `fdatasync`, POST, and nothing else. What has come due is one group with one
//! force; posts go over as many kept connections as the hub uses. No decision, no MQTT, no state.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::mpsc::channel;

use super::machine::{now, sleep_until};

/// Connections, and events of one group: the hub's own numbers.
const CONNECTIONS: usize = anling::notify::webhook::WINDOW;
const GROUP_MAX: usize = anling::journal::FRAME_ENTRIES_MAX;

/// One event's bytes, as long as the hub's.
fn event(number: usize, bytes: usize) -> Vec<u8> {
    let head = format!(
        "{{\"specversion\":\"1.0\",\"id\":\"floor/{number}\",\"device\":\"D-{number:05}\",\"pad\":\""
    );
    let pad = bytes.saturating_sub(head.len() + 2);
    format!("{head}{}\"}}", "x".repeat(pad)).into_bytes()
}

fn request(to: SocketAddr, body: &[u8]) -> Vec<u8> {
    let mut bytes = format!(
        "POST / HTTP/1.1\r\ncontent-type: application/cloudevents+json; charset=utf-8\r\n\
         user-agent: floor/0.1.0\r\naccept: */*\r\nhost: {to}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn connections(to: SocketAddr) -> Vec<TcpStream> {
    let connect = |_| {
        let line = TcpStream::connect(to).unwrap();
        line.set_nodelay(true).unwrap();
        line
    };
    (0..CONNECTIONS).map(connect).collect()
}

fn answered(line: &mut TcpStream) {
    let (mut heard, mut space) = (Vec::new(), [0; 256]);
    while !heard.ends_with(b"\r\n\r\n") {
        let count = line.read(&mut space).unwrap();
        assert_ne!(count, 0, "the receiver went away");
        heard.extend_from_slice(&space[..count]);
    }
}

/// An open loop at `rate` a second; when each event was due, by number.
pub fn at_rate(dir: &Path, to: SocketAddr, (rate, count, bytes): (u64, usize, usize)) -> Vec<u64> {
    let mut file = File::create(dir.join("floor")).unwrap();
    let mut lines = connections(to);
    let began = now() + 50_000_000;
    let due = |number: usize| began + number as u64 * 1_000_000_000 / rate;
    let (mut stamps, mut next) = (Vec::with_capacity(count), 0);
    while next < count {
        stamps.push(sleep_until(due(next)));
        let first = next;
        next += 1;
        while next < count && next - first < GROUP_MAX && due(next) <= now() {
            stamps.push(due(next));
            next += 1;
        }
        let bodies: Vec<Vec<u8>> = (first..next).map(|number| event(number, bytes)).collect();
        file.write_all(&bodies.concat()).unwrap();
        rustix::fs::fdatasync(&file).unwrap();
        for wave in bodies.chunks(CONNECTIONS) {
            for (line, body) in lines.iter_mut().zip(wave) {
                line.write_all(&request(to, body)).unwrap();
            }
            lines.iter_mut().take(wave.len()).for_each(answered);
        }
    }
    stamps
}

/// All at once: one thread appends and forces group after group, another keeps every connection
/// busy with what is on disk. Says when it began.
pub fn storm(dir: &Path, to: SocketAddr, (count, bytes): (usize, usize)) -> u64 {
    let requests: Vec<(Vec<u8>, Vec<u8>)> = (0..count)
        .map(|number| {
            let body = event(number, bytes);
            (request(to, &body), body)
        })
        .collect();
    let mut file = File::create(dir.join("floor")).unwrap();
    let (tell, stored) = channel::<Vec<Vec<u8>>>();
    let posting = std::thread::spawn(move || {
        let (mut idle, mut busy) = (VecDeque::from(connections(to)), VecDeque::new());
        for group in stored {
            for request in group {
                let mut line: TcpStream = idle.pop_front().unwrap_or_else(|| {
                    let mut line = busy.pop_front().unwrap();
                    answered(&mut line);
                    line
                });
                line.write_all(&request).unwrap();
                busy.push_back(line);
            }
        }
        busy.iter_mut().for_each(answered);
    });
    let began = now();
    for group in requests.chunks(GROUP_MAX) {
        let bytes: Vec<u8> = group.iter().flat_map(|(_, body)| body).copied().collect();
        file.write_all(&bytes).unwrap();
        rustix::fs::fdatasync(&file).unwrap();
        tell.send(group.iter().map(|(request, _)| request.clone()).collect()).unwrap();
    }
    drop(tell);
    posting.join().unwrap();
    began
}
