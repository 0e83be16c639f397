//! A server process, started as an operator starts it.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::binaries::binary;

/// How long a process may take to say or to do what a test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running `mcp-server`. Ended with the value.
pub struct ServerProcess {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    lines: Receiver<()>,
}

impl ServerProcess {
    /// Starts `mcp-server` with these arguments, standard error collected.
    ///
    /// # Panics
    /// When there is no such binary: build it first (`cargo xtask test` does).
    #[must_use]
    pub fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binary("mcp-server"));
        command.args(arguments).args(["--log-format", "text"]);
        command.env_clear().envs(environment.iter().copied());
        Self::spawn(command)
    }

    /// Starts a prepared command.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the server starts; `cargo build --bins` makes it");
        let stderr = child.stderr.take().expect("standard error is piped");
        let log = Arc::new(Mutex::new(Vec::new()));
        let (said, lines) = channel();
        let collected = Arc::clone(&log);
        // Ends with the pipe, that is, with the process.
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                collected.lock().expect("nobody panics here").push(line);
                let _ = said.send(());
            }
        });
        Self { child, log, lines }
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything that was logged so far.
    ///
    /// # Panics
    /// Never in practice.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("nobody panics here").join("\n")
    }

    /// Waits for a line that holds `words`, and returns it.
    ///
    /// # Panics
    /// When no such line comes in time; shows what came instead.
    pub fn wait_for_line(&self, words: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.log().lines().find(|line| line.contains(words)).map(str::to_owned);
            if let Some(line) = line {
                return line;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    assert!(self.log().contains(words), "no {words:?} in:\n{}", self.log());
                }
            }
        }
    }

    /// Waits until the server listens, and returns where.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let line = self.wait_for_line("Listening on http");
        let address = line.rsplit("://").next().and_then(|rest| rest.split_whitespace().next());
        address.and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no address in {line}"))
    }

    /// Sends a signal by name, such as `TERM` or `HUP`.
    ///
    /// # Panics
    /// When `kill` fails.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").args(["-s", name, &self.pid().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// When it does not in time.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                return status;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        panic!("the server still runs; it said:\n{}", self.log());
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
