//! Contacts: family, neighbours and others outside of the house who agreed to be called.
//!
//! A contact is called for a resident, a home or a whole grid, and for nobody else. They agreed on a
//! day, and their word may have an end; without it they are never called, whatever a ladder says. Their
//! ids stand in one namespace with the people of the house, so that an answer is never anybody else's.
//! They are kept apart from people all the same: nothing that speaks to "everybody" may reach them.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::book::Registry;
use crate::terms::{HomeId, PersonId, ResidentId};

/// Who is called last: the place in the row of a contact whose list does not say. Own choice.
pub const ORDER_MAX: u8 = 9;

/// What a contact is to those they are called for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// Of the family.
    Family,
    /// Lives nearby.
    Neighbour,
    /// Looks after a grid (网格).
    GridWorker,
    /// A doctor of the village or the neighbourhood.
    VillageDoctor,
    /// A volunteer.
    Volunteer,
}

impl Relation {
    /// All relations.
    pub const ALL: [Self; 5] =
        [Self::Family, Self::Neighbour, Self::GridWorker, Self::VillageDoctor, Self::Volunteer];

    /// The word in `contacts.csv`, in ladders and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Family => "family",
            Self::Neighbour => "neighbour",
            Self::GridWorker => "grid_worker",
            Self::VillageDoctor => "village_doctor",
            Self::Volunteer => "volunteer",
        }
    }

    /// What people call them.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Family => "家属",
            Self::Neighbour => "邻居",
            Self::GridWorker => "网格员",
            Self::VillageDoctor => "村医",
            Self::Volunteer => "志愿者",
        }
    }

    /// The relation of a word in either language.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word || one.chinese() == word)
    }
}

/// Somebody outside of the house who agreed to be called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Id; no person of the house has the same.
    pub id: PersonId,
    /// Full name; may be empty.
    #[serde(default)]
    pub name: String,
    /// What they are to those they are called for.
    pub relation: Relation,
    /// Telephone, as dialled; seen by nobody but the carrier that dials it.
    #[serde(default)]
    pub phone: String,
    /// Mail address; may be empty.
    #[serde(default)]
    pub email: String,
    /// The resident they are called for.
    #[serde(default)]
    pub resident: Option<ResidentId>,
    /// The home they are called for.
    #[serde(default)]
    pub home: Option<HomeId>,
    /// The grid they are called for; may be empty. Of the three exactly one is said.
    #[serde(default)]
    pub grid: String,
    /// The day they agreed; none where they did not.
    #[serde(default)]
    pub consent: Option<Date>,
    /// The last day for which they did, where they said one.
    #[serde(default)]
    pub consent_until: Option<Date>,
    /// Who is called first: 1 to [`ORDER_MAX`].
    #[serde(default = "last")]
    pub order: u8,
}

fn last() -> u8 {
    ORDER_MAX
}

impl Contact {
    /// Whether they agree to be called on a day. Where nobody knows the day, a date is enough: the
    /// consent they gave may be over, and a resident may be lying there.
    pub fn agrees(&self, day: Option<Date>) -> bool {
        let Some(consent) = self.consent else { return false };
        day.is_none_or(|day| consent <= day && self.consent_until.is_none_or(|until| day <= until))
    }
}

impl Registry {
    /// The contacts of this relation who agree and are for one of these residents, this home or this
    /// home's grid, in their order and then by id.
    pub fn contacts_for(
        &self,
        relation: Relation,
        residents: &[ResidentId],
        home: Option<&HomeId>,
        day: Option<Date>,
    ) -> Vec<&Contact> {
        let of_relation = self.contacts().filter(|one| one.relation == relation);
        let agreeing = of_relation.filter(|one| one.agrees(day));
        let mut found: Vec<&Contact> =
            agreeing.filter(|one| self.is_for(one, residents, home)).collect();
        found.sort_by_key(|one| one.order);
        found
    }

    /// Whether a contact may know of a resident: theirs, or of their home or grid.
    pub fn is_theirs(&self, contact: &Contact, resident: &ResidentId) -> bool {
        let home = self.resident(resident).and_then(|row| row.home.as_ref());
        self.is_for(contact, std::slice::from_ref(resident), home)
    }

    /// Whether a contact is for one of these residents, this home or this home's grid.
    fn is_for(&self, contact: &Contact, residents: &[ResidentId], home: Option<&HomeId>) -> bool {
        let resident = contact.resident.as_ref().is_some_and(|who| residents.contains(who));
        let at_home = contact.home.is_some() && contact.home.as_ref() == home;
        let grid = home.and_then(|home| self.home(home)).map_or("", |home| home.grid.trim());
        resident || at_home || (!grid.is_empty() && contact.grid.trim() == grid)
    }

