//! What the hub writes on a Modbus line, against its vectors.

use anling::contract::{ModbusRequest, modbus_coil};
use anling::terms::ModbusTable;
use serde::Deserialize;

use super::vectors::{files, from_hex};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Requests {
    request: Vec<Asked>,
    coil: Vec<Coil>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: String,
    slave: u8,
    function: u8,
    address: u16,
    count: u16,
    bytes_hex: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coil {
    name: String,
    slave: u8,
    coil: u16,
    on: bool,
    bytes_hex: String,
}

#[test]
fn every_modbus_request_is_written_exactly_as_written_down() {
    let said: Requests = toml::from_str(&files()["modbus/v1/requests.toml"]).unwrap();
    for Asked { name, slave, function, address, count, bytes_hex } in said.request {
        let table = ModbusTable::of_function(function).unwrap();
        let request = ModbusRequest { slave, table, address, count };
        assert_eq!(request.to_wire(), from_hex(&bytes_hex), "{name}");
    }
    for Coil { name, slave, coil, on, bytes_hex } in said.coil {
        assert_eq!(modbus_coil(slave, coil, on), from_hex(&bytes_hex), "{name}");
    }
}
