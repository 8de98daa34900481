//! What happened on the built-in broker, as numbers that only grow.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Counts since the broker's start. Every refusal and every loss has one.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct BrokerCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(super) struct Counters {
            $(pub(super) $name: Count,)*
        }

        impl Counters {
            pub(super) fn read(&self) -> BrokerCounts {
                BrokerCounts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counts! {
    /// Messages acknowledged after their receipt said stored.
    stored,
    /// Messages not acknowledged: refused, held too long, or the inbox was full.
    unstored,
    /// QoS 0 messages and wills that found the inbox full and are lost.
    dropped,
    /// Publishes and wills to a topic outside the account's reach.
    foreign_topics,
    /// Subscriptions outside the account's reach.
    foreign_filters,
    /// Connections with a wrong name or password, or another account's client id.
    strangers,
    /// Connections that sent no whole CONNECT in time, or something else.
    mute,
    /// Connections closed because too many were waiting to sign in.
    pushed_out,
    /// Connections closed because the house was full.
    turned_away,
    /// Session news that found its channel full.
    unheard_sessions,
    /// Commands to devices that found the queue full.
    unsent,
    /// Retained messages that found the store full.
    unkept,
}

/// One number that only grows.
#[derive(Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
