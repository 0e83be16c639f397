//! The fixture: a server of this project that offers every feature of the protocol, behind the
//! product's authentication.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use tempfile::TempDir;

use crate::binaries::binary;
use crate::installation::token_of;

/// A running fixture, and a token that it takes. Ended with the value.
pub struct FixtureServer {
    child: Child,
    url: String,
    token: String,
    _token_file: TempDir,
    /// Kept open: what the fixture says has to go somewhere.
    _output: BufReader<ChildStdout>,
}

impl FixtureServer {
    /// Starts one on a free port.
    ///
    /// # Panics
    /// When it does not listen.
    #[must_use]
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let token_file = directory.path().join("tokens.yaml");
        let mut admin = Command::new(binary("mcp-admin"));
        admin.arg("--token-file").arg(&token_file).args(["tokens", "add", "--note", "test"]);
        let token = token_of(&admin.env_clear().output().expect("mcp-admin runs"));
        let mut child = Command::new(binary("examples/conformance_server"))
            .args(["--listen", "127.0.0.1:0", "--token-file"])
            .arg(&token_file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the fixture starts");
        let mut output = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut line = String::new();
        output.read_line(&mut line).expect("the fixture says where it listens");
        let url = line.trim().strip_prefix("listening on ").expect("a URL").to_owned();
        Self { child, url, token, _token_file: directory, _output: output }
    }

    /// Its endpoint.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A good token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

impl Drop for FixtureServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
