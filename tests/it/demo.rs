//! `mcp-server demo`: one command, and nothing left behind.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use support::binary;

/// A running demo, and what it printed until the last line of its banner.
struct Demo {
    child: Child,
    banner: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(binary("mcp-server"))
            .args(["demo", "--addr", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut banner = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        while !banner.contains("Ctrl-C ends it") {
            assert_ne!(lines.read_line(&mut banner).unwrap(), 0, "the demo ended: {banner}");
        }
        Self { child, banner }
    }

    fn line(&self, start: &str) -> &str {
        self.banner.lines().find(|line| line.starts_with(start)).unwrap()
    }

    fn postgres(&self) -> Option<u32> {
        let children =
            Command::new("pgrep").args(["-P", &self.child.id().to_string()]).output().unwrap();
        String::from_utf8(children.stdout).unwrap().lines().next()?.parse().ok()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn is_running(pid: u32) -> bool {
    // A process that ended and waits to be collected runs no longer.
    std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim().starts_with('Z'))
}

fn wait_until_gone(pid: u32) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while is_running(pid) {
        assert!(Instant::now() < deadline, "process {pid} still runs");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

#[test]
fn the_printed_curl_line_answers_with_rows() {
    let demo = Demo::start();
    let curl = demo.line("curl -s ");
    let output = Command::new("bash").args(["-c", curl]).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = answer["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.starts_with("name\tprice\n"), "{text}");
    assert_eq!(text.lines().count(), 7, "{text}");
    let start = demo.banner.find("\n{\n").unwrap();
    let end = demo.banner.rfind("\n}\n").unwrap();
    let client: serde_json::Value = serde_json::from_str(&demo.banner[start..end + 3]).unwrap();
    let token = demo.line("Token: ").trim_start_matches("Token: ");
    let header = &client["mcpServers"]["shop"]["headers"]["Authorization"];
    assert_eq!(header, &format!("Bearer {token}"));
}

#[test]
fn ctrl_c_ends_it_and_leaves_nothing_running() {
    let mut demo = Demo::start();
    let postgres = demo.postgres().unwrap();
    let kill = Command::new("kill").args(["-s", "INT", &demo.child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
    wait_until_gone(postgres);
}

#[test]
fn kill_9_leaves_no_running_postgres() {
    let mut demo = Demo::start();
    let postgres = demo.postgres().unwrap();
    assert!(is_running(postgres));
    demo.child.kill().unwrap();
    demo.child.wait().unwrap();
    wait_until_gone(postgres);
}
