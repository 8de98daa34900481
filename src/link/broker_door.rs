//! The front door of the built-in broker: it accepts, hears the whole CONNECT, and only then opens a
//! way to the broker behind it, on loopback.
//!
//! rmqtt waits without limit for the first bytes of a connection and knows no ceiling on
//! connections, so a few thousand silent ones would take the box's file handles; its own accept loop
//! cannot be replaced from outside. The door costs one more hop on loopback per packet and two more
//! handles per client, and gives: one time limit from accept to CONNACK, a ceiling on those who have
//! not signed in (the oldest is pushed out, so a crowd of mutes cannot keep a button waiting), a
//! ceiling on all, dead peers noticed by TCP keep-alive, and a stop that reads nothing more while the
//! last acknowledgements still go out. A broker connection that did not come through the door is
//! refused at sign-in; what else a local process may do there, it could do to the whole box. Idle
//! connections hold no buffer here. A second listener may stand behind TLS (`link::broker_tls`); what
//! follows the handshake is the same.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::ready;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tracing::{debug, warn};

use super::broker_counts::Counters;
use super::broker_tls::{Named, Tls, named_by};

/// Longest CONNECT in bytes. Own choice: client id, name, password and a will's topic of at most
/// 256 bytes each leave room for a will of 7 KB.
const CONNECT_MAX: usize = 8 * 1024;
/// Most bytes moved at once between the two sides; lives on the stack.
const CHUNK: usize = 8 * 1024;
/// Longest CONNACK read at once; more follows with the stream.
const ANSWER_CHUNK: usize = 512;
/// Pauses before the broker is asked again after "unavailable". Own choice: clearing a connection
/// away takes milliseconds, more while its will is handed over.
const BUSY_PAUSES: [Duration; 4] = [
    Duration::from_millis(20),
    Duration::from_millis(80),
    Duration::from_millis(250),
    Duration::from_millis(1_000),
];
/// How long a client may leave our bytes untaken before it is closed; rmqtt's own default.
const SEND_LIMIT: Duration = Duration::from_secs(10);
/// How long the broker may go on answering after the client has closed its side. Longer than a
/// receipt is waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Pause after a failed accept, which is nearly always "too many open files".
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// Silence after which the kernel probes a peer, the pause between probes, and their number: a client
/// that lost power and set no MQTT keep-alive is gone after two minutes. Own choice.
const PROBE: (Duration, Duration, u32) = (Duration::from_secs(60), Duration::from_secs(15), 4);

/// Which loopback port belongs to which client, so that the broker knows whom it talks to.
pub(super) type Guests = Arc<Mutex<BTreeMap<SocketAddr, Visitor>>>;

/// A client that came through the door.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) peer: SocketAddr,
    /// Whom its certificate names, if it showed one.
    pub(super) named: Option<Named>,
}

