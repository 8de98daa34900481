//! What the built-in broker asks of us at each step: who is this, may they, and is it on disk.
//!
//! rmqtt sends PUBACK when the hook `MessagePublishCheckAcl` has allowed a publish, and it is the
//! last hook it awaits; so the reach check and the hand-over to the desk both stand there. A message
//! is refused only together with its connection: on MQTT 3.1.1 rmqtt answers a plain refusal with a
//! PUBACK, which would tell a button that its press is safe. Wills do not pass that hook: their topic
//! is checked at sign-in, and they are handed over in `MessagePublish`. A session belongs to the
//! account that made it, because taking one over also takes its subscriptions. Nobody is made a
//! superuser: rmqtt would skip these hooks for them. What the hub itself publishes passes none of
//! them.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use rmqtt::codec::v5::{PublishAckReason, SubscribeAckReason};
use rmqtt::context::ServerContext;
use rmqtt::hook::{Handler, HookResult, Parameter, ReturnType, Type};
use rmqtt::session::Session;
use rmqtt::types::{
    AuthResult, ConnectInfo, FromType, Id, LastWill, Publish, PublishAclResult, PublishResult, QoS,
    Subscribe, SubscribeAclResult,
};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tracing::{debug, info, warn};

use super::accounts::Accounts;
use super::broker_counts::Counters;
use super::broker_door::{Guests, Visitor};
use super::broker_tls::Named;
use crate::terms::{At, Inbound, LinkId, Receipt, Verdict};

/// What rmqtt's traits want to be given back.
pub(super) type Later<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// What happened to a client's session, for a desk that sends current stages again: the broker's
/// sessions live in memory and a queued command may be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionNews {
    /// A client signed in. Commands reach it now only if it came back to a kept session.
    Opened {
        /// The account's name.
        account: Arc<str>,
        /// The MQTT client id.
        client_id: Arc<str>,
    },
    /// A client's subscription stands: from here on commands under `filter` reach it.
    Listening {
        /// The account's name.
        account: Arc<str>,
        /// The MQTT client id.
        client_id: Arc<str>,
        /// What it listens to, wholly inside the account's reach.
        filter: Arc<str>,
    },
}

/// Most different complaints that are remembered, so that each is logged once; the counts go on. Own
/// choice: more than a technician reads.
const COMPLAINTS_MAX: usize = 64;
/// Longest text in a complaint, in characters: a stranger chooses what it says.
const COMPLAINT_TEXT_MAX: usize = 128;

/// What is wrong with a client, once per account until it is put right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Complaint {
    Password,
    Session,
    Will,
    Publish,
    Subscribe,
}

/// Everything the hooks need.
pub(super) struct Hearth {
    pub(super) link: LinkId,
    pub(super) accounts: RwLock<Arc<Accounts>>,
    pub(super) inbox: mpsc::Sender<Inbound>,
    pub(super) sessions: mpsc::Sender<SessionNews>,
    pub(super) now: Box<dyn Fn() -> At + Send + Sync>,
    pub(super) receipt_wait: Duration,
    pub(super) guests: Guests,
    pub(super) counts: Arc<Counters>,
    /// Publishes whose receipt is awaited.
    pub(super) awaited: watch::Sender<usize>,
    /// Set once at the stop: nothing is heard any more.
    pub(super) deaf: AtomicBool,
    pub(super) complaints: Mutex<BTreeSet<(String, Complaint)>>,
    /// rmqtt's side, which holds these hooks in turn: taken out at the end, so that both are freed.
    pub(super) context: Mutex<Option<ServerContext>>,
}

/// The hooks in use.
pub(super) const HOOKS: [Type; 6] = [
    Type::ClientAuthenticate,
    Type::ClientConnected,
    Type::ClientSubscribeCheckAcl,
    Type::SessionSubscribed,
    Type::MessagePublish,
    Type::MessagePublishCheckAcl,
];

/// One hook's view of the [`Hearth`].
pub(super) struct Hook(pub(super) Arc<Hearth>);

