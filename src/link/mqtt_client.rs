//! One connection to an MQTT broker that others run, whoever speaks through it.
//!
//! rumqttc owns one connection and is thrown away with it, because across connections it loses
//! messages: it forgets what was queued when the broker has forgotten the session, and overwrites one
//! of several packets that wait for the same number. One task does nothing but poll it (`poll` may not
//! be cancelled, and waiting for rumqttc's own queue inside the polling task would block both); what it
//! brings is read by [`Line::next`], whose caller hands in requests by the `try_` calls and never waits
//! for rumqttc. When another is opened, and what is said meanwhile, is its caller's: devices and a
//! district's platform want different pauses.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rumqttc::mqttbytes::Error as BytesError;
use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Packet,
    StateError, TlsConfiguration, Transport,
};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::terms::Secret;

/// Sign of life to the broker; it holds us for gone after one and a half of it.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Limit of connecting, TLS and CONNACK included, in seconds.
pub(super) const CONNECT_SECONDS: u64 = 5;
/// Largest packet that is read, in bytes; a larger one ends the connection. Own choice: three times a
/// bridge's list of 500 devices. One packet is held at a time and cut to [`PAYLOAD_MAX`] as soon as it
/// is whole. A line that needs more than 20 s for one (below 7 Mbit/s) is given up in the middle of it,
/// since the broker's sign of life waits behind.
pub const PACKET_MAX: usize = 16 << 20;
/// Longest payload handed on, in bytes. No contract reads a quarter of it, and a bridge's list of all
/// its devices is read by none.
pub const PAYLOAD_MAX: usize = 65_536;
/// Largest packet that is sent, in bytes: the measured recipe of the project.
const PACKET_OUT_MAX: usize = 262_144;
/// Publishes under way to the broker as rumqttc counts them; callers stay below it.
const INFLIGHT: u16 = 100;
/// Requests waiting for rumqttc: acknowledgements, publishes, subscriptions. More than a broker has
/// under way at once (mosquitto 20, others up to 1,000) with a caller's own publishes.
const REQUESTS: usize = 2_048;
/// Packets waiting between polling and handling; when full, polling waits.
const PACKETS: usize = 2_048;
/// How long polling may wait before the connection is given up: within it the broker misses no sign
/// of life, since one is due every 10 s.
const HELD_UP: Duration = Duration::from_secs(5);
/// Time for the last packets to leave.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Where a broker is and how it lets us in.
#[derive(Debug, Clone)]
pub struct Address {
    /// Name or IPv4 address of its machine.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// User and password, where the broker asks for them.
    pub login: Option<(String, Secret)>,
    /// TLS, and whom to trust.
    pub tls: Option<Arc<ClientConfig>>,
}

/// Which session a connection takes up.
#[derive(Debug, Clone, Copy)]
pub struct Sitting<'a> {
    /// The session's name at the broker; never another one's, or each pushes the other out.
    pub client_id: &'a str,
    /// Whether it begins anew, and the broker forgets it with the connection.
    pub clean: bool,
}

/// What polling says: packets, and at last why it ended. Of a payload beyond [`PAYLOAD_MAX`] one byte
/// more than that is there, so that it is seen to have been longer.
pub type Polled = Result<Event, Box<ConnectionError>>;

/// A polling task that ends with whoever waits for it.
struct Polling(JoinHandle<()>);

impl Drop for Polling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A connection that stands, or comes about. Dropping it ends it.
pub struct Line {
    /// Takes requests. Only its `try_` calls may be used.
    pub client: AsyncClient,
    polled: mpsc::Receiver<Polled>,
    _polling: Polling,
}

