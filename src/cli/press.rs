//! `anling press`: pretend to be a device, and wait until the hub says `stored`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::time::Duration;

use super::button::{ANSWER_WITHIN, Button, ButtonError, Heard};
use super::loading::{self, Loaded};
use super::{Dirs, Failure, Outcome, print_text, remark};
use crate::clock::{Clock, Stopwatch, Vouch};
use crate::config::settings::Reach;
use crate::counter::{Ask, Reply};
use crate::terms::{DeviceId, FeedbackStage, Mark, Secret};
use crate::{contract, exit};

/// Most presses of one command; a test bench has its own generator.
const COUNT_MAX: i64 = 100_000;
/// Most devices one command pretends to be: a broker's limit of subscriptions for one client.
const DEVICES_MAX: i64 = 250;
/// How many presses may be unanswered at once.
const WINDOW: usize = 64;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The device's id; with --from-devices the beginning of many: B gives B-1, B-2, …
    device: String,
    /// What it says: sos, service, cancel, fall, smoke, gas, co, water, …
    #[arg(long, default_value = "sos")]
    kind: String,
    /// How many presses; without it one from each device
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=COUNT_MAX))]
    count: Option<u32>,
    /// From how many devices, one after the other
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=DEVICES_MAX))]
    from_devices: Option<u32>,
    /// Presses a second; without it as fast as they are answered
    #[arg(long, value_parser = rate)]
    rate: Option<f64>,
    /// The broker, HOST:PORT, in place of the hub's own
    #[arg(long)]
    broker: Option<String>,
}

/// Presses a second, from one in a quarter of an hour to what a broker takes.
fn rate(text: &str) -> Result<f64, String> {
    let wrong = || "write presses a second, from 0.001 to 100000".to_owned();
    let rate: f64 = text.parse().map_err(|_| wrong())?;
    (0.001..=100_000.0).contains(&rate).then_some(rate).ok_or_else(wrong)
}

impl Args {
    /// How many presses: at least one from each device.
    fn count(&self) -> Result<u32, Failure> {
        let devices = self.from_devices.unwrap_or(1);
        let count = self.count.unwrap_or(devices);
        if count >= devices {
            return Ok(count);
        }
        let idle = devices - count;
        let says = format!("--count {count} leaves {idle} of {devices} devices without a press");
        Err(Failure::new(exit::USAGE, format!("{says}: raise it or lower --from-devices")))
    }

    /// The devices it pretends to be, each one that a topic can carry.
    fn devices(&self) -> Result<Vec<DeviceId>, Failure> {
        let names = match self.from_devices {
            None => vec![self.device.clone()],
            Some(many) => (1..=many).map(|n| format!("{}-{n}", self.device)).collect(),
        };
        let device = |name: String| {
            if name.contains('/') {
                let says = format!("{name} is no device of the native contract: its id has no /");
                return Err(Failure::new(exit::USAGE, says));
            }
            DeviceId::new(&name).map_err(|error| Failure::of(exit::USAGE, &error))
        };
        names.into_iter().map(device).collect()
    }
}

pub(super) fn press(dirs: Dirs<'_>, args: &Args) -> Outcome {
    if !contract::kinds().any(|kind| kind == args.kind) {
        let kinds: Vec<&str> = contract::kinds().collect();
        let says = format!("no device says {}: choose one of {}", args.kind, kinds.join(", "));
        return Err(Failure::new(exit::USAGE, says));
    }
    let count = args.count()?;
    let devices = args.devices()?;
    let loaded = loading::load_or_accepted(dirs)?;
    let broker = broker_address(dirs, args, &loaded)?;
    let (user, password) = local_account(&loaded)?;
    let unknown = unknown_to_hub(dirs, &devices);
    let hub = loaded.settings.gateway.hub.clone();
    super::runtime()?.block_on(async {
        let connected = Button::connect(broker, &hub, &user, &password, &devices).await;
        let mut button = connected.map_err(|error| Failure::of(exit::UNREACHABLE, &error))?;
        if let Some(says) = unknown {
            remark(&says);
        }
        all(&mut button, &devices, count, args).await
    })
}

/// What to say about devices that stand in no registry, if the hub answers at all: they page all the
/// same, but nobody would know where to run.
fn unknown_to_hub(dirs: Dirs<'_>, devices: &[DeviceId]) -> Option<String> {
    let asked = Ask::Unregistered { heard_as: devices.to_vec() };
    let Ok(Reply::Unregistered(unknown)) = loading::ask(dirs, &asked) else { return None };
    let (first, more) = unknown.split_first()?;
    let who = match more.len() {
        0 => first.to_string(),
        more => format!("{first} and {more} more"),
    };
    Some(format!("the hub does not know {who}: this pages all the same, without a home to go to"))
}

