//! `locktop`: who really holds a lock, and what to do about it.

mod cli;
mod tui;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