    /// The telephone of a person or a contact, as dialled; none where nobody has that id.
    pub fn phone_of(&self, id: &PersonId) -> Option<&str> {
        let person = self.person(id).map(|person| person.phone.as_str());
        person.or_else(|| self.contact(id).map(|contact| contact.phone.as_str()))
    }

    /// The name of a person of the house or of a contact; may be empty, none where nobody has the id.
    pub fn name_of(&self, id: &PersonId) -> Option<&str> {
        let person = self.person(id).map(|row| row.name.as_str());
        person.or_else(|| self.contact(id).map(|row| row.name.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Change;
    use crate::registry::csv::{Table, read};

    fn day(text: &str) -> Option<Date> {
        Some(text.parse().unwrap())
    }

    fn centre(contacts: &str) -> Registry {
        let mut book = Registry::default();
        let lists = [
            (Table::Homes, "id,grid\nH1,G-3\nH2,G-3\nH3,\n"),
            (Table::Residents, "id,home\nR1,H1\nR2,H1\nR3,H2\nR4,H3\n"),
            (Table::Contacts, contacts),
        ];
        for (table, text) in lists {
            let (rows, problems) = read(table, text);
            assert_eq!(problems, []);
            rows.into_iter().for_each(|(_, row)| book.apply(&Change::Set(row)));
        }
        book
    }

    const CONTACTS: &str = "id,relation,resident,home,grid,consent,consent_until,order\n\
        son,family,R1,,,2026-10-01,,2\n\
        wife,family,R1,,,2026-10-01,2026-12-31,1\n\
        never,family,R1,,,,,1\n\
        next-door,neighbour,,H1,,2026-10-01,,\n\
        grid,grid_worker,,,G-3,2026-10-01,,\n";

    fn ids(found: &[&Contact]) -> Vec<String> {
        found.iter().map(|one| one.id.to_string()).collect()
    }

    fn called(book: &Registry, relation: Relation, who: &str, home: &str, on: &str) -> Vec<String> {
        let (who, home) = (ResidentId::new(who).unwrap(), HomeId::new(home).unwrap());
        ids(&book.contacts_for(relation, &[who], Some(&home), day(on)))
    }

    #[test]
    fn family_is_called_in_order_for_their_own_and_only_with_consent() {
        let book = centre(CONTACTS);
        let of = |who, on| called(&book, Relation::Family, who, "H1", on);
        assert_eq!(of("R1", "2026-11-22"), ["wife", "son"]);
        assert_eq!(of("R1", "2026-12-31"), ["wife", "son"], "the last day counts");
        assert_eq!(of("R1", "2027-01-01"), ["son"]);
        assert_eq!(of("R1", "2026-09-30"), [""; 0], "not agreed so far");
        assert_eq!(of("R2", "2026-11-22"), [""; 0]);
    }

    #[test]
    fn where_nobody_knows_the_day_a_date_is_consent_and_none_is_none() {
        let book = centre(CONTACTS);
        let who = [ResidentId::new("R1").unwrap()];
        let found = book.contacts_for(Relation::Family, &who, None, None);
        assert_eq!(ids(&found), ["wife", "son"]);
    }

    #[test]
    fn a_neighbour_is_for_a_home_and_a_grid_worker_for_all_homes_of_a_grid() {
        let book = centre(CONTACTS);
        let on = "2026-11-22";
        assert_eq!(called(&book, Relation::Neighbour, "R2", "H1", on), ["next-door"]);
        assert_eq!(called(&book, Relation::Neighbour, "R3", "H2", on), [""; 0]);
        assert_eq!(called(&book, Relation::GridWorker, "R3", "H2", on), ["grid"]);
        assert_eq!(called(&book, Relation::GridWorker, "R4", "H3", on), [""; 0], "no grid at all");
    }

    #[test]
    fn a_contact_knows_of_their_own_and_of_nobody_else() {
        let book = centre(CONTACTS);
        let knows = |contact: &str| {
            let row = book.contact(&PersonId::new(contact).unwrap()).unwrap();
            let theirs = book.residents().filter(|one| book.is_theirs(row, &one.id));
            theirs.map(|one| one.id.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(knows("son"), ["R1"]);
        assert_eq!(knows("next-door"), ["R1", "R2"]);
        assert_eq!(knows("grid"), ["R1", "R2", "R3"]);
    }

    #[test]
    fn a_relation_is_written_alike_in_words_and_in_json() {
        for one in Relation::ALL {
            assert_eq!(Relation::from_word(one.word()), Some(one));
            assert_eq!(Relation::from_word(one.chinese()), Some(one));
            assert_eq!(serde_json::to_string(&one).unwrap(), format!("\"{}\"", one.word()));
        }
    }
}
