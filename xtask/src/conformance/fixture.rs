//! The servers that the suite is run against. Each process is ended with its value.

use std::fmt;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use super::in_suite;
use crate::setup::Conformance;
use crate::shell::{self, Failure, command};

/// What each of the servers says once it listens, in front of its URL.
const LISTENING: &str = "listening on ";

/// What stands in front of the fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protection {
    None,
    /// The product's authentication; the suite comes through a proxy that adds a token.
    BearerToken,
}

impl Protection {
    /// A word for folders.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "bare",
            Self::BearerToken => "authenticated",
        }
    }
}

impl fmt::Display for Protection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::None => "bare",
            Self::BearerToken => "behind authentication",
        })
    }
}

/// A running fixture server.
pub(super) struct Fixture {
    // In the order of their end: the proxy before what it speaks to.
    proxy: Option<Listening>,
    server: Listening,
}

impl Fixture {
    /// Starts it on a free port; what it says on standard error goes to files in `dir`.
    pub(super) fn start(
        protection: Protection,
        suite: &Conformance,
        dir: &Path,
    ) -> Result<Self, Failure> {
        let debug = shell::root().join("target/debug");
        let mut server =
            command(debug.join("examples/conformance_server"), &["--listen", "127.0.0.1:0"]);
        let token = match protection {
            Protection::None => None,
            Protection::BearerToken => {
                let token_file = dir.join("tokens.yaml");
                server.arg("--token-file").arg(&token_file);
                Some(add_token(&debug.join("mcp-admin"), &token_file)?)
            }
        };
        let server = Listening::start(&mut server, &dir.join("server.log"))?;
        let proxy = token.map(|token| {
            let mut proxy = in_suite(suite, "add_header.mjs");
            proxy.arg(&server.url).env("MCP_TOKEN", token);
            Listening::start(&mut proxy, &dir.join("proxy.log"))
        });
        Ok(Self { proxy: proxy.transpose()?, server })
    }

    /// Where the suite finds it.
    pub(super) fn url(&self) -> &str {
        &self.proxy.as_ref().unwrap_or(&self.server).url
    }
}

fn add_token(admin: &Path, token_file: &Path) -> Result<String, Failure> {
    let mut add = command(admin, &["--token-file"]);
    add.arg(token_file).args(["tokens", "add", "--note", "conformance"]);
    let output = add.output().map_err(Failure::file(admin))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let token = said.lines().find_map(|line| line.strip_prefix("Token: "));
    token.map(str::to_owned).ok_or_else(|| Failure::new("mcp-admin made no token"))
}

/// A process that told where it listens.
struct Listening {
    url: String,
    _process: Process,
    /// Kept open: a server that finds nobody behind its standard output may stop.
    _output: BufReader<ChildStdout>,
}

impl Listening {
    fn start(command: &mut Command, log: &Path) -> Result<Self, Failure> {
        let name = shell::shown(command);
        let errors = File::create(log).map_err(Failure::file(log))?;
        let child = command.stdout(Stdio::piped()).stderr(errors).spawn();
        let child = child
            .map_err(|error| Failure::new(format!("`{name}` could not be started: {error}")))?;
        let mut process = Process(child);
        let silent = || {
            Failure::new(format!("`{name}` does not listen"))
                .hint(format!("it may have said why in {}", log.display()))
        };
        let mut output = BufReader::new(process.0.stdout.take().ok_or_else(silent)?);
        let mut line = String::new();
        // Ends with the process at the latest.
        output.read_line(&mut line).map_err(|_| silent())?;
        let url = line.trim().strip_prefix(LISTENING).ok_or_else(silent)?.to_owned();
        Ok(Self { url, _process: process, _output: output })
    }
}

/// Ended with the value, by its id.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
