//! `anling conform`: does this device keep the firmware contract? Plays the hub against one device, on a
//! serial port or over its broker, asks somebody to press it, and prints pass or fail for each clause.
//!
//! It is the hub's own reader that judges, so what passes here is heard there. The times are the
//! contract's: an examination takes about 40 s and a person's three presses. No hub may hear the device
//! meanwhile, because two would answer it. What only eyes see, the light, is asked where somebody can
//! answer, and else said to be unseen: it fails nothing.

mod exam;
mod mqtt;
mod serial;
mod wire;

use std::path::PathBuf;

use self::exam::{Clause, Exam, Verdict};
use self::wire::Wire;
use super::work::wait;
use super::{Failure, Outcome, print_json, print_text, runtime};
use crate::exit;
use crate::terms::Wait;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The device's port, /dev/serial/by-id/…, or where it signs in: mqtt://HOST:PORT/HUB
    target: String,
    /// Speed of the port in baud
    #[arg(long, default_value_t = 115_200)]
    baud: u32,
    /// The account to listen and answer with, on a broker that asks for one
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file that holds its password
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// How long to wait for a press that was asked for
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = wait)]
    within: Wait,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn conform(args: &Args) -> Outcome {
    let clauses = runtime()?.block_on(async {
        let wire = match args.target.strip_prefix("mqtt://") {
            Some(at) => {
                let password = password(args)?;
                Wire::Mqtt(Box::new(
                    mqtt::MqttWire::open(at, args.user.as_deref(), password).await?,
                ))
            }
            None => Wire::Serial(serial::SerialWire::open(&args.target, args.baud)?),
        };
        Exam::new(wire, args.within).hold().await
    })?;
    if args.json {
        print_json(&clauses)?;
    } else {
        print_text(&told(&clauses))?;
    }
    let failed: Vec<&str> = clauses
        .iter()
        .filter(|clause| matches!(clause.verdict, Verdict::Failed { .. }))
        .map(|clause| clause.name)
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => {
            let says = format!("the device does not keep the contract: {}", failed.join(", "));
            Err(Failure::new(exit::NOT_RIGHT, says))
        }
    }
}

fn password(args: &Args) -> Result<Option<String>, Failure> {
    let Some(path) = &args.password_file else { return Ok(None) };
    let text = std::fs::read_to_string(path).map_err(|error| {
        let says = format!("the password in {} cannot be read: {error}", path.display());
        Failure::new(exit::USAGE, says)
    })?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}

fn told(clauses: &[Clause]) -> String {
    let line = |clause: &Clause| {
        let (word, why) = match &clause.verdict {
            Verdict::Passed => ("pass", None),
            Verdict::Failed { why } => ("FAIL", Some(why)),
            Verdict::Unseen { why } => ("    ", Some(why)),
        };
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{word}  {:<24} {}{why}\n", clause.name, clause.says)
    };
    let count = |is: fn(&Verdict) -> bool| clauses.iter().filter(|c| is(&c.verdict)).count();
    let passed = count(|verdict| matches!(verdict, Verdict::Passed));
    let failed = count(|verdict| matches!(verdict, Verdict::Failed { .. }));
    let unseen = clauses.len() - passed - failed;
    let lines: String = clauses.iter().map(line).collect();
    format!("{lines}{passed} passed, {failed} failed, {unseen} not seen\n")
}
