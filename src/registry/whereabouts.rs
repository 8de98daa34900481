//! Where to run and whom to look for, in the words that stand in a message.
//!
//! The answer is never empty, whatever the rows leave out, because somebody has to go: first the
//! home's own words and the spot in it; then the home's id, which staff can read (H-3-2-501) even
//! where its row is missing; then the spot alone with the device's name; and only when nothing says
//! where, the screen in the duty room, which shows what was heard and when. The device's own home
//! goes before its resident's: it hangs where it hangs. Chosen over refusing rows with gaps: a
//! button whose home nobody typed in is still pressed by somebody.

use super::book::Registry;
use super::rows::{Device, Home, Resident};
use crate::terms::{DeviceId, HomeId, ResidentId, StationId};

/// Longest short place in UTF-16 units, as SMS counts them. Own choice: of a message's 70, what
/// presses, who presses and what to answer take 50 (the templates' measure).
pub const SHORT_MAX_UNITS: usize = 20;

/// Most names said in a row; a room with more beds says how many. Own choice.
pub const NAMES_MAX: usize = 3;

/// Oldest age that is said; a typing error in a year of birth beyond it is left out. Own choice,
/// above the oldest person on record (122).
pub const AGE_MAX: i16 = 125;

/// Where to go and whom to look for, in words, for one device. Never empty: see
/// [`Registry::whereabouts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whereabouts {
    /// The place in full: 3号楼2单元501卫生间.
    pub place: String,
    /// The shortest form: 3-2-501; 1 to [`SHORT_MAX_UNITS`] UTF-16 units.
    pub short: String,
    /// The residents it may be about: one, a couple, or none.
    pub residents: Vec<ResidentId>,
    /// The district's grid code; may be empty.
    pub grid: String,
    /// Whether it is in the centre's own building.
    pub on_site: bool,
    /// Whether any row says where; if none does, the place sends people to the duty room's screen.
    pub located: bool,
}

/// Whom it may be about, as a message says it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Named {
    /// 王桂芳; for a couple 王桂芳、李建国; empty when nobody is known by name.
    pub names: String,
    /// Age in years reached this calendar year, 0 to [`AGE_MAX`]; only where exactly one resident
    /// is meant and the year is known.
    pub age: Option<i16>,
}

impl Registry {
    /// Where to go for a device, whatever is missing; an unregistered device is answered as well.
    pub fn whereabouts(&self, id: &DeviceId) -> Whereabouts {
        let Some(device) = self.device(id) else { return nowhere(id) };
        let resident = device.resident.as_ref().and_then(|r| self.resident(r));
        let named = [device.home.as_ref(), resident.and_then(|r| r.home.as_ref())];
        let home = named.into_iter().flatten().find_map(|h| self.home(h));
        let home_id = home.map(|h| &h.id).or_else(|| named.into_iter().flatten().next());
        let (place, mut short) = words(device, home, home_id);
        if home_id.is_some_and(|home| self.tells_apart(device, home)) {
            short = with_spot(&short, device.spot.trim());
        }
        Whereabouts {
            located: home_id.is_some() || !device.spot.trim().is_empty(),
            place,
            short: cut(&short, SHORT_MAX_UNITS),
            residents: self.meant(resident, home_id),
            grid: home.map(|h| h.grid.clone()).unwrap_or_default(),
            on_site: home.is_some_and(|h| h.on_site),
        }
    }

    /// The same while a call is open: a device that was taken out of the registry since then was
    /// still pressed in that home, and somebody is on the way there.
    pub fn whereabouts_of_call(
        &self,
        id: &DeviceId,
        home: Option<&HomeId>,
        resident: Option<&ResidentId>,
    ) -> Whereabouts {
        let (None, Some(home_id)) = (self.device(id), home) else { return self.whereabouts(id) };
        let home = self.home(home_id);
        let (place, short) = home_words(home, home_id);
        Whereabouts {
            located: true,
            place: place.to_owned(),
            short: cut(short, SHORT_MAX_UNITS),
            residents: self.meant(resident.and_then(|r| self.resident(r)), Some(home_id)),
            grid: home.map(|h| h.grid.clone()).unwrap_or_default(),
            on_site: home.is_some_and(|h| h.on_site),
        }
    }

    /// The names behind whereabouts, and the age in `year` (None when the clock cannot be trusted).
    pub fn names_of(&self, at: &Whereabouts, year: Option<i16>) -> Named {
        let rows: Vec<&Resident> = at.residents.iter().filter_map(|r| self.resident(r)).collect();
        let known: Vec<&str> =
            rows.iter().map(|r| r.name.trim()).filter(|name| !name.is_empty()).collect();
        let mut names = known.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join("、");
        if known.len() > NAMES_MAX {
            names.push_str(&format!("等{}人", rows.len()));
        }
        let age = match rows.as_slice() {
            [one] => year
                .zip(one.born)
                .and_then(|(year, born)| year.checked_sub(born))
                .filter(|age| (0..=AGE_MAX).contains(age)),
            _ => None,
        };
        Named { names, age }
    }

