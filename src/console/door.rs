//! Who comes in: connections, how many at once, and how long each may take.
//!
//! A phone on bad radio and a port scanner look alike at first, so nothing is judged: whoever takes
//! a place gives it back soon. A connection carries one request (a page has no second file to fetch),
//! its head must come within seconds and all of it within half a minute. At the limit of places new
//! connections wait in the system's queue, first come first served; hundreds of silent ones therefore
//! hold up a tap by [`HEAD_WITHIN`] at most for each [`CONNECTIONS_MAX`] of them. Places are counted
//! for each address, so that the house's network cannot take those of the box itself. An answer that
//! goes on, as events do, asks to [`Stay`] and has limits of its own. The web framework's own loop was
//! not kept: it has neither limit.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore};
use tokio::time::sleep;
use tower_service::Service as _;
use tracing::{debug, warn};

/// Connections to one address at once; the next one waits. Own choice: a page for each of 200 staff,
/// and far below the files a service may have open.
pub(super) const CONNECTIONS_MAX: usize = 256;
/// How long a request's head may take from the connection on. Own choice: a second's ride on a bad
/// line, several times over.
pub(super) const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may last: the desk may take 10 s for a tap and as long for the page after
/// it, and the rest is the line's.
const ALL_WITHIN: Duration = Duration::from_secs(30);
/// Longest head of a request, in bytes; a longer one is answered with 431. Own choice: twice what
/// browsers send at the most.
const HEAD_MAX: usize = 16 << 10;
/// How long nothing is accepted after the system refused a connection.
const REFUSED_FOR: Duration = Duration::from_millis(100);

/// How long the last bytes of an answer that went on may take to leave.
const LAST_BYTES: Duration = Duration::from_secs(2);

/// A connection whose answer may ask for more time than others have; whoever asks must say when it is
/// over.
#[derive(Debug, Clone, Default)]
pub(super) struct Stay(Arc<(AtomicBool, Notify)>);

impl Stay {
    /// From now on the connection has no limit of its own.
    pub(super) fn ask(&self) {
        self.0.0.store(true, Ordering::Release);
    }

    /// It is over: the connection is closed, whether or not its reader has taken everything.
    pub(super) fn over(&self) {
        self.0.1.notify_one();
    }

    /// Until the connection has lasted long enough.
    async fn long_enough(&self, all: Duration) {
        sleep(all).await;
        if self.0.0.load(Ordering::Acquire) {
            self.0.1.notified().await;
            sleep(LAST_BYTES).await;
        }
    }
}

/// What a door allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    connections: usize,
    head: Duration,
    all: Duration,
}

/// What every door allows.
pub(super) const LIMITS: Limits =
    Limits { connections: CONNECTIONS_MAX, head: HEAD_WITHIN, all: ALL_WITHIN };

/// Serves pages on a listener; ends only when it is dropped.
pub(super) async fn keep(listener: TcpListener, pages: Router, limits: Limits) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let pages = pages.clone();
                tokio::spawn(async move {
                    answer(stream, pages, limits).await;
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "pages accept nobody for a moment");
                sleep(REFUSED_FOR).await;
            }
        }
    }
}

