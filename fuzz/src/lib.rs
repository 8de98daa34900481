//! The fuzz targets' way into the decoders: the entry and the vectors of `tests/contracts/`, so that a
//! family is set up in one place.

#[allow(dead_code)]
#[path = "../../tests/contracts/inputs.rs"]
pub mod inputs;
#[allow(dead_code)]
#[path = "../../tests/contracts/modem.rs"]
pub mod modem;
#[allow(dead_code)]
#[path = "../../tests/contracts/vectors.rs"]
pub mod vectors;

pub use inputs::read;
