//! Writes the vectors of every family as inputs into `fuzz/seeds/<family>/`, which is never committed:
//! `firmware-contracts/` is their one home.

use std::fs;
use std::path::Path;

use anling_fuzz::inputs::{families, seeds};

fn main() -> std::io::Result<()> {
    for family in families() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(family);
        fs::create_dir_all(&folder)?;
        for (number, input) in seeds(family).into_iter().enumerate() {
            fs::write(folder.join(number.to_string()), input)?;
        }
    }
    Ok(())
}
