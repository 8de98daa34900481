//! Writes the vectors of every family as inputs into `fuzz/seeds/<family>/`, which is never committed:
//! `firmware-contracts/` is their one home, and `src/link/modem/vectors.toml` that of short messages.

use std::fs;
use std::path::Path;

use anling_fuzz::inputs::{families, seeds};
use anling_fuzz::modem;

fn main() -> std::io::Result<()> {
    let all = families().into_iter().map(|family| (family, seeds(family)));
    for (family, inputs) in all.chain([("sms", modem::seeds())]) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(family);
        fs::create_dir_all(&folder)?;
        for (number, input) in inputs.into_iter().enumerate() {
            fs::write(folder.join(number.to_string()), input)?;
        }
    }
    Ok(())
}
