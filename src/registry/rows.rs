//! The rows: residents, homes, devices and people, as they stand in the CSV files and in the journal;
//! contacts and beds have files of their own beside this one.

use serde::{Deserialize, Serialize};

use super::bed::Bed;
use super::contact::Contact;
use crate::terms::{BedId, DeviceId, HomeId, PersonId, ResidentId, StationId};

/// Somebody who lives in a home and may need help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resident {
    /// Id, `R0007`.
    pub id: ResidentId,
    /// Full name, 王桂芳; may be empty.
    #[serde(default)]
    pub name: String,
    /// Year of birth, 1880–2200.
    #[serde(default)]
    pub born: Option<i16>,
    /// Where they live.
    #[serde(default)]
    pub home: Option<HomeId>,
    /// Telephone, as dialled; shown to the accepting person only.
    #[serde(default)]
    pub phone: String,
    /// Who holds a key and how to get in; never in a first message.
    #[serde(default)]
    pub access: String,
    /// The person of the house who is asked first when they are not heard of.
    #[serde(default)]
    pub owner: Option<PersonId>,
}

/// A home, a room of the centre, a corridor: a place somebody can run to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Home {
    /// Id, `H-3-2-501`.
    pub id: HomeId,
    /// The place in full, 3号楼2单元501; may be empty.
    #[serde(default)]
    pub place: String,
    /// The place in the shortest form staff use, 3-2-501; may be empty.
    #[serde(default)]
    pub short: String,
    /// The grid's code (网格), for the district; may be empty.
    #[serde(default)]
    pub grid: String,
    /// Whether it stands in the centre's own building: then people arrive sooner.
    #[serde(default)]
    pub on_site: bool,
    /// The station it belongs to, a name in `gateway.toml`; none where the site has one only.
    #[serde(default)]
    pub station: Option<StationId>,
}

/// A button, a sensor, a cord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Id, `B-14`; on the native contract also its name in topics.
    pub id: DeviceId,
    /// Its type, a name in `devices.toml`.
    #[serde(rename = "type")]
    pub type_name: String,
    /// The name it is heard under when that is not its id: a Zigbee2MQTT friendly name.
    #[serde(default)]
    pub heard_as: String,
    /// Where it hangs.
    #[serde(default)]
    pub home: Option<HomeId>,
    /// Whose it is; none for a corridor's cord, or where a couple shares it.
    #[serde(default)]
    pub resident: Option<ResidentId>,
    /// The spot within the home, 卫生间; may be empty.
    #[serde(default)]
    pub spot: String,
}

/// What somebody does at the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// On-call staff.
    Staff,
    /// The duty lead.
    Lead,
    /// Sets up and mends devices.
    Technician,
    /// An operator of the district: may take over and note, never counts as somebody of the house.
    District,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Staff, Self::Lead, Self::Technician, Self::District];

    /// The word in `people.csv` and in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::Lead => "lead",
            Self::Technician => "technician",
            Self::District => "district",
        }
    }

    /// The role of a word, the inverse of [`Role::word`].
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    /// The role of what a centre's own list says.
    pub fn from_title(title: &str) -> Option<Self> {
        match title {
            "员工" | "护理员" | "值班员" => Some(Self::Staff),
            "负责人" | "组长" => Some(Self::Lead),
            "技术员" => Some(Self::Technician),
            "街道" | "区平台" => Some(Self::District),
            _ => None,
        }
    }

    /// Whether they belong to the house and can be sent to a resident's side.
    pub fn is_of_the_house(self) -> bool {
        !matches!(self, Self::District)
    }
}

/// Somebody who may be called and may answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Id, `zhangmin`; what `--as` takes.
    pub id: PersonId,
    /// Full name, 张敏.
    #[serde(default)]
    pub name: String,
    /// What they do.
    pub role: Role,
    /// Telephone, as dialled; may be empty.
    #[serde(default)]
    pub phone: String,
    /// Mail address; may be empty.
    #[serde(default)]
    pub email: String,
}