impl Handler for Hook {
    fn hook<'s, 'p, 'f>(
        &'s self,
        asked: &'p Parameter<'_>,
        before: Option<HookResult>,
    ) -> Later<'f, ReturnType>
    where
        's: 'f,
        'p: 'f,
        Self: 'f,
    {
        let asked: &'p Parameter<'p> = asked;
        Box::pin(async move {
            let hearth = &*self.0;
            let answer = match asked {
                Parameter::ClientAuthenticate(connect) => {
                    Some(HookResult::AuthResult(hearth.sign_in(connect).await))
                }
                Parameter::ClientConnected(session) => {
                    hearth.tell(SessionNews::Opened {
                        account: session.id.username_ref().into(),
                        client_id: (&*session.id.client_id).into(),
                    });
                    before
                }
                Parameter::ClientSubscribeCheckAcl(session, wish) => {
                    Some(HookResult::SubscribeAclResult(hearth.listens(session, wish)))
                }
                Parameter::SessionSubscribed(session, standing) => {
                    hearth.tell(SessionNews::Listening {
                        account: session.id.username_ref().into(),
                        client_id: (&*session.id.client_id).into(),
                        filter: (&*standing.topic_filter).into(),
                    });
                    before
                }
                Parameter::MessagePublish(_, from, will)
                    if matches!(from.typ(), FromType::LastWill) =>
                {
                    hearth.heard_will(will).await;
                    before
                }
                Parameter::MessagePublishCheckAcl(session, publish) => {
                    Some(HookResult::PublishAclResult(hearth.heard(session, publish).await))
                }
                _ => before,
            };
            (true, answer)
        })
    }
}

/// Counts one awaited receipt for as long as it lives.
struct Awaited<'h>(&'h watch::Sender<usize>);

