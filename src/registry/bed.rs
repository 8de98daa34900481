//! Home-care beds (家庭养老床位): a contract for one resident, from a day to a day.
//!
//! While it runs, the devices of its resident are watched like all others. Before and after, nobody
//! answers for them: no silence is a fault, no test is due, nobody is asked after. A call from them is
//! heard all the same, because a person pressed. A device that several share is out of contract only
//! when everybody who lives there has a bed and none of them runs; a day that nobody knows is a day on
//! which every bed runs.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::book::Registry;
use super::rows::Device;
use crate::terms::{BedId, HomeId, ResidentId};

/// A home-care bed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bed {
    /// Id, `HB-0007`.
    pub id: BedId,
    /// Whose.
    pub resident: ResidentId,
    /// Where it stands; where the resident lives if nothing is said.
    #[serde(default)]
    pub home: Option<HomeId>,
    /// The first day of the contract.
    pub from: Date,
    /// Its last day; none where it has no end.
    #[serde(default)]
    pub until: Option<Date>,
    /// The care plan in a few words; may be empty.
    #[serde(default)]
    pub plan: String,
}

/// How a bed's contract stands on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Contract {
    /// It runs.
    Running,
    /// It has not begun.
    Ahead,
    /// It is over.
    Over,
}

impl Contract {
    /// The word in events and views.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Ahead => "ahead",
            Self::Over => "over",
        }
    }
}

impl Bed {
    /// How its contract stands on a day; on a day nobody knows it runs.
    pub fn contract(&self, day: Option<Date>) -> Contract {
        match day {
            Some(day) if day < self.from => Contract::Ahead,
            Some(day) if self.until.is_some_and(|until| until < day) => Contract::Over,
            _ => Contract::Running,
        }
    }

    /// Whether both run on some day.
    pub fn meets(&self, other: &Self) -> bool {
        let ends_before = |one: &Self, two: &Self| one.until.is_some_and(|until| until < two.from);
        !ends_before(self, other) && !ends_before(other, self)
    }
}

/// The bed that counts: one that runs, else one that was, else one to come; of several the latest.
fn counts<'b>(
    beds: impl Iterator<Item = &'b Bed>,
    day: Option<Date>,
) -> Option<(&'b Bed, Contract)> {
    let rank = |contract: Contract| match contract {
        Contract::Running => 2,
        Contract::Over => 1,
        Contract::Ahead => 0,
    };
    let standing = beds.map(|bed| (bed, bed.contract(day)));
    standing.max_by_key(|(bed, contract)| (rank(*contract), bed.from))
}

impl Registry {
    /// A resident's bed on a day, and how its contract stands; none where they never had one.
    pub fn bed_of_resident(
        &self,
        resident: &ResidentId,
        day: Option<Date>,
    ) -> Option<(&Bed, Contract)> {
        counts(self.beds().filter(|bed| bed.resident == *resident), day)
    }

    /// A device's bed on a day, and how its contract stands; none where it belongs to none, or where
    /// somebody lives beside it who has none.
    pub fn bed_of(&self, device: &Device, day: Option<Date>) -> Option<(&Bed, Contract)> {
        if let Some(resident) = &device.resident {
            return self.bed_of_resident(resident, day);
        }
        let home = device.home.as_ref()?;
        let found = counts(self.beds().filter(|bed| self.stands_in(bed) == Some(home)), day)?;
        let has_none = |who: &&ResidentId| !self.beds().any(|bed| bed.resident == **who);
        let shared = self.residents_of(home).any(|who| has_none(&who));
        (found.1 == Contract::Running || !shared).then_some(found)
    }

    /// Whether nobody answers for a device on a day: it belongs to a bed that does not run.
    pub fn is_out_of_contract(&self, device: &Device, day: Option<Date>) -> bool {
        self.has_beds() && self.bed_of(device, day).is_some_and(|(_, is)| is != Contract::Running)
    }

