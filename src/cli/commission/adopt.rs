//! Registering devices that were heard and that nobody had registered.

use std::collections::BTreeSet;

use super::super::loading::{ask, odd_answer};
use super::super::{Dirs, Failure, Outcome, print_text};
use super::{Args, answered, registry};
use crate::counter::{Ask, Import, Reply, StrangerView};
use crate::exit;
use crate::registry::csv::Table;
use crate::registry::{Brought, Change, Device, Row, Wanted, judge};
use crate::terms::{DeviceId, HomeId, ResidentId, Wait, plain};

/// How often the list of those that were heard is looked at.
const LOOK_EVERY: Wait = Wait::secs(1);

/// A device that is to be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Adoption {
    heard_as: String,
    id: DeviceId,
    type_name: String,
    spot: String,
    resident: Option<ResidentId>,
}

impl Adoption {
    /// The name it is heard under.
    pub(super) fn heard_as(&self) -> &str {
        &self.heard_as
    }
}

/// `HEARD_AS=ID,TYPE[,SPOT[,RESIDENT]]`.
pub(in crate::cli) fn parsed(text: &str) -> Result<Adoption, String> {
    let form = "write it as HEARD_AS=ID,TYPE, and if wanted ,SPOT and ,RESIDENT";
    // An address may hold an equals sign; an id may not hold one that a row could not.
    let (heard_as, row) = text.rsplit_once('=').ok_or(form)?;
    row_of(heard_as, row).map_err(|why| format!("{why}: {form}"))
}

fn row_of(heard_as: &str, row: &str) -> Result<Adoption, String> {
    let cells: Vec<&str> = row.split([',', '，']).map(str::trim).collect();
    let [id, type_name, rest @ ..] = cells.as_slice() else {
        return Err("an id and a type are missing".to_owned());
    };
    let (spot, resident) = match rest {
        [] => ("", ""),
        [spot] => (*spot, ""),
        [spot, resident] => (*spot, *resident),
        _ => return Err("there are too many commas".to_owned()),
    };
    let resident = match resident {
        "" => None,
        said => Some(ResidentId::new(said).map_err(|why| why.to_string())?),
    };
    Ok(Adoption {
        heard_as: heard_as.to_owned(),
        id: DeviceId::new(id).map_err(|why| why.to_string())?,
        type_name: (*type_name).to_owned(),
        spot: spot.to_owned(),
        resident,
    })
}

/// Registers what `--adopt` names, each once it is heard, and what the technician takes on the terminal
/// of those that are heard meanwhile.
pub(super) fn adopt(dirs: Dirs<'_>, home: &HomeId, args: &Args, asks: bool) -> Outcome {
    let mut wanted = args.adopt.clone();
    let mut passed_over: BTreeSet<String> = BTreeSet::new();
    let runtime = super::super::runtime()?;
    let mut left = args.join.unwrap_or(if wanted.is_empty() { Wait::ZERO } else { args.lasts });
    if args.join.is_some() || !wanted.is_empty() {
        print_text(
            "Press each new device once, so that it is heard. Nobody is called for those that --adopt \
             names; any other unknown device calls people.\n",
        )?;
    }
    loop {
        let Reply::Strangers(strangers) = ask(dirs, &Ask::Strangers)? else {
            return Err(odd_answer());
        };
        for stranger in &strangers {
            if let Some(at) = wanted.iter().position(|one| one.heard_as == stranger.heard_as) {
                register(dirs, home, &wanted.remove(at), stranger)?;
            } else if asks && passed_over.insert(stranger.heard_as.clone()) {
                ask_about(dirs, home, stranger)?;
            }
        }
        let waits = !wanted.is_empty() || (asks && args.join.is_some());
        if !waits || left == Wait::ZERO {
            break;
        }
        runtime.block_on(async { tokio::time::sleep(LOOK_EVERY.std()).await });
        left = Wait(left.0.saturating_sub(LOOK_EVERY.0));
    }
    match wanted.first() {
        None => Ok(()),
        Some(one) => {
            let says = format!(
                "{} was not heard: press it, look at its battery, and see `anling devices --heard`",
                one.heard_as
            );
            Err(Failure::new(exit::NOT_RIGHT, says))
        }
    }
}