/// A client that the broker has answered.
enum Signed {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// The numbers the door holds to.
pub(super) struct DoorLimits {
    /// Time from accept to CONNACK.
    pub(super) handshake: Duration,
    /// Most connections that have not signed in.
    pub(super) unsigned: usize,
    /// Most connections in all.
    pub(super) connections: usize,
}

/// The door. One task per connection lives as long as the connection.
pub(super) struct Door {
    behind: SocketAddr,
    limits: DoorLimits,
    guests: Guests,
    unsigned: Mutex<Unsigned>,
    places: Arc<Semaphore>,
    counts: Arc<Counters>,
    closing: watch::Receiver<bool>,
}

/// Connections that have not signed in, oldest first. Dropping the sender ends one.
#[derive(Default)]
struct Unsigned {
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Door {
    /// A door to the broker at `behind`, open until `closing` says true.
    pub(super) fn new(
        behind: SocketAddr,
        limits: DoorLimits,
        guests: Guests,
        counts: Arc<Counters>,
        closing: watch::Receiver<bool>,
    ) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections));
        Self { behind, limits, guests, unsigned: Mutex::default(), places, counts, closing }
    }

    /// Accepts until closing, behind TLS where that is given.
    pub(super) async fn keep(self: Arc<Self>, listener: TcpListener, tls: Option<Arc<Tls>>) {
        let mut closing = self.closing.clone();
        let mut failing = false;
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closing.wait_for(|closing| *closing) => return,
            };
            match accepted {
                Ok((client, peer)) => {
                    failing = false;
                    Self::welcome(&self, client, peer, tls.clone());
                }
                Err(cause) => {
                    if !failing {
                        warn!(%cause, "the broker cannot accept connections");
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn welcome(door: &Arc<Self>, client: TcpStream, peer: SocketAddr, tls: Option<Arc<Tls>>) {
        let Ok(place) = Arc::clone(&door.places).try_acquire_owned() else {
            door.counts.turned_away.one();
            return;
        };
        let (number, pushed_out) = door.enter();
        tokio::spawn(Arc::clone(door).serve((client, tls), peer, (number, pushed_out), place));
    }

    async fn serve(
        self: Arc<Self>,
        (client, tls): (TcpStream, Option<Arc<Tls>>),
        peer: SocketAddr,
        (number, pushed_out): (u64, oneshot::Receiver<()>),
        _place: OwnedSemaphorePermit,
    ) {
        let signed = tokio::select! {
            signed = timeout(self.limits.handshake, self.let_in(client, tls, peer)) => {
                signed.ok().and_then(Result::ok)
            }
            _ = pushed_out => None,
        };
        let was_waiting = self.leave(number);
        let Some((client, mut broker, _guest)) = signed else {
            if was_waiting {
                debug!(%peer, "closed: no MQTT sign-in");
                self.counts.mute.one();
            }
            return;
        };
        let closing = self.closing.clone();
        match client {
            Signed::Plain(mut client) => relay(&mut client, &mut broker, closing).await,
            Signed::Tls(client) => relay_tls(*client, &mut broker, closing).await,
        }
    }

    async fn let_in(
        &self,
        mut client: TcpStream,
        tls: Option<Arc<Tls>>,
        peer: SocketAddr,
    ) -> io::Result<(Signed, TcpStream, Guest)> {
        probe_when_silent(&client)?;
        client.set_nodelay(true)?;
        let Some(tls) = tls else {
            let visitor = Visitor { peer, named: None };
            let (broker, guest) = self.sign_in(&mut client, visitor).await?;
            return Ok((Signed::Plain(client), broker, guest));
        };
        let mut client = Box::new(tls.acceptor().accept(client).await?);
        let named = named_by(client.get_ref().1.peer_certificates());
        let (broker, guest) = self.sign_in(&mut client, Visitor { peer, named }).await?;
        Ok((Signed::Tls(client), broker, guest))
    }

    /// Hears the CONNECT, passes it on and hands back the first answer. rmqtt answers "unavailable" to
    /// a client that comes back while its last connection is being cleared away, which is what every
    /// refused press does; so it is asked again.
    async fn sign_in(
        &self,
        client: &mut (impl AsyncRead + AsyncWrite + Unpin),
        visitor: Visitor,
    ) -> io::Result<(TcpStream, Guest)> {
        let connect = read_connect(client).await?;
        let mut pauses = BUSY_PAUSES.iter();
        loop {
            let (broker, guest, answer) = self.ask(&connect, visitor.clone()).await?;
            match pauses.next() {
                Some(pause) if is_unavailable(&answer) => sleep(*pause).await,
                Some(_) | None => {
                    client.write_all(&answer).await?;
                    client.flush().await?;
                    return Ok((broker, guest));
                }
            }
        }
    }

    /// Opens a way to the broker, passes the CONNECT on and hears the first answer.
    async fn ask(
        &self,
        connect: &[u8],
        visitor: Visitor,
    ) -> io::Result<(TcpStream, Guest, Vec<u8>)> {
        let mut broker = TcpStream::connect(self.behind).await?;
        broker.set_nodelay(true)?;
        let guest = Guest::new(&self.guests, broker.local_addr()?, visitor);
        broker.write_all(connect).await?;
        let mut answer = Vec::with_capacity(ANSWER_CHUNK);
        if broker.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((broker, guest, answer))
    }

    /// Takes a place among those who have not signed in, pushing the oldest out at the limit.
    fn enter(&self) -> (u64, oneshot::Receiver<()>) {
        let mut unsigned = self.unsigned.lock().unwrap_or_else(PoisonError::into_inner);
        if unsigned.waiting.len() >= self.limits.unsigned {
            unsigned.waiting.pop_first();
            self.counts.pushed_out.one();
        }
        let number = unsigned.next;
        unsigned.next += 1;
        let (ticket, pushed_out) = oneshot::channel();
        unsigned.waiting.insert(number, ticket);
        (number, pushed_out)
    }

    /// Gives the place back; false when it was taken away.
    fn leave(&self, number: u64) -> bool {
        let mut unsigned = self.unsigned.lock().unwrap_or_else(PoisonError::into_inner);
        unsigned.waiting.remove(&number).is_some()
    }
}

/// An entry in [`Guests`] for as long as the connection lives.
struct Guest {
    guests: Guests,
    inside: SocketAddr,
}

impl Guest {
    fn new(guests: &Guests, inside: SocketAddr, visitor: Visitor) -> Self {
        guests.lock().unwrap_or_else(PoisonError::into_inner).insert(inside, visitor);
        Self { guests: Arc::clone(guests), inside }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.inside);
    }
}

fn probe_when_silent(client: &TcpStream) -> io::Result<()> {
    let (idle, interval, count) = PROBE;
    sockopt::set_socket_keepalive(client, true)?;
    sockopt::set_tcp_keepidle(client, idle)?;
    sockopt::set_tcp_keepintvl(client, interval)?;
    sockopt::set_tcp_keepcnt(client, count)?;
    Ok(())
}

async fn read_connect(client: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut heard = Vec::with_capacity(256);
    while !is_whole_connect(&heard)? {
        if client.read_buf(&mut heard).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(heard)
}

/// Whether the bytes hold a whole CONNECT; an error as soon as they cannot become one.
fn is_whole_connect(heard: &[u8]) -> io::Result<bool> {
    const CONNECT: u8 = 0x10;
    let Some((&first, rest)) = heard.split_first() else {
        return Ok(false);
    };
    if first != CONNECT {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut length = 0;
    for (at, &byte) in rest.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            if length > CONNECT_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
            return Ok(rest.len() > at + length);
        }
    }
    if rest.len() >= 4 { Err(io::ErrorKind::InvalidData.into()) } else { Ok(false) }
}

/// Whether a first answer is a CONNACK that says "server unavailable": 3 in MQTT 3.1.1, 0x88 in 5.
fn is_unavailable(answer: &[u8]) -> bool {
    const CONNACK: u8 = 0x20;
    if answer.first() != Some(&CONNACK) {
        return false;
    }
    let length = answer.iter().skip(1).take_while(|byte| *byte & 0x80 != 0).count() + 1;
    matches!(answer.get(1 + length + 1), Some(3 | 0x88))
}

/// Moves bytes both ways until the broker's side ends. When closing, nothing more is read from the
/// client, and the broker is not told: a hub that stops must not report its devices as lost.
async fn relay(client: &mut TcpStream, broker: &mut TcpStream, mut closing: watch::Receiver<bool>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_broker, mut to_broker) = broker.split();
    let up = async {
        let closed = async { drop(closing.wait_for(|closing| *closing).await) };
        tokio::select! {
            _ = pump(&mut from_client, &mut to_broker) => {}
            () = closed => std::future::pending().await,
        }
        if to_broker.shutdown().await.is_ok() {
            sleep(LAST_WORDS).await;
        }
    };
    tokio::select! {
        () = up => {}
        _ = pump(&mut from_broker, &mut to_client) => {}
    }
}