/// One row of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// A resident.
    Resident(Resident),
    /// A home.
    Home(Home),
    /// A device.
    Device(Device),
    /// A person.
    Person(Person),
    /// A contact.
    Contact(Contact),
    /// A home-care bed.
    Bed(Bed),
}

impl Device {
    /// The name its family hears it under: [`Device::heard_as`], else its id.
    pub fn heard_name(&self) -> &str {
        if self.heard_as.is_empty() { self.id.as_str() } else { &self.heard_as }
    }
}

impl Row {
    /// Its cells in the order of its table's columns.
    pub fn cells(&self) -> Vec<String> {
        fn id<T: ToString>(id: Option<&T>) -> String {
            id.map(T::to_string).unwrap_or_default()
        }
        match self {
            Self::Resident(r) => vec![
                r.id.to_string(),
                r.name.clone(),
                id(r.born.as_ref()),
                id(r.home.as_ref()),
                r.phone.clone(),
                r.access.clone(),
                id(r.owner.as_ref()),
            ],
            Self::Home(h) => vec![
                h.id.to_string(),
                h.place.clone(),
                h.short.clone(),
                h.grid.clone(),
                if h.on_site { "yes" } else { "no" }.to_owned(),
                id(h.station.as_ref()),
            ],
            Self::Device(d) => vec![
                d.id.to_string(),
                d.type_name.clone(),
                d.heard_as.clone(),
                id(d.home.as_ref()),
                id(d.resident.as_ref()),
                d.spot.clone(),
            ],
            Self::Person(p) => vec![
                p.id.to_string(),
                p.name.clone(),
                p.role.word().to_owned(),
                p.phone.clone(),
                p.email.clone(),
            ],
            Self::Contact(c) => vec![
                c.id.to_string(),
                c.name.clone(),
                c.relation.word().to_owned(),
                c.phone.clone(),
                c.email.clone(),
                id(c.resident.as_ref()),
                id(c.home.as_ref()),
                c.grid.clone(),
                id(c.consent.as_ref()),
                id(c.consent_until.as_ref()),
                c.order.to_string(),
            ],
            Self::Bed(b) => vec![
                b.id.to_string(),
                b.resident.to_string(),
                id(b.home.as_ref()),
                b.from.to_string(),
                id(b.until.as_ref()),
                b.plan.clone(),
            ],
        }
    }

    /// The name of this row.
    pub fn id(&self) -> RowId {
        match self {
            Self::Resident(row) => RowId::Resident(row.id.clone()),
            Self::Home(row) => RowId::Home(row.id.clone()),
            Self::Device(row) => RowId::Device(row.id.clone()),
            Self::Person(row) => RowId::Person(row.id.clone()),
            Self::Contact(row) => RowId::Contact(row.id.clone()),
            Self::Bed(row) => RowId::Bed(row.id.clone()),
        }
    }
}

impl Row {
    /// The same row, with the cells of `standing` in the columns that were not brought: a list
    /// without telephone numbers takes nobody's away. A row of another table changes nothing.
    pub fn keeping(mut self, standing: &Self, brought: &[&str]) -> Self {
        fn keep<T: Clone>(brought: &[&str], column: &str, cell: &mut T, standing: &T) {
            if !brought.contains(&column) {
                cell.clone_from(standing);
            }
        }
        match (&mut self, standing) {
            (Self::Resident(row), Self::Resident(old)) => {
                keep(brought, "name", &mut row.name, &old.name);
                keep(brought, "born", &mut row.born, &old.born);
                keep(brought, "home", &mut row.home, &old.home);
                keep(brought, "phone", &mut row.phone, &old.phone);
                keep(brought, "access", &mut row.access, &old.access);
                keep(brought, "owner", &mut row.owner, &old.owner);
            }
            (Self::Home(row), Self::Home(old)) => {
                keep(brought, "place", &mut row.place, &old.place);
                keep(brought, "short", &mut row.short, &old.short);
                keep(brought, "grid", &mut row.grid, &old.grid);
                keep(brought, "on_site", &mut row.on_site, &old.on_site);
                keep(brought, "station", &mut row.station, &old.station);
            }
            (Self::Device(row), Self::Device(old)) => {
                keep(brought, "heard_as", &mut row.heard_as, &old.heard_as);
                keep(brought, "home", &mut row.home, &old.home);
                keep(brought, "resident", &mut row.resident, &old.resident);
                keep(brought, "spot", &mut row.spot, &old.spot);
            }
            (Self::Person(row), Self::Person(old)) => {
                keep(brought, "name", &mut row.name, &old.name);
                keep(brought, "phone", &mut row.phone, &old.phone);
                keep(brought, "email", &mut row.email, &old.email);
            }
            (Self::Contact(row), Self::Contact(old)) => {
                keep(brought, "name", &mut row.name, &old.name);
                keep(brought, "phone", &mut row.phone, &old.phone);
                keep(brought, "email", &mut row.email, &old.email);
                keep(brought, "resident", &mut row.resident, &old.resident);
                keep(brought, "home", &mut row.home, &old.home);
                keep(brought, "grid", &mut row.grid, &old.grid);
                keep(brought, "consent", &mut row.consent, &old.consent);
                keep(brought, "consent_until", &mut row.consent_until, &old.consent_until);
                keep(brought, "order", &mut row.order, &old.order);
            }
            (Self::Bed(row), Self::Bed(old)) => {
                keep(brought, "home", &mut row.home, &old.home);
                keep(brought, "until", &mut row.until, &old.until);
                keep(brought, "plan", &mut row.plan, &old.plan);
            }
            _ => {}
        }
        self
    }
}

