//! A mail server of other people, as `cargo xtask setup` installed it.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use crate::clients::python;

/// How long it may take to start, or a letter to arrive.
const PATIENCE: Duration = Duration::from_secs(20);

/// aiosmtpd on a free port of this machine. Ended with the value.
pub struct MailServer {
    child: Child,
    port: u16,
    letters: Receiver<Value>,
}

impl MailServer {
    /// Starts it with arguments of `clients/python/smtp_server.py`.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let mut command = python("python-mail", "smtp_server.py");
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the mail server starts; `cargo xtask setup`");
        let stdout = child.stdout.take().expect("standard output is piped");
        let (said, letters) = channel();
        // Ends with the pipe, that is, with the process.
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            for line in lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok()) {
                let _ = said.send(line);
            }
        });
        let first = letters.recv_timeout(PATIENCE).expect("the mail server says its port");
        let port = first["port"].as_u64().and_then(|port| port.try_into().ok());
        Self { child, port: port.expect("a port"), letters }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The next letter that it took.
    ///
    /// # Panics
    /// When none comes.
    #[must_use]
    pub fn letter(&self) -> Value {
        self.letters.recv_timeout(PATIENCE).expect("a letter")
    }

    /// Ends it. What it took until then and nobody asked for.
    ///
    /// # Panics
    /// When it cannot be ended.
    #[must_use]
    pub fn rest(mut self) -> Vec<Value> {
        drop(self.child.stdin.take());
        self.child.kill().expect("it can be ended");
        self.letters.iter().collect()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