async fn answer(stream: TcpStream, pages: Router, limits: Limits) {
    let stay = Stay::default();
    let asked = stay.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(asked.clone());
        pages.clone().call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(HEAD_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        served = connection => if let Err(error) = served {
            debug!(%error, "a page's reader went away");
        },
        () = stay.long_enough(limits.all) => debug!("a connection to the pages took too long"),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::extract::DefaultBodyLimit;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use tokio::time::timeout;

    use super::*;

    /// Nothing here takes this long unless it hangs.
    const HANG_GUARD: Duration = Duration::from_secs(60);
    const HEAD: &str = "GET / HTTP/1.1\r\nhost: hub\r\n\r\n";

    async fn open(limits: Limits) -> std::net::SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let pages = Router::new()
            .route("/", get(|| async { "here\n" }))
            .route("/say", post(|said: String| async move { said }))
            .layer(DefaultBodyLimit::max(crate::console::FORM_MAX));
        tokio::spawn(keep(listener, pages, limits));
        address
    }

    /// What comes back after `sent`, until the door closes the connection.
    async fn told(stream: &mut TcpStream, sent: &[u8]) -> String {
        // The door may have closed before all of it was sent.
        let _ = stream.write_all(sent).await;
        let mut bytes = Vec::new();
        // A connection that is reset has been closed as well.
        let read = timeout(HANG_GUARD, stream.read_to_end(&mut bytes)).await;
        let _ = read.expect("the door closes the connection");
        String::from_utf8(bytes).unwrap()
    }

    /// One place, a head within a moment, and all the time there is for the rest.
    fn short_head() -> Limits {
        Limits { connections: 1, head: Duration::from_millis(200), all: 10 * HANG_GUARD }
    }

    #[tokio::test]
    async fn one_request_is_answered_and_the_connection_closed() {
        let mut stream = TcpStream::connect(open(LIMITS).await).await.unwrap();
        let told = told(&mut stream, HEAD.as_bytes()).await;
        assert!(told.starts_with("HTTP/1.1 200") && told.ends_with("here\n"), "{told}");
    }

    #[tokio::test]
    async fn half_a_head_or_none_at_all_is_let_go() {
        let address = open(short_head()).await;
        for sent in ["", "GET / HTTP/1.1\r\nhost: h"] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let told = told(&mut stream, sent.as_bytes()).await;
            assert!(!told.contains("200"), "{sent:?}: {told}");
        }
    }

    #[tokio::test]
    async fn a_body_that_never_ends_is_let_go() {
        let all = Duration::from_millis(400);
        let address = open(Limits { connections: 1, head: 10 * HANG_GUARD, all }).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /say HTTP/1.1\r\nhost: hub\r\ncontent-length: 100\r\n\r\nhalf";
        let told = told(&mut stream, head.as_bytes()).await;
        assert!(!told.contains("200"), "{told}");
    }

    /// A body that begins and never ends; its connection asks to stay, and one is over at once.
    async fn for_ever(path: &str) -> TcpStream {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let endless = |over: bool| {
            get(move |axum::Extension(stay): axum::Extension<Stay>| async move {
                stay.ask();
                if over {
                    stay.over();
                }
                axum::body::Body::new(Endless)
            })
        };
        let pages = Router::new().route("/stays", endless(false)).route("/over", endless(true));
        let limits = Limits { connections: 9, head: HANG_GUARD, all: Duration::from_millis(50) };
        tokio::spawn(keep(listener, pages, limits));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: hub\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    struct Endless;

    impl hyper::body::Body for Endless {
        type Data = axum::body::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Pending
        }
    }

    #[tokio::test]
    async fn a_connection_that_asked_stays_until_it_is_over_even_if_its_body_does_not_end() {
        let mut stays = for_ever("/stays").await;
        let mut over = for_ever("/over").await;
        let mut bytes = Vec::new();
        let read = timeout(HANG_GUARD, over.read_to_end(&mut bytes)).await;
        read.expect("the door closes what is over").unwrap();
        assert!(bytes.starts_with(b"HTTP/1.1 200"));
        // The other one is as old and has not been closed.
        let mut head = [0; 12];
        stays.read_exact(&mut head).await.unwrap();
        let mut rest = vec![0; 4096];
        let more = async { while stays.read(&mut rest).await.unwrap() > 0 {} };
        assert!(
            timeout(Duration::from_millis(200), more).await.is_err(),
            "closed although it stays"
        );
    }

    #[tokio::test]
    async fn a_body_or_a_head_beyond_its_limit_is_refused() {
        let address = open(LIMITS).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = "POST /say HTTP/1.1\r\nhost: hub\r\ncontent-length: 20000\r\n\r\n";
        let long = [head.as_bytes(), &[b'x'; 20_000]].concat();
        let said = told(&mut stream, &long).await;
        // A close with bytes unread may overtake the word.
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
        let mut stream = TcpStream::connect(address).await.unwrap();
        let long = format!("GET /{} HTTP/1.1\r\nhost: hub\r\n", "x".repeat(2 * HEAD_MAX));
        let said = told(&mut stream, long.as_bytes()).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    }

    #[tokio::test]
    async fn at_the_limit_the_next_one_waits_and_is_answered_when_a_silent_one_is_let_go() {
        let address = open(short_head()).await;
        let first = TcpStream::connect(address).await.unwrap();
        let mut silent = Vec::new();
        for _ in 0..3 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        let told = told(&mut stream, HEAD.as_bytes()).await;
        assert!(told.ends_with("here\n"), "{told}");
        for silent in silent.into_iter().chain([first]) {
            let ended = silent.into_std().unwrap().read(&mut [0; 64]);
            assert!(matches!(ended, Ok(0)), "answered beside a silent one");
        }
    }
}
