//! Carries orders to people and the story to endpoints.
//!
//! - People: one [`post`] per carrier takes [`Letter`]s in two lanes, urgent before quiet, and says
//!   exactly once what became of each. [`mail`], [`sms`], [`voice`], [`screen`] and [`group`] (chat bots
//!   and push servers) are carriers; [`text`] is what they say, [`answers`] what is said back to a short
//!   message.
//! - Machines: one [`webhook`] task per endpoint takes events that [`cloud_event`] wrote, keeps the
//!   order within an incident, and repeats until the receiver has taken each or refused it for good.
//!   What an endpoint and the desk say to each other stands in [`endpoint`]; the district's platforms
//!   use the same words.
//!
//! This room may name `link`, because a modem is a wire: it brings answers in as much as it takes calls
//! out, and has one owner ([`crate::link::modem`]). Here stands what is sent over it, and in which order.
//!
//! Nothing here decides who is told what, and nothing here remembers: the desk owns what is owed and
//! hands it out again after a restart under the same name. So everything is sent at least once, and
//! a receiver throws repeats away by the event's id or the message's Message-ID. A slow or dead
//! receiver fills its own bounded queue and nobody else's. Chosen over one shared sender with
//! time limits, where a single hanging server delays every other for the length of its limit.

pub mod alert;
pub mod answers;
pub mod bot;
pub mod cloud_event;
mod contained;
mod dialect;
pub mod endpoint;
mod fit;
mod gate;
pub mod group;
mod lanes;
mod letter;
pub mod mail;
mod pace;
pub mod post;
mod relay;
pub mod rest;
pub mod screen;
pub mod sms;
pub mod spoken;
pub mod text;
pub mod voice;
pub mod webhook;
pub mod wire;
pub mod witness;
mod wording;

pub use letter::{Addressee, Closing, Letter, Named, Site, Still};