fn broker_address(dirs: Dirs<'_>, args: &Args, loaded: &Loaded) -> Result<SocketAddr, Failure> {
    if let Some(named) = &args.broker {
        let resolved = named.to_socket_addrs().ok().and_then(|mut all| all.next());
        return resolved.ok_or_else(|| {
            Failure::new(exit::USAGE, format!("{named} is no address: write HOST:PORT"))
        });
    }
    let Some(configured) = &loaded.settings.broker else {
        return Err(Failure::new(exit::CONFIG, "links.toml has no broker: name one with --broker"));
    };
    let mut address = configured.listen;
    if address.port() == 0
        && let Reply::Status(status) = loading::ask(dirs, &Ask::Status)?
        && let Some(known) = status.broker.and_then(|known| known.parse::<SocketAddr>().ok())
    {
        address = known;
    }
    if address.ip().is_unspecified() {
        address.set_ip([127, 0, 0, 1].into());
    }
    Ok(address)
}

fn local_account(loaded: &Loaded) -> Result<(String, Secret), Failure> {
    let mut accounts = loaded.settings.broker.iter().flat_map(|broker| &broker.accounts);
    let Some(account) = accounts.find(|account| account.reach == Reach::Local) else {
        let says = "links.toml has no account with `local = true`: add one for `anling press`";
        return Err(Failure::new(exit::CONFIG, says));
    };
    match loaded.secrets.find(&account.secret) {
        Ok(password) => Ok((account.name.clone(), password)),
        Err(error) => Err(Failure::of(exit::CONFIG, &error)),
    }
}

/// Presses all, at most [`WINDOW`] unanswered, and says how long `stored` took.
async fn all(button: &mut Button, devices: &[DeviceId], count: u32, args: &Args) -> Outcome {
    let boot = boot_mark();
    let gap = args.rate.map(|rate| Duration::from_secs_f64(1.0 / rate));
    let began = Stopwatch::start();
    let mut waiting: BTreeMap<u32, Stopwatch> = BTreeMap::new();
    let mut took: Vec<Duration> = Vec::new();
    // Told a later stage at once, as for a call that somebody has accepted: that says `stored` only
    // together with the broker's acknowledgement, because it is also said while the disk fails.
    let mut further: BTreeSet<u32> = BTreeSet::new();
    let (mut sent, mut acknowledged) = (0, 0);
    while took.len() < count as usize {
        let due = gap.is_none_or(|gap| began.elapsed() >= gap * sent);
        if sent < count && waiting.len() < WINDOW && due {
            let device = &devices[sent as usize % devices.len()];
            sent += 1;
            waiting.insert(sent, Stopwatch::start());
            button.press(device.as_str(), &args.kind, Mark { boot, seq: sent });
            continue;
        }
        let next = gap.filter(|_| sent < count).map(|gap| gap * sent);
        let patience = next.map_or(ANSWER_WITHIN, |at| at.saturating_sub(began.elapsed()));
        match button.hear(patience).await {
            Ok(Heard::Stage { mark: Some(mark), stage }) if mark.boot == boot => {
                if stage == FeedbackStage::Stored {
                    took.extend(waiting.remove(&mark.seq).map(|since| since.elapsed()));
                } else {
                    further.insert(mark.seq);
                }
            }
            Ok(Heard::Stage { .. }) => {}
            Ok(Heard::Acknowledged) => acknowledged += 1,
            Err(ButtonError::Silent)
                if next.is_some()
                    && waiting.values().all(|since| since.elapsed() < ANSWER_WITHIN) => {}
            Err(error) => {
                let says = format!("{} of {count} stored; {error}", took.len());
                return Err(Failure::new(exit::NOT_RIGHT, says));
            }
        }
        if acknowledged >= sent {
            let stored = std::mem::take(&mut further).into_iter();
            took.extend(stored.filter_map(|seq| waiting.remove(&seq)).map(|since| since.elapsed()));
        }
    }
    print_text(&summary(&mut took, args))
}

fn summary(took: &mut [Duration], args: &Args) -> String {
    took.sort_unstable();
    let ms = |d: &Duration| format!("{:.1} ms", d.as_secs_f64() * 1000.0);
    match &*took {
        [one] => format!("{} {} stored after {}\n", args.device, args.kind, ms(one)),
        many => {
            let at = |percent: usize| ms(&many[(many.len() - 1) * percent / 100]);
            let count = many.len();
            let (half, most, all) = (at(50), at(99), at(100));
            format!("{count} presses stored: median {half}, 99 % within {most}, longest {all}\n")
        }
    }
}

/// A boot mark no press of the last seven weeks used: the wall clock's milliseconds, as far as they
/// fit.
pub(super) fn boot_mark() -> u32 {
    let (clock, _) = Clock::resume(None, Vouch::Host);
    u32::try_from(clock.wall().wall.0.rem_euclid(1 << 32)).unwrap_or_default()
}
