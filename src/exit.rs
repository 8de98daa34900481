//! Exit codes: fixed, so that scripts and service managers can rely on them.

/// As asked.
pub const OK: i32 = 0;
/// What was asked about is not right: problems found, path dead, chain broken.
pub const NOT_RIGHT: i32 = 1;
/// The command was not understood.
pub const USAGE: i32 = 2;
/// The config cannot be used.
pub const CONFIG: i32 = 3;
/// The daemon cannot be reached.
pub const UNREACHABLE: i32 = 4;
/// The storage cannot be used.
pub const STORAGE: i32 = 5;
/// A bug of ours.
pub const BUG: i32 = 70;
