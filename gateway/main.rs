//! The binary: reads the command line and runs one command.

use std::process::ExitCode;

/// Why not the system's allocator: `docs/decisions/allocator.md`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    signalbox::cli::main()
}
