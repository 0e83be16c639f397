//! The tool of the operator: tokens made, listed and removed while the server runs, and the
//! configuration shown.
//!
//! Data goes to standard output, talk to standard error. Exit codes: 0 done and durable, 1
//! refused for a reason that can be mended, 2 our failure, 64 a command line that was not
//! understood.

mod cli;
mod config;
mod expiry;
mod legacy;
mod output;
mod prompt;
mod tokens;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use mcp_config::{Loaded, Sources, load, locate};
use mcp_identity::{Clock as _, SystemClock};

use crate::cli::{Cli, Command, Global};
use crate::output::{Fault, Output};

fn main() -> ExitCode {
    // A panic may hold anything in its message: only its place is told.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        output::complain(&Fault::ours(format!("this is a fault of mcp-admin, at {place}")));
    }));
    let ended = std::panic::catch_unwind(|| run(std::env::args_os().collect()));
    match ended {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(fault)) => output::complain(&fault),
        Err(_) => ExitCode::from(2),
    }
}

fn run(arguments: Vec<OsString>) -> Result<(), Fault> {
    let cli = match Cli::try_parse_from(modern(arguments)) {
        Ok(cli) => cli,
        Err(refused) => return output::clap(&refused),
    };
    let output = Output::new(cli.global.json);
    let sources = sources(&cli.global);
    match cli.command {
        Command::Tokens { command } => {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.map_err(|error| Fault::ours(error.to_string()))?;
            let desk = tokens::Desk::open(sources, &cli.global, SystemClock.now(), output)?;
            runtime.block_on(desk.run(command))
        }
        Command::Config { command } => config::run(&command, &sources, output),
        Command::Users { .. } => Err(Fault::usage("users come in a later version")
            .hint("this version has API tokens: mcp-admin tokens --help")),
    }
}

/// The command line in today's form: what the sources print works unchanged.
fn modern(arguments: Vec<OsString>) -> Vec<OsString> {
    let Some((program, rest)) = arguments.split_first() else { return arguments };
    let text: Option<Vec<String>> = rest.iter().map(|part| part.to_str().map(Into::into)).collect();
    match text.and_then(|text| legacy::rewrite(&text)) {
        Some(rewritten) => {
            std::iter::once(program.clone()).chain(rewritten.into_iter().map(Into::into)).collect()
        }
        None => arguments,
    }
}

/// Everything that the configuration is made from, read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the binary hands the environment to its libraries")]
fn sources(global: &Global) -> Sources {
    let binary = std::env::current_exe().ok();
    let beside = binary.and_then(|path| path.parent().map(PathBuf::from)).unwrap_or_default();
    let unicode = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Sources {
        file: locate(global.config.as_deref(), &beside),
        environment: std::env::vars_os().filter_map(unicode).collect(),
        flags: global.settings(),
        beside,
    }
}

/// The configuration in force, or the sentence that says why there is none.
fn configuration(sources: &Sources) -> Result<Loaded, Fault> {
    load(sources).map_err(|error| {
        let hint = error.hint().map(str::to_owned);
        Fault::refused(error.to_string()).maybe_hint(hint)
    })
}