/// The same behind TLS, which needs buffers of its own in any case.
async fn relay_tls(
    client: TlsStream<TcpStream>,
    broker: &mut TcpStream,
    mut closing: watch::Receiver<bool>,
) {
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_broker, mut to_broker) = broker.split();
    let up = async {
        let closed = async { drop(closing.wait_for(|closing| *closing).await) };
        tokio::select! {
            _ = carry(&mut from_client, &mut to_broker) => {}
            () = closed => std::future::pending().await,
        }
        if to_broker.shutdown().await.is_ok() {
            sleep(LAST_WORDS).await;
        }
    };
    tokio::select! {
        () = up => {}
        _ = carry(&mut from_broker, &mut to_client) => {}
    }
    // Without a farewell a client may take what it heard last for cut.
    let _gone = timeout(SEND_LIMIT, to_client.shutdown()).await;
}

async fn carry(
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    loop {
        let heard = poll_fn(|context| {
            let mut space = [0; CHUNK];
            let mut read = ReadBuf::new(&mut space);
            ready!(Pin::new(&mut *from).poll_read(context, &mut read))?;
            io::Result::Ok(read.filled().to_vec()).into()
        })
        .await?;
        if heard.is_empty() {
            return Ok(());
        }
        let sent = async {
            to.write_all(&heard).await?;
            to.flush().await
        };
        timeout(SEND_LIMIT, sent).await??;
    }
}

