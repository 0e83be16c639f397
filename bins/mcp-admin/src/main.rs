//! The tool of the operator: users and tokens made, changed and removed while the server runs,
//! sessions ended, the audit log read, the installation checked, a letter sent to try.
//!
//! Data goes to standard output, talk to standard error. Exit codes: 0 done and durable, 1
//! refused for a reason that can be mended, 2 our failure, 64 a command line that was not
//! understood.

mod accounts;
mod audit;
mod check;
mod cli;
mod config;
mod databases;
mod db;
mod desk;
mod dsn;
mod expiry;
mod grants;
mod legacy;
mod mail;
mod manual;
mod operator;
mod output;
mod passwords;
mod prompt;
mod sessions;
mod table;
mod terminal;
mod tokens;
mod transfer;
mod users;
mod when;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use mcp_config::{Sources, locate};
use mcp_identity::{Clock as _, SystemClock};

use crate::cli::{Cli, Command, Global, Store};
use crate::desk::Desk;
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
    if cli.global.store == Some(Store::Postgres) && cli.global.names_a_file() {
        return Err(Fault::usage("--store postgres reads no file of credentials")
            .hint("leave out --token-file and --user-file, or say --store file"));
    }
    let output = Output::new(cli.global.json);
    let sources = sources(&cli.global);
    let operator = operator::name(sources.environment.get("SUDO_USER").map(String::as_str));
    let desk = Desk::new(sources, operator, SystemClock.now(), output)?;
    match cli.command {
        Command::Users { command } => users::run(command, &desk),
        Command::Tokens { command } => {
            tokens::Tokens::open(&desk, cli.global.token_file.as_deref())?.run(command)
        }
        Command::Sessions { command } => sessions::run(command, &desk),
        Command::Audit(arguments) => audit::run(&arguments, &desk),
        Command::HashPassword { algorithm } => users::hash_password(algorithm, &desk),
        Command::Db { command } => db::run(&command, &desk),
        Command::Mail { command } => mail::run(&command, &desk),
        Command::Check { databases } => check::run(databases, &desk),
        Command::Config { command } => config::run(&command, &desk),
        Command::Completions { shell } => manual::completions(shell, output),
        Command::Man { command, markdown: false } => manual::page(&command, output),
        Command::Man { markdown: true, .. } => manual::markdown(output),
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
