//! One address over HTTP/1.1: a POST at a time over kept connections, and what was answered.
//!
//! - A connection is polled by the request that uses it and by nobody between two requests, so an
//!   event reaches the socket in the task that sends it. Chosen over a pooling client: its layers
//!   and its task for each connection were a third of the way from the disk to the receiver.
//! - A kept connection that turns out to be closed is thrown away before anything is sent on it.
//!   Once a request may have left, a failure is the caller's to repeat: here nothing is sent twice.
//! - Nothing is followed: a redirect could carry residents' data to a place nobody configured.
//! - Names are resolved and addresses tried side by side by hyper-util, TLS is rustls with the
//!   system's certificates; HTTP/2 is not offered, since each event has its own request anyway.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection, SendRequest};
use hyper::header::{DATE, HOST, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower_service::Service as _;
use url::Url;

/// How much of an answer is read, and for how long: so that the connection can be used again, and for
/// what a platform says back, 32 messages of 8 KiB with room to spare.
const ANSWER_BYTES_MAX: usize = 512 * 1024;
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Longest head of an answer. Own choice: a receiver has no reason for more.
const ANSWER_HEAD_MAX: usize = 64 * 1024;

/// Limit of connecting, TLS included. Short against a request's limit, so that a line that swallows
/// packets is found to be back soon after it is.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// Why an address cannot be used. All are for the operator.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not a URL this can send to.
    #[error("the url cannot be used: give an http:// or https:// address with a host and no user")]
    Url,
    /// A file of certificates or its key cannot be read.
    #[error("the file {path} cannot be read: check its path and mode")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// TLS or its certificates cannot be set up.
    #[error("TLS cannot be set up: check the CA file, our certificate and its key")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No TLS provider was installed for the process.
    #[error("no TLS provider is installed: install rustls' ring provider before any endpoint")]
    NoProvider,
}

/// Whom to trust on a TLS connection, and as whom to come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// Certificates to trust beside the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate, with those up to its CA, and its key, both PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

impl TlsFiles {
    /// Whether any file is named: it may hold something else by the next time it is read.
    pub fn names_any(&self) -> bool {
        self.ca_file.is_some() || self.client.is_some()
    }
}

/// What came of one POST.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply {
    /// The other side answered.
    Answered {
        /// With this.
        status: StatusCode,
        /// And wants to be left alone for so long; the form with a date is not read, since it would
        /// need a clock that both sides agree on.
        retry_after: Option<Duration>,
        /// What time the other side says it is, in ms since 1970, where it says so.
        date: Option<i64>,
        /// What it said, as far as it was read: at most 16 KiB, of which nothing is cut in half.
        body: Bytes,
    },
    /// Nothing was sent.
    NoConnection,
    /// The connection broke; whether the request was taken nobody knows.
    Broken,
    /// The time limit passed; whether the request was taken nobody knows.
    NoAnswer,
}

type Stream = MaybeHttpsStream<TokioIo<TcpStream>>;

/// A connection's own work, done whenever a request is waited for.
type Driven = Connection<Stream, Full<Bytes>>;

/// A kept connection.
struct Kept {
    sender: SendRequest<Full<Bytes>>,
    /// `None` once it has ended.
    connection: Option<Pin<Box<Driven>>>,
}

/// Why a kept connection gave no answer.
enum Setback {
    /// It was closed before the request left.
    Stale,
    Broken,
}

/// The line to one address.
pub struct Wire {
    connector: HttpsConnector<HttpConnector>,
    /// Where to connect.
    authority: Uri,
    /// What to ask for there.
    target: Uri,
    headers: HeaderMap,
    limit: Duration,
    /// Connections between two requests, the last used at the end.
    kept: Mutex<Vec<Kept>>,
}

