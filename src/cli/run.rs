//! `anling run`: the daemon, as a checklist.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::loading::{self, Loaded};
use super::log::Lines;
use super::reload::{Source, reload};
use super::{Dirs, Failure, Outcome};
use crate::clock::Vouch;
use crate::config::accepted;
use crate::desk::{self, DeskError, Options};
use crate::exit;
use crate::journal::JournalError;

/// The log as long as `ANLING_LOG` does not ask for another: the broker's library prints whole
/// packets below `warn`.
const LOG: &str = "info,rmqtt=warn,rmqtt_net=warn,rmqtt_codec=warn,rmqtt_utils=warn";
/// Threads for the desk, carriers and pages. Own choice: the desk is one task, and an edge box has
/// two to four cores.
const WORKERS: usize = 2;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Trust this machine's wall clock: the host keeps it (a container, a test bench)
    #[arg(long)]
    host_clock: bool,
}

pub(super) fn run(dirs: Dirs<'_>, args: &Args) -> Outcome {
    let Loaded { settings, files, secrets, state_dir, old } = loading::load_or_accepted(dirs)?;
    let log = start_log();
    if old {
        let dir = dirs.config.display();
        tracing::warn!(
            "the config in {dir} cannot be used: running on the last accepted one; \
             run `anling check --config {dir}`"
        );
    }
    if !old && let Err(why) = accepted::save(&state_dir, &files) {
        tracing::warn!(%why, "a later start with a broken config has nothing to fall back on");
    }
    let vouch = match (args.host_clock, settings.gateway.battery_clock) {
        (true, _) => Vouch::Host,
        (false, true) => Vouch::BatteryClock,
        (false, false) => Vouch::Kernel,
    };
    let source = Source { dir: dirs.config.to_owned(), state_dir: state_dir.clone() };
    let options = Options { settings, secrets, state_dir, old_config: old, vouch };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| Failure::of(exit::BUG, &error))?;
    let ended = runtime.block_on(serve(options, source));
    runtime.shutdown_background();
    // Before what is said about the end.
    log.iter().for_each(Lines::end);
    ended
}

async fn serve(options: Options, source: Source) -> Outcome {
    let Signals { mut term, mut int, mut hup } = signals()?;
    let mut house = desk::start(options).await.map_err(|error| failed(&error))?;
    loop {
        tokio::select! {
            error = house.ended() => return Err(failed(&error)),
            _ = term.recv() => break,
            _ = int.recv() => break,
            _ = hup.recv() => {}
        }
        tokio::select! {
            () = reload(&house, &source) => {}
            _ = term.recv() => break,
            _ = int.recv() => break,
        }
    }
    tokio::select! {
        stopped = house.stop() => stopped.map_err(|error| failed(&error)),
        _ = term.recv() => Err(insisted()),
        _ = int.recv() => Err(insisted()),
    }
}

struct Signals {
    term: Signal,
    int: Signal,
    hup: Signal,
}

fn signals() -> Result<Signals, Failure> {
    let of = |kind| signal(kind).map_err(|error| Failure::of(exit::BUG, &error));
    let (term, int) = (of(SignalKind::terminate())?, of(SignalKind::interrupt())?);
    Ok(Signals { term, int, hup: of(SignalKind::hangup())? })
}

/// A second signal: everything acknowledged is on disk, so leaving now is an ordinary crash.
fn insisted() -> Failure {
    Failure::new(exit::OK, "stopped at once; the next start goes on from the record")
}

pub(super) fn failed(error: &DeskError) -> Failure {
    let code = match error {
        DeskError::Journal(JournalError::Gone)
        | DeskError::OutOfStep { .. }
        | DeskError::Ended
        | DeskError::Thread(_) => exit::BUG,
        DeskError::Journal(_) | DeskError::DiskHangs => exit::STORAGE,
        DeskError::Link(_) => exit::CONFIG,
    };
    Failure::of(code, error)
}

/// Begins the log; none where the system gives no thread for it, and then there is no log.
pub(super) fn start_log() -> Option<Lines> {
    let filter = EnvFilter::try_from_env("ANLING_LOG").unwrap_or_else(|_| EnvFilter::new(LOG));
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr())
        && std::env::var_os("NO_COLOR").is_none();
    let lines = Lines::to(std::io::stderr()).ok()?;
    let written = lines.clone();
    // A second start in one process keeps the first log.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || written.clone())
        .with_ansi(colour)
        .with_target(false)
        .try_init();
    Some(lines)
}
