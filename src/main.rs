//! The command: everything is in the library, so that tests can start it in-process.

fn main() {
    std::process::exit(anling::cli::main());
}
