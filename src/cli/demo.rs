//! placeholder
#[derive(Debug, clap::Args)]
pub(super) struct Args {}
pub(super) fn demo(_: &Args) -> super::Outcome {
    Ok(())
}
