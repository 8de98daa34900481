//! What a Modbus panel's points mean, as data: no two makers share a map of registers.

use super::Means;

/// One point of a panel: a call button, a door, a lamp's own fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModbusPoint {
    /// Its name; with the panel's before it, `ward/301-bed`, it is the device's `heard_as`.
    pub name: String,
    /// The panel's address on the line, 1 to 247.
    pub slave: u8,
    /// Where it stands.
    pub table: ModbusTable,
    /// Its address in that table as it goes over the wire, from 0: 40001 of a manual is 0 of
    /// [`ModbusTable::Holding`].
    pub address: u16,
    /// What of it counts as on.
    pub on: ModbusOn,
    /// What it says when it turns on.
    pub means: Means,
    /// The coil of the same panel that lights the lamp beside it, from 0.
    pub lamp: Option<u16>,
}

/// The four tables of a Modbus device, by the function that reads them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModbusTable {
    /// Function 1.
    Coils = 1,
    /// Function 2.
    Inputs = 2,
    /// Function 3.
    Holding = 3,
    /// Function 4.
    InputRegisters = 4,
}

impl ModbusTable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Coils, Self::Inputs, Self::Holding, Self::InputRegisters];

    /// The table that a function reads.
    pub fn of_function(function: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.function() == function)
    }

    /// The word in `links.toml`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Coils => "coils",
            Self::Inputs => "inputs",
            Self::Holding => "holding",
            Self::InputRegisters => "input-registers",
        }
    }

    /// The function that reads it.
    pub fn function(self) -> u8 {
        self as u8
    }

    /// Whether it holds single bits and not registers of 16.
    pub fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Inputs)
    }
}

/// What of a point counts as on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModbusOn {
    /// Anything but 0.
    Set,
    /// This bit of a register, 0 to 15 from the lowest.
    Bit(u8),
    /// This value of a register.
    Value(u16),
}