impl Line {
    /// Begins to connect: the first thing that comes is the broker's CONNACK, or why there is none.
    /// Every message of QoS 1 waits for our own acknowledgement.
    pub fn open(address: &Address, sitting: Sitting<'_>) -> Self {
        let mut options = MqttOptions::new(sitting.client_id, &address.host, address.port);
        options.set_keep_alive(KEEP_ALIVE);
        options.set_clean_session(sitting.clean);
        options.set_manual_acks(true);
        options.set_max_packet_size(PACKET_MAX, PACKET_OUT_MAX);
        options.set_inflight(INFLIGHT);
        if let Some((user, password)) = &address.login {
            options.set_credentials(user, String::from_utf8_lossy(password.expose()));
        }
        if let Some(tls) = &address.tls {
            let tls = TlsConfiguration::Rustls(Arc::clone(tls));
            options.set_transport(Transport::Tls(tls));
        }
        let (client, mut looped) = AsyncClient::new(options, REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_connection_timeout(CONNECT_SECONDS);
        network.set_tcp_nodelay(true);
        looped.set_network_options(network);
        let (tell, polled) = mpsc::channel(PACKETS);
        Self { client, polled, _polling: Polling(tokio::spawn(poll(looped, tell))) }
    }

    /// What comes next; `None` when the hub was too busy to read, or the reason was told before.
    pub async fn next(&mut self) -> Option<Polled> {
        self.polled.recv().await
    }

    /// What has come already.
    pub fn come(&mut self) -> Option<Polled> {
        self.polled.try_recv().ok()
    }

    /// Says goodbye, and waits a moment for what is still leaving.
    pub async fn close(&mut self) {
        if self.client.try_disconnect().is_ok() {
            let said = async { while let Some(Ok(_)) = self.polled.recv().await {} };
            let _said = timeout(LAST_WORDS, said).await;
        }
    }
}

async fn poll(mut line: EventLoop, tell: mpsc::Sender<Polled>) {
    loop {
        match line.poll().await {
            Ok(event) => match timeout(HELD_UP, tell.send(Ok(cut(event)))).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            },
            Err(why) => {
                // What was read before the error is whole: a message of QoS 0 comes only once, and an
                // acknowledgement counts. What was to be sent with it never left.
                for event in line.state.events.drain(..) {
                    if matches!(event, Event::Incoming(_))
                        && tell.send(Ok(cut(event))).await.is_err()
                    {
                        return;
                    }
                }
                let _nobody_waits = tell.send(Err(Box::new(why))).await;
                return;
            }
        }
    }
}

/// An event without the end of a long payload, which would lie in memory until it is its turn.
fn cut(mut event: Event) -> Event {
    if let Event::Incoming(Packet::Publish(publish)) = &mut event
        && publish.payload.len() > PAYLOAD_MAX
    {
        publish.payload = Bytes::copy_from_slice(&publish.payload[..=PAYLOAD_MAX]);
    }
    event
}

/// The size of the packet that ended a connection by being larger than allowed, in bytes.
pub fn too_big(why: &ConnectionError) -> Option<usize> {
    match why {
        ConnectionError::MqttState(StateError::Deserialization(
            BytesError::PayloadSizeLimitExceeded(bytes),
        )) => Some(*bytes),
        _ => None,
    }
}

/// What is said of such a port.
pub const NO_BROKER: &str = "it answers, but not in MQTT: see host and port";

/// Whether what answers there does not speak MQTT. A packet that breaks off is none either: what is
/// short in another protocol reads as the beginning of a longer packet in this one.
pub fn is_no_broker(why: &ConnectionError) -> bool {
    match why {
        ConnectionError::NotConnAck(_) => true,
        ConnectionError::MqttState(StateError::Deserialization(BytesError::Io(cause))) => {
            cause.kind() == ErrorKind::Other
        }
        ConnectionError::MqttState(StateError::Deserialization(_)) => too_big(why).is_none(),
        _ => false,
    }
}

/// Why a connection ended, or did not come about, as a fragment.
pub fn said(why: &ConnectionError) -> String {
    match why {
        _ if is_no_broker(why) => NO_BROKER.to_owned(),
        ConnectionError::MqttState(StateError::ConnectionAborted) => {
            "it closed the connection".to_owned()
        }
        ConnectionError::NetworkTimeout => "it did not answer in 5 s".to_owned(),
        ConnectionError::ConnectionRefused(code) => format!("it refused the sign-in: {code:?}"),
        ConnectionError::Io(cause) => cause.to_string(),
        ConnectionError::Tls(cause) => format!("no TLS connection: {cause}"),
        other => match too_big(other) {
            Some(bytes) => format!("it sent {bytes} bytes at once, more than are read"),
            None => other.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use rumqttc::{Publish, QoS};

    use super::*;

    #[test]
    fn a_long_message_does_not_lie_in_memory_until_its_turn() {
        for (bytes, kept) in [
            (PAYLOAD_MAX, PAYLOAD_MAX),
            (PAYLOAD_MAX + 1, PAYLOAD_MAX + 1),
            (PAYLOAD_MAX + 2, PAYLOAD_MAX + 1),
            (PACKET_MAX - 100, PAYLOAD_MAX + 1),
        ] {
            let film = Publish::new("z/bridge/devices", QoS::AtLeastOnce, vec![b'x'; bytes]);
            let event = cut(Event::Incoming(Packet::Publish(film)));
            let Event::Incoming(Packet::Publish(publish)) = event else { panic!("{event:?}") };
            assert_eq!(publish.payload.len(), kept);
        }
    }
}
