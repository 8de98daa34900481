//! `anling demo`: the whole story on one machine with nothing installed: a real hub with its own
//! ladder of 2 s steps, a pretended button over its own broker and another over a pseudo-terminal
//! serial line, the messages as staff see them, the district's copy. Every step is looked for where a user would see it, so `--once` ends with 0
//! only if the story was really told.

mod district;
mod house;
mod radio;
mod receiver;
mod story;

use std::path::PathBuf;

use super::{Failure, Outcome, print_text};
use crate::desk;
use crate::exit;

use district::District;
use house::DemoHouse;
use receiver::Receiver;
use story::Story;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Play it through once; the exit code says whether every step was seen
    #[arg(long)]
    once: bool,
    /// Keep the hub's files here in place of a temporary directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Threads of the demo: the hub's two.
const WORKERS: usize = 2;

pub(super) fn demo(args: &Args) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::of(exit::BUG, &error))?;
    let outcome = runtime.block_on(tell(args));
    runtime.shutdown_background();
    outcome
}

async fn tell(args: &Args) -> Outcome {
    let broken = |error: std::io::Error| Failure::of(exit::STORAGE, &error);
    let district = District::open().await.map_err(broken)?;
    let demo = DemoHouse::lay(args.dir.as_deref(), district.address()).map_err(broken)?;
    let mut receiver = Receiver::plug(&demo.line()).map_err(broken)?;
    let options = demo.options()?;
    let hub = options.settings.gateway.hub.clone();
    let house = desk::start(options).await.map_err(|error| super::run::failed(&error))?;
    let mut story = Story::new(&demo, &district, &house, hub);
    let told = story.tell(&mut receiver).await;
    print_text(&story.verdict())?;
    if args.once || told.is_err() {
        house.stop().await.map_err(|error| super::run::failed(&error))?;
        story.closing()?;
        drop(demo);
        return told;
    }
    print_text(&demo.invitation(house.console))?;
    tokio::select! {
        // Without a signal handler there is nothing left to wait for.
        _ = tokio::signal::ctrl_c() => {}
        Err(error) = receiver.stay() => return Err(broken(error)),
    }
    house.stop().await.map_err(|error| super::run::failed(&error))
}
