//! The receiving end: a minimal HTTP/1.1 server with kept connections that notes when the last byte
//! of an event came, before it answers. One thread, so that it takes the same from hub and floor.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

use super::machine::now;

const ANSWER: &[u8] = b"HTTP/1.1 204 No Content\r\n\r\n";

/// One event that came.
#[derive(Debug, Clone, Copy)]
pub struct Heard {
    /// When its last byte was here.
    pub at: u64,
    /// The number in its id.
    pub seq: u64,
    /// The number of its device.
    pub device: usize,
    /// Bytes of its body.
    pub bytes: usize,
}

/// What a receiver has noted; outlives one that goes away and comes back.
#[derive(Default)]
pub struct Notes {
    heard: Mutex<Vec<Heard>>,
    silent: AtomicBool,
}

/// A receiver that runs until it is dropped.
pub struct Receiver {
    pub address: SocketAddr,
    pub notes: Arc<Notes>,
    runtime: Option<Runtime>,
}

impl Notes {
    pub fn take(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    pub fn all(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.heard.lock().unwrap().len()
    }

    /// Accepts and reads, but answers nobody until told otherwise.
    pub fn be_silent(&self, silent: bool) {
        self.silent.store(silent, Ordering::Release);
    }

    /// Waits for that many, at most `limit`; whether they came.
    pub fn wait_for(&self, count: usize, limit: Duration) -> bool {
        let end = now() + limit.as_nanos() as u64;
        while self.count() < count {
            if now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    /// How many different events there are.
    pub fn distinct(&self) -> usize {
        let mut seqs: Vec<u64> = self.all().iter().map(|heard| heard.seq).collect();
        seqs.sort_unstable();
        seqs.dedup();
        seqs.len()
    }
}

impl Receiver {
    pub fn start() -> Self {
        Self::again(0, Arc::default())
    }

    /// The same place and notes as before, after a while away.
    pub fn again(port: u16, notes: Arc<Notes>) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let place = (Ipv4Addr::LOCALHOST, port);
        let listener = runtime.block_on(TcpListener::bind(place)).unwrap();
        let address = listener.local_addr().unwrap();
        let noting = Arc::clone(&notes);
        runtime.spawn(async move {
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                tokio::spawn(hear(caller, Arc::clone(&noting)));
            }
        });
        Self { address, notes, runtime: Some(runtime) }
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

async fn hear(mut caller: TcpStream, notes: Arc<Notes>) {
    let _ = caller.set_nodelay(true);
    let mut bytes = Vec::with_capacity(16 * 1024);
    loop {
        let Some((head, body)) = whole(&bytes) else {
            match caller.read_buf(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => continue,
            }
        };
        let event = &bytes[head..head + body];
        let heard = Heard {
            at: now(),
            seq: number_after(event, b"/").unwrap_or(0),
            device: number_after(event, b"\"D-").unwrap_or(0) as usize,
            bytes: body,
        };
        notes.heard.lock().unwrap().push(heard);
        bytes.drain(..head + body);
        while notes.silent.load(Ordering::Acquire) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if caller.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// Lengths of head and body of a request that is here as a whole.
fn whole(bytes: &[u8]) -> Option<(usize, usize)> {
    let head = find(bytes, b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&bytes[..head]).ok()?;
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    };
    let body: usize = text.lines().find_map(named)?;
    (bytes.len() >= head + body).then_some((head, body))
}

fn number_after(bytes: &[u8], mark: &[u8]) -> Option<u64> {
    let from = find(bytes, mark)? + mark.len();
    let digits = bytes[from..].iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
