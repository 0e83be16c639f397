//! HAProxy as the operator's guide sets it up, word for word, in a folder and on a port of its own.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const GUIDE: &str = include_str!("../../../docs/operating.md");

/// A running HAProxy. Ended with the value.
pub(super) struct Balancer {
    child: Child,
    address: SocketAddr,
    folder: TempDir,
}

impl Balancer {
    /// Spreads requests over the servers of these names.
    pub(super) fn before(servers: &[(&str, SocketAddr)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("haproxy.cfg");
        fs::write(&path, configuration(folder.path(), servers)).unwrap();
        // It listens on what it is given: nobody can take the port between choice and use.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let child = Command::new(program())
            .args(["-db", "-f"])
            .arg(&path)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .stderr(File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap_or_else(|fault| panic!("{fault}: `cargo xtask setup` installs HAProxy"));
        let started = Self { child, address, folder };
        let sends = || servers.iter().all(|(name, _)| started.sends_to(name));
        assert!(support::eventually(sends), "{}", started.log());
        started
    }

    /// Where clients find it.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Whether requests go to the server of that name.
    pub(super) fn sends_to(&self, name: &str) -> bool {
        const RUNNING: &str = "2";
        let state = self.told("show servers state servers").unwrap_or_default();
        state.lines().any(|line| {
            let mut fields = line.split(' ').skip(3);
            fields.next() == Some(name) && fields.nth(1) == Some(RUNNING)
        })
    }

    /// Says that a server has come back at another address.
    pub(super) fn moved(&self, name: &str, to: SocketAddr) {
        let (ip, port) = (to.ip(), to.port());
        let said = self.told(&format!("set server servers/{name} addr {ip} port {port}")).unwrap();
        assert!(said.contains("changed"), "{said}");
    }

    /// Sets what is wanted of a server: `ready`, or `drain` for one that gets nothing new.
    pub(super) fn set_state(&self, name: &str, state: &str) {
        let said = self.told(&format!("set server servers/{name} state {state}")).unwrap();
        assert_eq!(said.trim(), "");
    }

    /// How many requests a server has that are not answered.
    pub(super) fn requests_at(&self, name: &str) -> u32 {
        let table = self.told("show stat").unwrap();
        let of_server = format!("servers,{name},");
        let row = table.lines().find_map(|row| row.strip_prefix(&of_server)).unwrap();
        row.split(',').nth(2).unwrap().parse().unwrap()
    }

    fn told(&self, command: &str) -> std::io::Result<String> {
        let mut stream = UnixStream::connect(self.folder.path().join("s"))?;
        stream.write_all(format!("{command}\n").as_bytes())?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the guide prints, with other places, and a pace of the checks at which a test can wait.
fn configuration(folder: &Path, servers: &[(&str, SocketAddr)]) -> String {
    let printed = GUIDE.split("```haproxy\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut text = String::new();
    for line in printed.unwrap().lines() {
        match line.split_whitespace().next() {
            Some("stats") => {
                let socket = folder.join("s");
                write!(text, "    stats socket {} level admin", socket.display()).unwrap();
            }
            Some("bind") => text.push_str("    bind fd@0"),
            Some("default-server") => text.push_str(&line.replace("inter 1s", "inter 100ms")),
            Some("server") => continue,
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    for (name, address) in servers {
        writeln!(text, "    server {name} {address}").unwrap();
    }
    text
}

/// Debian's place is not on the path of everybody.
fn program() -> &'static str {
    const DEBIAN: &str = "/usr/sbin/haproxy";
    if Path::new(DEBIAN).exists() { DEBIAN } else { "haproxy" }
}