async fn pump(from: &mut ReadHalf<'_>, to: &mut WriteHalf<'_>) -> io::Result<()> {
    while let Some(rest) = step(from, to).await? {
        if !rest.is_empty() {
            timeout(SEND_LIMIT, to.write_all(&rest)).await??;
        }
    }
    Ok(())
}

/// One read and one write without waiting; what did not fit is handed back. None at the end.
fn step(
    from: &mut ReadHalf<'_>,
    to: &WriteHalf<'_>,
) -> impl Future<Output = io::Result<Option<Vec<u8>>>> {
    poll_fn(move |context| {
        let mut space = [0; CHUNK];
        let mut read = ReadBuf::new(&mut space);
        ready!(Pin::new(&mut *from).poll_read(context, &mut read))?;
        let heard = read.filled();
        if heard.is_empty() {
            return Ok(None).into();
        }
        let sent = match to.try_write(heard) {
            Ok(sent) => sent,
            Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => 0,
            Err(cause) => return Err(cause).into(),
        };
        Ok(Some(heard[sent..].to_vec())).into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connect_is_whole_at_its_last_byte() {
        let connect = [0x10, 0x03, 1, 2, 3];
        for cut in 0..connect.len() {
            assert!(!is_whole_connect(&connect[..cut]).unwrap(), "{cut}");
        }
        assert!(is_whole_connect(&connect).unwrap());
        assert!(is_whole_connect(&[0x10, 0x03, 1, 2, 3, 0x30]).unwrap());
    }

    #[test]
    fn only_a_connack_that_says_unavailable_is_asked_again() {
        assert!(is_unavailable(&[0x20, 2, 0, 3]));
        assert!(is_unavailable(&[0x20, 3, 0, 0x88, 0]));
        assert!(is_unavailable(&[0x20, 0x83, 0x01, 0, 0x88, 0x80, 0x01]));
        for other in [&[0x20, 2, 0, 0][..], &[0x20, 2, 0, 5], &[0x20, 2], &[], &[0x30, 2, 0, 3]] {
            assert!(!is_unavailable(other), "{other:?}");
        }
    }

    #[test]
    fn what_cannot_become_a_connect_is_refused_at_once() {
        assert!(is_whole_connect(b"GET / HTTP/1.1").is_err());
        assert!(is_whole_connect(&[0x10, 0xff, 0xff, 0xff, 0xff]).is_err());
        assert!(is_whole_connect(&[0x10, 0xff, 0xff, 0x7f]).is_err());
        assert!(!is_whole_connect(&[0x10, 0xff]).unwrap());
    }
}