impl<'h> Awaited<'h> {
    fn new(awaited: &'h watch::Sender<usize>) -> Self {
        awaited.send_modify(|count| *count += 1);
        Self(awaited)
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

impl Hearth {
    async fn sign_in(&self, connect: &ConnectInfo) -> AuthResult {
        let Some(Visitor { peer, named }) = self.visitor(connect) else {
            self.counts.strangers.one();
            warn!("a connection came round the broker's door and was refused");
            return AuthResult::NotAuthorized;
        };
        let name = connect.username().map(|name| &**name).unwrap_or_default();
        let password = connect.password().map(|word| &**word).unwrap_or_default();
        let admitted = match &named {
            None => self.accounts().admit(name, password),
            // A certificate takes the password's place, for the account it names and no other.
            Some(Named::Account(own)) if **own == *name => self.accounts().known(name),
            Some(Named::Account(_) | Named::Nobody) => None,
        };
        let Some(account) = admitted else {
            self.counts.strangers.one();
            self.complain(name, Complaint::Password, &peer.to_string());
            return AuthResult::BadUsernameOrPassword;
        };
        if !self.owns_session(&account, connect.id()).await {
            self.counts.strangers.one();
            self.complain(name, Complaint::Session, &connect.id().client_id);
            return AuthResult::NotAuthorized;
        }
        let will = connect.last_will().map(|will| match will {
            LastWill::V3(will) => &*will.topic,
            LastWill::V5(will) => &*will.topic,
        });
        if let Some(topic) = will.filter(|topic| !self.accounts().may_publish(&account, topic)) {
            self.counts.foreign_topics.one();
            self.complain(name, Complaint::Will, topic);
            return AuthResult::NotAuthorized;
        }
        self.complaints().remove(&(name.to_owned(), Complaint::Password));
        AuthResult::Allow(false, None)
    }

    fn complaints(&self) -> MutexGuard<'_, BTreeSet<(String, Complaint)>> {
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs a refusal when it begins, not each time it is repeated.
    fn complain(&self, account: &str, complaint: Complaint, about: &str) {
        let short = |text: &str| text.chars().take(COMPLAINT_TEXT_MAX).collect::<String>();
        let account = short(account);
        let mut known = self.complaints();
        if known.len() < COMPLAINTS_MAX && known.insert((account.clone(), complaint)) {
            info!(account, ?complaint, about = short(about), "the broker refuses a client");
        }
    }

    /// The accounts as they stand now.
    pub(super) fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.accounts.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other accounts from now on; whose sessions cannot go on.
    pub(super) fn renew_accounts(&self, next: Accounts) -> BTreeSet<Arc<str>> {
        let mut accounts = self.accounts.write().unwrap_or_else(PoisonError::into_inner);
        let ended = accounts.ended_by(&next);
        *accounts = Arc::new(next);
        drop(accounts);
        // What was refused before may be right now, and is worth a word if it is not.
        self.complaints().clear();
        ended
    }

    /// Closes every session of these accounts, kept ones included, with their subscriptions.
    pub(super) async fn close_sessions(&self, accounts: BTreeSet<Arc<str>>) {
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(context) = context else { return };
        let shared = context.extends.shared().await;
        let of = |session: &Session| accounts.contains(session.id.username_ref());
        let ended: Vec<Id> = shared
            .iter()
            .filter(|entry| entry.session().is_some_and(|s| of(&s)))
            .map(|entry| entry.id())
            .collect();
        for id in ended {
            let closed = match shared.entry(id.clone()).try_lock().await {
                Ok(mut entry) => entry.kick(true, true, true).await.map(drop),
                Err(cause) => Err(cause),
            };
            match closed {
                Ok(()) => info!(account = id.username_ref(), "its account is gone: session closed"),
                Err(cause) => warn!(%cause, "a session outlives its account: it can say nothing"),
            }
        }
    }

    fn visitor(&self, connect: &ConnectInfo) -> Option<Visitor> {
        let guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.get(&connect.ipaddress()?).cloned()
    }

    async fn owns_session(&self, account: &str, id: &Id) -> bool {
        let context = self.context.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(context) = context else { return false };
        let session = context.extends.shared().await.entry(id.clone()).session();
        session.is_none_or(|session| session.id.username_ref() == account)
    }

    fn tell(&self, news: SessionNews) {
        if self.sessions.try_send(news).is_err() {
            self.counts.unheard_sessions.one();
        }
    }

    fn listens(&self, session: &Session, wish: &Subscribe) -> SubscribeAclResult {
        let account = session.id.username_ref();
        if self.accounts().may_subscribe(account, &wish.topic_filter) {
            return SubscribeAclResult::new_success(wish.opts.qos(), None);
        }
        self.counts.foreign_filters.one();
        self.complain(account, Complaint::Subscribe, &wish.topic_filter);
        SubscribeAclResult::new_failure(SubscribeAckReason::NotAuthorized)
    }

    async fn heard(&self, session: &Session, publish: &Publish) -> PublishAclResult {
        let account = session.id.username_ref();
        if !self.accounts().may_publish(account, &publish.topic) {
            self.counts.foreign_topics.one();
            self.complain(account, Complaint::Publish, &publish.topic);
            return PublishAclResult::rejected(true, None);
        }
        if matches!(publish.qos, QoS::AtMostOnce) {
            if self.is_deaf() || self.inbox.try_send(self.inbound(publish, None)).is_err() {
                self.counts.dropped.one();
            }
            return PublishAclResult::allow();
        }
        if self.is_stored(publish).await {
            self.counts.stored.one();
            return PublishAclResult::allow();
        }
        self.counts.unstored.one();
        debug!(account, topic = &*publish.topic, "not stored, so not acknowledged");
        let reason = Some("not stored, send it again".into());
        PublishAclResult(PublishResult::reason_code(
            PublishAckReason::UnspecifiedError,
            reason,
            true,
        ))
    }

    /// Hands over and waits for the receipt, both together at most `receipt_wait`.
    async fn is_stored(&self, publish: &Publish) -> bool {
        if self.is_deaf() {
            return false;
        }
        let _awaited = Awaited::new(&self.awaited);
        let (said, verdict) = oneshot::channel();
        let inbound = self.inbound(publish, Some(said));
        let answer = async {
            self.inbox.send(inbound).await.ok()?;
            verdict.await.ok()
        };
        let said = timeout(self.receipt_wait, answer).await;
        matches!(said, Ok(Some(Verdict::Stored | Verdict::Unread)))
    }

    async fn heard_will(&self, will: &Publish) {
        if self.is_deaf() {
            return;
        }
        let handed = timeout(self.receipt_wait, self.inbox.send(self.inbound(will, None))).await;
        if !matches!(handed, Ok(Ok(()))) {
            self.counts.dropped.one();
        }
    }

    fn inbound(&self, publish: &Publish, said: Option<oneshot::Sender<Verdict>>) -> Inbound {
        let receipt = said.map_or_else(Receipt::unasked, |said| {
            Receipt::new(move |verdict| {
                // Nobody listens any more when the wait is over: the sender repeats.
                let _too_late = said.send(verdict);
            })
        });
        Inbound {
            link: self.link.clone(),
            topic: (&*publish.topic).into(),
            // A publish with the retain flag is said now; kept copies go only to subscribers.
            retained: false,
            received: (self.now)(),
            bytes: publish.payload.to_vec(),
            receipt,
        }
    }

    /// Hands rmqtt's side out, once.
    pub(super) fn part(&self) -> Option<ServerContext> {
        self.context.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn is_deaf(&self) -> bool {
        self.deaf.load(Ordering::Acquire)
    }
}
