//! Who lives where, which device hangs where, who may be called, and which beds are under contract.
//!
//! The registry is facts: one row per fact, taken in from CSV files at the first start and by
//! import, and afterwards at home in the journal. It is pure: files are read and written elsewhere,
//! text comes in and rows come out, with every bad row named. A missing field is never an error at
//! the moment of a call: [`Registry::whereabouts`] always says where to go, in the best words the
//! rows allow, because somebody has to run there.

mod bed;
mod book;
mod bridged_topics;
mod changes;
mod contact;
pub mod csv;
mod device_types;
mod difference;
mod field_models;
mod rows;
#[cfg(test)]
mod small_centre;
mod weighing;
mod whereabouts;
mod zigbee_models;

pub use bed::{Bed, Contract};
pub use book::Registry;
pub use bridged_topics::roots_meet;
pub use changes::changes;
pub use contact::{Contact, ORDER_MAX, Relation};
pub use device_types::{
    BridgedType, DeviceType, DeviceTypes, Family, WATCHED_WITHIN, Watch, ZigbeeType,
};
pub use difference::{Changed, Difference};
pub use field_models::{FIELD_MODELS, FieldModel};
pub use rows::{Change, Device, Home, Person, Resident, Role, Row, RowId};
pub use weighing::{Brought, Judged, Wanted, judge};
pub use whereabouts::{AGE_MAX, NAMES_MAX, Named, SHORT_MAX_UNITS, Whereabouts};
pub use zigbee_models::{ZIGBEE_MODELS, ZigbeeModel};