/// What it is and what it last said.
fn shown(stranger: &StrangerView) -> String {
    let said = stranger.text.as_deref().or(stranger.hex.as_deref()).unwrap_or_default();
    format!(
        "heard on {}: {} {}, {}\n  {}\n",
        stranger.link,
        stranger.family,
        stranger.heard_as,
        plain(&stranger.meant),
        plain(said)
    )
}

fn ask_about(dirs: Dirs<'_>, home: &HomeId, stranger: &StrangerView) -> Outcome {
    print_text(&shown(stranger))?;
    loop {
        let row = answered("  register it here? ID,TYPE[,SPOT[,RESIDENT]], or nothing: ")?;
        if row.is_empty() {
            return Ok(());
        }
        let registered = row_of(&stranger.heard_as, &row)
            .map_err(|why| Failure::new(exit::USAGE, why))
            .and_then(|adoption| register(dirs, home, &adoption, stranger));
        match registered {
            Ok(()) => return Ok(()),
            Err(failure) => print_text(&format!("  {}\n", failure.says))?,
        }
    }
}

/// Has the row taken into the registry, as an import of one line.
fn register(
    dirs: Dirs<'_>,
    home: &HomeId,
    adoption: &Adoption,
    stranger: &StrangerView,
) -> Outcome {
    let view = registry(dirs)?;
    let refused = |says: String| Err(Failure::new(exit::NOT_RIGHT, says));
    let Adoption { id, type_name, spot, resident, heard_as } = adoption;
    let Some(kind) = view.types.get(type_name) else {
        let known: Vec<&str> = view.types.keys().map(String::as_str).collect();
        let known = known.join(", ");
        return refused(format!("devices.toml has no type {type_name}: use one of {known}"));
    };
    if kind.family.word() != stranger.family {
        let (speaks, family) = (&stranger.family, kind.family.word());
        return refused(format!("{heard_as} speaks {speaks}, and {type_name} is {family}"));
    }
    if view.registry.device(id).is_some() {
        return refused(format!("{id} is registered already: use another id, or `anling swap`"));
    }
    let row = Row::Device(Device {
        id: id.clone(),
        type_name: type_name.clone(),
        heard_as: if heard_as == id.as_str() { String::new() } else { heard_as.clone() },
        home: Some(home.clone()),
        resident: resident.clone(),
        spot: spot.clone(),
    });
    let table = Table::Devices;
    let columns = vec!["id", "type", "heard_as", "home", "resident", "spot"];
    let (rows, problems) = (vec![(1, row.clone())], Vec::new());
    let brought = Brought { table, columns, rows, problems };
    let wanted = Wanted { remove: false, skip_bad: false };
    let judged = judge(&view.registry, &view.types, vec![brought], wanted);
    if !judged.usable {
        let wrong: Vec<&str> = judged.problems.iter().map(|p| p.message.as_str()).collect();
        return refused(wrong.join("; "));
    }
    let import = Import { based_on: view.version, changes: vec![Change::Set(row)] };
    match ask(dirs, &Ask::Import(import))? {
        Reply::Imported(_) => print_text(&format!("{}  ✓ registered as {id}\n", shown(stranger))),
        _ => Err(odd_answer()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_to_be_registered_is_written_in_one_word() {
        let adoption = parsed("0x00158d0001=Z-07,zigbee-sos,卫生间,R0003").unwrap();
        assert_eq!((adoption.heard_as.as_str(), adoption.id.as_str()), ("0x00158d0001", "Z-07"));
        assert_eq!(adoption.type_name, "zigbee-sos");
        assert_eq!((adoption.spot.as_str(), adoption.resident.is_some()), ("卫生间", true));
        let plain = parsed("ab=cd=Z-07,zigbee-sos").unwrap();
        assert_eq!((plain.heard_as.as_str(), plain.spot.as_str()), ("ab=cd", ""));
        for bad in ["Z-07,zigbee-sos", "a=Z-07", "a=,t", "a=Z-07,t,s,r,x", "a=Z 7,t"] {
            assert!(parsed(bad).is_err(), "{bad}");
        }
    }
}