/// The name of a row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowId {
    /// A resident's.
    Resident(ResidentId),
    /// A home's.
    Home(HomeId),
    /// A device's.
    Device(DeviceId),
    /// A person's.
    Person(PersonId),
    /// A contact's.
    Contact(PersonId),
    /// A bed's.
    Bed(BedId),
}

/// One change of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The row is new or different.
    Set(Row),
    /// The row is gone.
    Removed(RowId),
}

impl Change {
    /// The name of the row it is about.
    pub fn id(&self) -> RowId {
        match self {
            Self::Set(row) => row.id(),
            Self::Removed(id) => id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_written_alike_in_csv_and_in_json() {
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
            assert_eq!(serde_json::to_string(&role).unwrap(), format!("\"{}\"", role.word()));
        }
    }

    #[test]
    fn a_row_of_which_only_the_id_was_brought_keeps_every_other_cell() {
        use crate::registry::csv::{Table, read};
        for (table, text) in [
            (
                Table::Residents,
                "id,name,born,home,phone,access,owner\nR1,a,1943,H1,1,b,li\nR1,,,,,,\n",
            ),
            (Table::Homes, "id,place,short,grid,on_site,station\nH1,a,b,c,yes,s\nH1,,,,no,\n"),
            (Table::Devices, "id,type,heard_as,home,resident,spot\nB,x,a,H1,R1,b\nB,x,,,,\n"),
            (Table::People, "id,name,role,phone,email\nli,a,staff,1,b@c\nli,,staff,,\n"),
            (
                Table::Contacts,
                "id,name,relation,phone,email,resident,home,grid,consent,consent_until,order\n\
                 c,a,family,1,b@c,R1,H1,G,2026-01-01,2027-01-01,3\nc,,family,,,,,,,,\n",
            ),
            (
                Table::Beds,
                "id,resident,home,from,until,plan\n\
                 HB,R1,H1,2026-01-01,2026-12-31,a\nHB,R1,,2026-01-01,,\n",
            ),
        ] {
            let rows: Vec<Row> = read(table, text).0.into_iter().map(|(_, row)| row).collect();
            let [standing, bare] = rows.as_slice() else { panic!("{rows:?}") };
            assert_ne!(standing, bare);
            assert_eq!(bare.clone().keeping(standing, &["id"]), *standing);
            let all: Vec<&str> = table.columns().iter().map(|column| column.name).collect();
            assert_eq!(bare.clone().keeping(standing, &all), *bare);
        }
    }

    #[test]
    fn only_the_district_is_not_of_the_house() {
        let outside: Vec<Role> =
            Role::ALL.into_iter().filter(|role| !role.is_of_the_house()).collect();
        assert_eq!(outside, [Role::District]);
    }
}
