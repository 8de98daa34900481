//! SIGHUP: the config directory is read anew. A good one is taken into use and kept for the next
//! start; a broken one changes nothing, and each of its problems is in the log.
//!
//! The service manager hears that a reload begins and when it is over, so that `systemctl reload`
//! returns when the hub has answered.

use std::path::PathBuf;

use sd_notify::NotifyState;
use tracing::{error, info, warn};

use super::difference::counted;
use crate::clock;
use crate::config::{self, Checked, Files, Problem, Secrets, Settings, Severity, accepted};
use crate::desk::House;

/// Problems of one reload that are logged each; the rest are counted. `check` shows all.
const LOGGED_MAX: usize = 50;

/// Where the config is read, and where the accepted set is kept.
pub(super) struct Source {
    pub(super) dir: PathBuf,
    pub(super) state_dir: PathBuf,
}

/// What the directory holds.
enum Read {
    Good { settings: Box<Settings>, files: Files, secrets: Secrets },
    Broken(Vec<Problem>),
}

/// Reads the directory and hands it to the hub.
pub(super) async fn reload(house: &House, source: &Source) {
    info!("the config is read anew");
    let began = NotifyState::MonotonicUsec(clock::monotonic_usec());
    let _ = sd_notify::notify(false, &[NotifyState::Reloading, began]);
    take(house, source).await;
    let _ = sd_notify::notify(false, &[NotifyState::Ready]);
}

async fn take(house: &House, source: &Source) {
    let (dir, state_dir) = (source.dir.clone(), source.state_dir.clone());
    let reading = tokio::task::spawn_blocking(move || {
        let files = config::read(&dir);
        let Checked { settings, problems, secrets: uses, confs } = config::check(&files);
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let secrets = Secrets::of(credentials, &state_dir, &dir);
        let mut found = secrets.check(&uses, &files);
        found.extend(config::look_at_brokers(&confs, &files));
        // A file that others can read stops a check; a running hub goes on without that one secret.
        found.iter().for_each(|problem| warn!("{}", config::one_line(problem)));
        match settings {
            Some(settings) => Read::Good { settings: Box::new(settings), files, secrets },
            None => Read::Broken(problems),
        }
    });
    match reading.await {
        Ok(Read::Broken(problems)) => refuse(house, source, &problems).await,
        Ok(Read::Good { settings, files, secrets }) => {
            if let Err(why) = house.reload(*settings, secrets).await {
                return error!(%why, "the hub did not answer: it may not have taken the config");
            }
            let state_dir = source.state_dir.clone();
            let kept =
                tokio::task::spawn_blocking(move || accepted::save(&state_dir, &files)).await;
            if let Ok(Err(why)) = kept {
                warn!(%why, "a later start with a broken config goes back to the former one");
            }
        }
        Err(why) => error!(%why, "the config could not be read: the old one goes on"),
    }
}

async fn refuse(house: &House, source: &Source, problems: &[Problem]) {
    let wrong: Vec<_> = problems.iter().filter(|p| p.severity == Severity::Problem).collect();
    for problem in wrong.iter().take(LOGGED_MAX) {
        error!("{}", config::one_line(problem));
    }
    let (problems, dir) = (counted(wrong.len(), "problem"), source.dir.display());
    error!(
        "the config in {dir} has {problems}: the old one goes on; \
         run `anling check --config {dir}`, then reload"
    );
    if let Err(why) = house.config_broken().await {
        error!(%why, "the hub did not answer");
    }
}
