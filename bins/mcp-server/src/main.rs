//! The server: PostgreSQL behind the Model Context Protocol.

mod authenticate_user;
mod cli;
mod compose;
mod databases;
mod demo;
mod fault;
mod hashes;
mod health;
mod listener;
mod outbox;
mod people;
mod recovery;
mod reload;
mod stack;
mod stores;
mod systemd;
mod tasks;
mod telemetry;
mod tls;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use mcp_config::{Sources, load, locate};

use crate::cli::{Cli, Command, ServeArgs, operator_command, with_two_dashes};
use crate::compose::Start;
use crate::fault::StartFault;

/// The command line was not understood (sysexits.h).
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(line) = operator_command(&arguments) {
        say(&format!("This is a command of mcp-admin. Type:\n  {line}\n"));
        return ExitCode::from(USAGE);
    }
    let cli = match Cli::try_parse_from(with_two_dashes(arguments.into_iter())) {
        Ok(cli) => cli,
        Err(fault) => {
            // Help and version are no faults; a broken pipe is nobody's.
            let _ = fault.print();
            return if fault.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            say(fault.lines());
            fault.exit_code()
        }
    }
}

fn run(cli: &Cli) -> Result<(), StartFault> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(StartFault::ours)?;
    let sources = sources(&cli.serve);
    let served = runtime.block_on(async {
        match cli.command {
            Some(Command::Demo) => demo::run(sources).await,
            Some(Command::Serve) | None => serve(sources, &cli.serve).await,
        }
    });
    // A read of standard input that will never end must not keep the process alive.
    runtime.shutdown_background();
    served
}

async fn serve(sources: Sources, arguments: &ServeArgs) -> Result<(), StartFault> {
    let loaded = load(&sources)?;
    if !loaded.config.http.enabled {
        return compose::serve_stdio(&loaded).await;
    }
    let open_to_all = arguments.i_know_this_is_open;
    compose::serve_http(Start { sources, loaded, open_to_all, on_ready: Box::new(|_| {}) }).await
}

/// Everything that the configuration is made from, read here and nowhere else.
#[expect(clippy::disallowed_methods, reason = "the binary hands the environment to its libraries")]
fn sources(arguments: &ServeArgs) -> Sources {
    let binary = std::env::current_exe().ok();
    let beside = binary.and_then(|path| path.parent().map(PathBuf::from)).unwrap_or_default();
    let unicode = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    Sources {
        file: locate(arguments.config.as_deref(), &beside),
        environment: std::env::vars_os().filter_map(unicode).collect(),
        flags: arguments.settings(),
        beside,
    }
}

/// Says something to the operator. If even that fails there is nobody left to tell.
fn say(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}