    fn stands_in<'b>(&'b self, bed: &'b Bed) -> Option<&'b HomeId> {
        let lives = || self.resident(&bed.resident).and_then(|row| row.home.as_ref());
        bed.home.as_ref().or_else(lives)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::csv::{Table, read};
    use crate::registry::{Change, Row};
    use crate::terms::DeviceId;

    fn day(text: &str) -> Option<Date> {
        Some(text.parse().unwrap())
    }

    fn centre(beds: &str) -> Registry {
        let mut book = Registry::default();
        let lists = [
            (Table::Homes, "id\nH1\nH2\n"),
            (Table::Residents, "id,home\nR1,H1\nR2,H1\nR3,H2\n"),
            (Table::Devices, "id,type,home,resident\nB-1,x,H1,R1\nB-2,x,H1,\nB-3,x,H2,\nB-4,x,,\n"),
            (Table::Beds, beds),
        ];
        for (table, text) in lists {
            let (rows, problems) = read(table, text);
            assert_eq!(problems, []);
            rows.into_iter().for_each(|(_, row)| book.apply(&Change::Set(row)));
        }
        book
    }

    fn out(book: &Registry, device: &str, on: Option<Date>) -> bool {
        let row = book.device(&DeviceId::new(device).unwrap()).unwrap();
        book.is_out_of_contract(row, on)
    }

    const HERS: &str = "id,resident,from,until\nHB-1,R1,2026-01-01,2026-10-31\n";

    #[test]
    fn a_residents_device_is_out_of_contract_before_the_first_day_and_after_the_last() {
        let book = centre(HERS);
        for (on, is_out) in [
            ("2025-12-31", true),
            ("2026-01-01", false),
            ("2026-10-31", false),
            ("2026-11-01", true),
        ] {
            assert_eq!(out(&book, "B-1", day(on)), is_out, "{on}");
        }
        assert!(!out(&book, "B-1", None), "a day nobody knows");
        assert!(!out(&book, "B-4", day("2026-11-01")), "nobody's and nowhere");
    }

    #[test]
    fn what_a_couple_shares_is_watched_while_one_of_them_has_no_bed_or_one_that_runs() {
        let over = day("2026-11-01");
        assert!(!out(&centre(HERS), "B-2", over), "R2 has no bed and lives there");
        let both = format!("{HERS}HB-2,R2,2026-01-01,\n");
        assert!(!out(&centre(&both), "B-2", over));
        let neither = format!("{HERS}HB-2,R2,2026-01-01,2026-09-30\n");
        assert!(out(&centre(&neither), "B-2", over));
        let alone = "id,resident,from,until\nHB-3,R3,2026-01-01,2026-10-31\n";
        assert!(out(&centre(alone), "B-3", over));
    }

    #[test]
    fn a_contract_that_was_renewed_runs() {
        let renewed = format!("{HERS}HB-1b,R1,2026-11-01,\n");
        let book = centre(&renewed);
        assert!(!out(&book, "B-1", day("2026-11-01")));
        let who = ResidentId::new("R1").unwrap();
        let (bed, is) = book.bed_of_resident(&who, day("2026-12-01")).unwrap();
        assert_eq!((bed.id.as_str(), is), ("HB-1b", Contract::Running));
    }

    #[test]
    fn two_beds_meet_when_one_day_is_in_both() {
        let bed = |from: &str, until: Option<&str>| Bed {
            id: BedId::new("HB").unwrap(),
            resident: ResidentId::new("R1").unwrap(),
            home: None,
            from: from.parse().unwrap(),
            until: until.map(|until| until.parse().unwrap()),
            plan: String::new(),
        };
        let first = bed("2026-01-01", Some("2026-10-31"));
        assert!(first.meets(&bed("2026-10-31", None)));
        assert!(!first.meets(&bed("2026-11-01", None)));
        assert!(bed("2020-01-01", None).meets(&first));
        assert_eq!(Row::Bed(first.clone()).cells()[3..5], ["2026-01-01", "2026-10-31"]);
    }
}
