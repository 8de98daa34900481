//! The ways out, against real servers: mail through a real SMTP dialogue, webhooks over real
//! connections to a receiver that can misbehave, the screen on real files and pipes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on stops"
)]

#[path = "notify/alerts.rs"]
mod alerts;
#[path = "notify/bots.rs"]
mod bots;
#[path = "notify/district.rs"]
mod district;
#[path = "notify/letters.rs"]
mod letters;
#[path = "notify/mail.rs"]
mod mail;
#[path = "notify/mta.rs"]
mod mta;
#[path = "notify/post.rs"]
mod post;
#[path = "notify/receiver.rs"]
mod receiver;
#[path = "notify/screen.rs"]
mod screen;
#[path = "notify/webhook.rs"]
mod webhook;
#[path = "notify/webhook_speed.rs"]
mod webhook_speed;
