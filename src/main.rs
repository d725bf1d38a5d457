//! `locktop`: who really holds a lock, and what to do about it.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
