//! The command: everything is in the library, so that tests can start it in-process.

/// A press makes about a hundred short-lived pieces in two threads, and a storm ten thousand
/// presses: the system's allocator took a quarter of its time. Without huge pages: with them an idle hub
/// held three times its memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    std::process::exit(anling::cli::main());
}