impl Wire {
    /// A line to `url`; every request carries `headers` and may take `limit`.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn new(
        url: &str,
        mut headers: HeaderMap,
        limit: Duration,
        files: &TlsFiles,
    ) -> Result<Self, WireError> {
        let url = Url::parse(url).map_err(|_| WireError::Url)?;
        let named = url.username().is_empty() && url.password().is_none();
        let host = url.host_str().filter(|_| named && matches!(url.scheme(), "http" | "https"));
        let host = host.ok_or(WireError::Url)?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        headers.insert(HOST, HeaderValue::try_from(&host).map_err(|_| WireError::Url)?);
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("anling/", env!("CARGO_PKG_VERSION"))),
        );
        let authority = format!("{}://{host}/", url.scheme()).parse();
        Ok(Self {
            connector: connector(url.scheme() == "https", files)?,
            authority: authority.map_err(|_| WireError::Url)?,
            target: path.parse().map_err(|_| WireError::Url)?,
            headers,
            limit,
            kept: Mutex::default(),
        })
    }

    /// Sends one body and waits for what is said to it.
    pub async fn post(&self, body: Bytes) -> Reply {
        self.post_with(body, None).await
    }

    /// The same with a header of this request alone.
    pub async fn post_with(&self, body: Bytes, more: Option<(HeaderName, HeaderValue)>) -> Reply {
        let request = || {
            let mut request = self.request(body.clone());
            request.headers_mut().extend(more.clone().map(|(name, value)| (Some(name), value)));
            request
        };
        timeout(self.limit, self.exchange(&request)).await.unwrap_or(Reply::NoAnswer)
    }

    /// The same to another path of the address, with its query; one that is none is never sent.
    pub async fn post_to(&self, target: &str, body: Bytes) -> Reply {
        let Ok(target) = target.parse::<Uri>() else { return Reply::NoConnection };
        let request = || {
            let mut request = self.request(body.clone());
            *request.uri_mut() = target.clone();
            request
        };
        timeout(self.limit, self.exchange(&request)).await.unwrap_or(Reply::NoAnswer)
    }

    /// Closes what is kept between requests.
    pub fn hang_up(&self) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Over a kept connection, or over a new one when none is alive; each that is not is thrown
    /// away, so there is an end to them.
    async fn exchange(&self, request: &(dyn Fn() -> Request<Full<Bytes>> + Sync)) -> Reply {
        loop {
            let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let (mut kept, fresh) = match kept {
                Some(kept) => (kept, false),
                None => match timeout(CONNECT_LIMIT, self.connect()).await {
                    Ok(Some(kept)) => (kept, true),
                    _ => return Reply::NoConnection,
                },
            };
            match kept.post(request()).await {
                Ok((reply, again)) => {
                    if again {
                        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(kept);
                    }
                    return reply;
                }
                Err(Setback::Stale) if !fresh => {}
                Err(_) => return Reply::Broken,
            }
        }
    }

    async fn connect(&self) -> Option<Kept> {
        let stream = self.connector.clone().call(self.authority.clone()).await.ok()?;
        let builder = Builder::new().max_buf_size(ANSWER_HEAD_MAX).handshake(stream);
        let (sender, connection) = builder.await.ok()?;
        Some(Kept { sender, connection: Some(Box::pin(connection)) })
    }

    fn request(&self, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Kept {
    /// One request; whether the connection can take another.
    async fn post(&mut self, request: Request<Full<Bytes>>) -> Result<(Reply, bool), Setback> {
        let Self { sender, connection } = self;
        let answer = async {
            sender.ready().await.map_err(|_| Setback::Stale)?;
            let response = sender.send_request(request).await.map_err(|error| {
                if error.is_canceled() { Setback::Stale } else { Setback::Broken }
            })?;
            let (status, retry_after) = (response.status(), retry_after(&response));
            let date = date(&response);
            let read = timeout(ANSWER_LIMIT, read_through(response.into_body())).await;
            let body = read.unwrap_or_default();
            let whole = body.is_some();
            let body = body.unwrap_or_default();
            Ok((Reply::Answered { status, retry_after, date, body }, whole))
        };
        let mut answer = std::pin::pin!(answer);
        let ended = async {
            if let Some(alive) = connection.as_mut() {
                let _ = alive.await;
            }
        };
        tokio::select! {
            biased;
            done = &mut answer => return done,
            () = ended => {}
        }
        // What it had still to give lies with the request already; what it never sent is given up
        // only when it is gone.
        *connection = None;
        answer.await.map(|(reply, _)| (reply, false))
    }
}

fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    seconds.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs)
}

fn date(response: &Response<Incoming>) -> Option<i64> {
    let said = response.headers().get(DATE).and_then(|value| value.to_str().ok())?;
    let date = jiff::fmt::rfc2822::parse(said).ok()?;
    Some(date.timestamp().as_millisecond())
}

/// Reads an answer to its end, so that its connection serves the next request. A long answer is
/// dropped with its connection.
async fn read_through(mut body: Incoming) -> Option<Bytes> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(part) = frame.ok()?.into_data() {
            if read.len() + part.len() > ANSWER_BYTES_MAX {
                return None;
            }
            read.extend_from_slice(&part);
        }
    }
    Some(read.freeze())
}

fn connector(tls: bool, files: &TlsFiles) -> Result<HttpsConnector<HttpConnector>, WireError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(WireError::NoProvider);
    }
    let config = match tls {
        true => client_tls(files)?,
        false => ClientConfig::builder()
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth(),
    };
    Ok(HttpsConnector::from((tcp, config)))
}

/// TLS as these files ask for it.
///
/// # Errors
/// When a file cannot be read, holds nothing of the kind, or does not fit the others.
pub fn client_tls(files: &TlsFiles) -> Result<ClientConfig, WireError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        return Err(WireError::NoProvider);
    }
    let mut roots = RootCertStore::empty();
    // What cannot be read of the system's own is left out; a certificate it would have vouched for is
    // then refused, and the endpoint says so.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = &files.ca_file
        && roots.add_parsable_certificates(certificates(path)?).0 == 0
    {
        return Err(WireError::Tls("no certificate in the CA file".into()));
    }
    let config = ClientConfig::builder().with_root_certificates(roots);
    let Some((cert, key)) = &files.client else { return Ok(config.with_no_client_auth()) };
    let chain = certificates(cert)?;
    let key = PrivateKeyDer::from_pem_slice(&pem(key)?);
    let key = key.map_err(|error| WireError::Tls(Box::new(error)))?;
    config.with_client_auth_cert(chain, key).map_err(|error| WireError::Tls(Box::new(error)))
}

fn pem(path: &Path) -> Result<Vec<u8>, WireError> {
    std::fs::read(path).map_err(|source| WireError::CaFile { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, WireError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem(path)?).collect();
    found.map_err(|error| WireError::Tls(Box::new(error)))
}
