//! A hub with a running broker and a desk that the test plays.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anling::link::accounts::{Account, Reach};
use anling::link::broker::{Broker, BrokerSettings, SessionNews};
use anling::terms::{At, DeviceId, HubId, Inbound, Secret, Wait};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// No step of these tests takes this long unless something hangs.
const HANG_GUARD: Duration = Duration::from_secs(60);

pub const B14_EVENT: &str = "anling/v1/hub1/B-14/event";
pub const B14_STATUS: &str = "anling/v1/hub1/B-14/status";
pub const B14_CMD: &str = "anling/v1/hub1/B-14/cmd";
pub const B15_EVENT: &str = "anling/v1/hub1/B-15/event";
pub const B15_CMD: &str = "anling/v1/hub1/B-15/cmd";

pub struct House {
    pub broker: Broker,
    pub address: SocketAddr,
    pub inbox: mpsc::Receiver<Inbound>,
    pub sessions: mpsc::Receiver<SessionNews>,
}

/// Fails with a sentence instead of hanging.
pub async fn soon<T>(what: &str, waited: impl Future<Output = T>) -> T {
    match timeout(HANG_GUARD, waited).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not happen in {HANG_GUARD:?}"),
    }
}

pub fn settings(port: u16) -> BrokerSettings {
    let device = |id: &str| Reach::Device(DeviceId::new(id).unwrap());
    let bridge = || Reach::Bridge {
        publish: vec!["zigbee2mqtt/#".into()],
        subscribe: vec!["zigbee2mqtt/#".into()],
    };
    let account = |name: &str, reach| Account {
        name: name.into(),
        password: Secret::new(format!("{name}-password")),
        reach,
    };
    let accounts = vec![
        account("b14", device("B-14")),
        account("b15", device("B-15")),
        account("z2m", bridge()),
        account("press", Reach::Press),
    ];
    BrokerSettings::new(([127, 0, 0, 1], port).into(), HubId::new("hub1").unwrap(), accounts)
}

impl House {
    pub async fn open() -> Self {
        Self::with(settings(0), 64).await
    }

    pub async fn with(settings: BrokerSettings, room: usize) -> Self {
        let (to_desk, inbox) = mpsc::channel(room);
        let (to_sessions, sessions) = mpsc::channel(4_096);
        let ticks = AtomicU64::new(0);
        let now = move || At(ticks.fetch_add(1, Ordering::Relaxed));
        let (broker, address) = Broker::start(settings, to_desk, now, to_sessions).await.unwrap();
        Self { broker, address, inbox, sessions }
    }

    pub async fn heard(&mut self) -> Inbound {
        soon("a message for the desk", self.inbox.recv()).await.unwrap()
    }

    pub async fn listening(&mut self, wanted: &str) {
        loop {
            let news = soon("a subscription", self.sessions.recv()).await.unwrap();
            if matches!(&news, SessionNews::Listening { filter, .. } if &**filter == wanted) {
                return;
            }
        }
    }

    /// A desk that stores everything at once, and says what it heard.
    pub fn store_all(&mut self) -> mpsc::UnboundedReceiver<(String, Vec<u8>)> {
        let (_, empty) = mpsc::channel(1);
        let mut inbox = std::mem::replace(&mut self.inbox, empty);
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(inbound) = inbox.recv().await {
                let _ = tell.send((inbound.topic.to_string(), inbound.bytes));
                inbound.receipt.stored();
            }
        });
        told
    }

    pub async fn close(self) {
        soon("the stop", self.broker.stop(Wait::secs(5))).await;
    }
}
