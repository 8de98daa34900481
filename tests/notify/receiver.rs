//! An HTTP receiver that does as it is told, well or badly.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// How one request is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// With a status and further header lines (each with its line end).
    Status(u16, String),
    /// With a status and a body.
    Said(u16, String),
    /// Never.
    Never,
    /// With 200, after a while.
    Late(Duration),
    /// Not at all: the connection is closed.
    Close,
    /// With 200 and a body that breaks off.
    CloseInMidBody,
    /// With a head that comes byte by byte and never ends.
    SlowLoris,
}

impl Reply {
    pub(crate) fn ok() -> Self {
        Self::Status(204, String::new())
    }
}

/// One request as it was heard.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) head: String,
    pub(crate) body: String,
    /// Milliseconds since the receiver began.
    pub(crate) at: u128,
}

type Script = Box<dyn FnMut(&Heard) -> Reply + Send>;

pub(crate) struct Receiver {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<Heard>>>,
    script: Arc<Mutex<Script>>,
    task: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(script: impl FnMut(&Heard) -> Reply + Send + 'static) -> Self {
        Self::start_at(0, None, script).await
    }

    pub(crate) async fn start_at(
        port: u16,
        tls: Option<TlsAcceptor>,
        script: impl FnMut(&Heard) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::default();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let task = tokio::spawn(serve(listener, tls, Arc::clone(&heard), script.clone()));
        Self { port, heard, script, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/events", self.port)
    }

    /// From now on it answers like this.
    pub(crate) fn now(&self, script: impl FnMut(&Heard) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    pub(crate) fn bodies(&self) -> Vec<String> {
        self.heard().into_iter().map(|heard| heard.body).collect()
    }

    /// Waits until it has heard so many requests.
    pub(crate) async fn hears(&self, count: usize) {
        super::letters::soon("enough requests", async {
            while self.heard.lock().unwrap().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[expect(clippy::disallowed_methods, reason = "the receiver notes when it heard what")]
fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    heard: Arc<Mutex<Vec<Heard>>>,
    script: Arc<Mutex<Script>>,
) {
    let began = now();
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (heard, script, tls) = (heard.clone(), script.clone(), tls.clone());
        connections.spawn(async move {
            let talk = Talk { heard, script, began };
            match tls {
                None => talk.over(stream).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        talk.over(stream).await;
                    }
                }
            }
        });
    }
}

struct Talk {
    heard: Arc<Mutex<Vec<Heard>>>,
    script: Arc<Mutex<Script>>,
    began: tokio::time::Instant,
}

impl Talk {
    async fn over(self, stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin) {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                match stream.read_line(&mut head).await {
                    Ok(0) | Err(_) => return,
                    Ok(_) => {}
                }
            }
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok()
            });
            let mut body = vec![0; length.unwrap_or(0)];
            stream.read_exact(&mut body).await.unwrap();
            let body = String::from_utf8(body).unwrap();
            let heard = Heard { head, body, at: self.began.elapsed().as_millis() };
            let reply = (self.script.lock().unwrap())(&heard);
            self.heard.lock().unwrap().push(heard);
            let goes_on = match reply {
                Reply::Status(status, headers) => {
                    let line = format!("HTTP/1.1 {status} X\r\n{headers}content-length: 0\r\n\r\n");
                    stream.write_all(line.as_bytes()).await.is_ok()
                }
                Reply::Said(status, body) => {
                    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {}", body.len());
                    let answer = format!("{head}\r\n\r\n{body}");
                    stream.write_all(answer.as_bytes()).await.is_ok()
                }
                Reply::Late(wait) => {
                    tokio::time::sleep(wait).await;
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.is_ok()
                }
                Reply::Never => std::future::pending().await,
                Reply::Close => false,
                Reply::CloseInMidBody => {
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{").await;
                    let _ = stream.flush().await;
                    false
                }
                Reply::SlowLoris => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
                    while stream.write_all(b"y").await.is_ok() && stream.flush().await.is_ok() {
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                    false
                }
            };
            if !goes_on || stream.flush().await.is_err() {
                return;
            }
        }
    }
}