    /// The station a device belongs to: its home's, else its resident's home's.
    pub fn station_at(&self, device: &Device) -> Option<&StationId> {
        let lives = || self.resident(device.resident.as_ref()?)?.home.as_ref();
        self.home(device.home.as_ref().or_else(lives)?)?.station.as_ref()
    }

    /// Whether the spot says which of several points of a home it is: two beds in one room.
    fn tells_apart(&self, device: &Device, home: &HomeId) -> bool {
        let spot = device.spot.trim();
        !spot.is_empty() && self.devices_at(home).any(|other| other.spot.trim() != spot)
    }

    fn meant(&self, resident: Option<&Resident>, home: Option<&HomeId>) -> Vec<ResidentId> {
        match (resident, home) {
            (Some(one), _) => vec![one.id.clone()],
            (None, Some(home)) => self.residents_of(home).cloned().collect(),
            (None, None) => Vec::new(),
        }
    }
}

/// The place in full and in short for a registered device.
fn words(device: &Device, home: Option<&Home>, home_id: Option<&HomeId>) -> (String, String) {
    let spot = device.spot.trim();
    if let Some(home_id) = home_id {
        let (full, short) = home_words(home, home_id);
        return (format!("{full}{spot}"), short.to_owned());
    }
    let id = &device.id;
    match spot {
        "" => (format!("设备{id}(位置未登记,请查看值班室屏幕)"), format!("设备{id}")),
        spot => (format!("{spot}(设备{id})"), spot.to_owned()),
    }
}

/// The short place and the spot, where both fit; of a place too long for that the place alone.
fn with_spot(short: &str, spot: &str) -> String {
    let both = format!("{short}{spot}");
    if both.encode_utf16().count() <= SHORT_MAX_UNITS { both } else { short.to_owned() }
}

/// A home in full and in short; its id where its row says nothing.
fn home_words<'a>(home: Option<&'a Home>, id: &'a HomeId) -> (&'a str, &'a str) {
    let (place, short) = home.map(|h| (h.place.trim(), h.short.trim())).unwrap_or_default();
    let full = first_said(&[place, short, id.as_str()]);
    (full, first_said(&[short, full]))
}

/// The whereabouts of a device in no list: its name as it was heard, and the screen.
fn nowhere(id: &DeviceId) -> Whereabouts {
    let heard = id.as_str().split_once(':').map_or(id.as_str(), |(_, name)| name).trim();
    Whereabouts {
        place: format!("未登记设备{heard}(请查看值班室屏幕)"),
        short: cut(&format!("未登记设备{heard}"), SHORT_MAX_UNITS),
        residents: Vec::new(),
        grid: String::new(),
        on_site: false,
        located: false,
    }
}

fn first_said<'a>(texts: &[&'a str]) -> &'a str {
    texts.iter().find(|text| !text.is_empty()).copied().unwrap_or_default()
}

/// At most `units` UTF-16 units: the beginning, an ellipsis and the end, since an address begins
/// with the building and ends with the room. No character is split, and no number: half of 13号楼
/// would send people to 3号楼. A number too long for its half is split nevertheless.
fn cut(text: &str, units: usize) -> String {
    if text.encode_utf16().count() <= units {
        return text.to_owned();
    }
    let chars: Vec<char> = text.chars().collect();
    let tail_units = units / 2;
    let head = within(chars.iter().copied(), units - tail_units - 1);
    let tail = chars.len() - within(chars.iter().rev().copied(), tail_units);
    let split = |at: usize| is_numeral(chars[at - 1]) && is_numeral(chars[at]);
    let whole_head = (1..=head).rev().find(|&at| !split(at)).unwrap_or(head);
    let whole_tail = (tail..chars.len()).find(|&at| !split(at)).unwrap_or(tail);
    chars[..whole_head].iter().chain(&['…']).chain(&chars[whole_tail..]).collect()
}

fn is_numeral(c: char) -> bool {
    c.is_numeric() || "〇零一二三四五六七八九十百".contains(c)
}

/// How many of the first characters fit into so many UTF-16 units.
fn within(chars: impl Iterator<Item = char>, units: usize) -> usize {
    let mut left = units;
    chars
        .map_while(|c| {
            left = left.checked_sub(c.len_utf16())?;
            Some(c)
        })
        .count()
}

#[cfg(test)]
#[path = "whereabouts_tests.rs"]
mod tests;
