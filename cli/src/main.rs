//! The `annulus` tool: streams data through rings, looks at rings, measures them.
//!
//! Uses the library's public API only. Data goes to stdout, everything else to stderr; the exit status says what
//! kind of thing went wrong (`exit.rs`). `sys.rs` is the only file of the tool itself with unsafe code.

#![deny(unsafe_code)]

mod args;
mod bench;
mod demo;
mod doctor;
mod exit;
mod help;
mod look;
mod place;
#[allow(dead_code, reason = "every program that includes it uses a part")]
#[allow(unsafe_code)]
#[path = "../../benches/scenario/mod.rs"]
mod scenario;
mod stream;
#[allow(unsafe_code)]
mod sys;
mod tail;
mod words;

use args::{Cli, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Send(args) => stream::send::run(&args),
        Command::Recv(args) => stream::recv::run(&args),
        Command::Ls(args) => look::ls(&args),
        Command::Stat(args) => look::stat(&args),
        Command::Rm(args) => look::rm(&args),
        Command::Doctor(args) => doctor::doctor(&args),
        Command::Repair(args) => doctor::repair(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Tail(args) => tail::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::DemoPart(args) => demo::part::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
