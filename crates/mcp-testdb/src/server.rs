//! One throwaway server.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::account::Account;
use crate::binaries::{Binaries, Locate};
use crate::cache::{self, InstanceDir};
use crate::error::Error;
use crate::options::{Options, Tcp};
use crate::process::Process;

/// The longest start that is waited for; a normal one takes a quarter of a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Fast and forgetful: nothing survives a crash, and nothing is meant to.
const SETTINGS: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("max_wal_size", "64MB"),
    ("min_wal_size", "2MB"),
    ("shared_buffers", "16MB"),
    ("max_connections", "100"),
    ("autovacuum", "off"),
    ("logging_collector", "off"),
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
];

/// A running PostgreSQL whose superuser is `postgres`. Stopped and removed with the value; a
/// killed process takes it along (on Linux), and its files are swept by the next one.
pub struct Postgres {
    // Before `dir`: the process must be gone when its files go.
    process: Option<Process>,
    dir: InstanceDir,
    binaries: Binaries,
    account: Account,
    options: Options,
    port: u16,
}

impl Postgres {
    /// Starts a server of its own. The template is kept in `cache_dir` (made if absent), which
    /// only this user may write to and the account `postgres` must be able to enter.
    ///
    /// Keep the path short: a Unix socket's path has at most 107 bytes.
    pub fn start(locate: &Locate, cache_dir: &Path, options: Options) -> Result<Self, Error> {
        let binaries = locate.find()?;
        let account = Account::choose(&binaries)?;
        let dir = cache::instantiate(cache_dir, &binaries, account)?;
        make_socket_dir(&dir, account)?;
        let mut server = Self { process: None, dir, binaries, account, options, port: 5432 };
        match server.options.tcp.clone() {
            None => server.resume()?,
            Some(tcp) => server.start_with_tcp(&tcp)?,
        }
        Ok(server)
    }

    /// A standby of this server, as it is now and as it changes from here on. It is promoted by
    /// `SELECT pg_promote()`, and ends like any other.
    ///
    /// Takes a server on its socket alone, with the settings `wal_level` `replica` and
    /// `max_wal_senders` from 2 on.
    pub fn standby(&self) -> Result<Self, Error> {
        let (binaries, account) = (self.binaries.clone(), self.account);
        let cache_dir = self.dir.path().parent().unwrap_or(self.dir.path());
        let dir = cache::claim_empty(cache_dir, account)?;
        make_socket_dir(&dir, account)?;
        let program = binaries.program("pg_basebackup");
        let output = account
            .command(&binaries, program.as_os_str())
            .arg("--pgdata")
            .arg(dir.path().join("data"))
            .args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"])
            .args(["--no-sync", "--username=postgres", "--port", &self.port.to_string(), "--host"])
            .arg(self.socket_dir())
            .stdin(Stdio::null())
            .output()
            .map_err(Error::file(&program))?;
        if !output.status.success() {
            let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(Error::Program { program: "pg_basebackup", output });
        }
        let options = Options { tcp: None, settings: self.options.settings.clone() };
        let mut server = Self { process: None, dir, binaries, account, options, port: 5432 };
        server.resume()?;
        Ok(server)
    }

    /// A server for a test: programs from `$PG_BINDIR`, the path or the usual places, the
    /// template in the directory for temporary files.
    pub fn for_tests() -> Result<Self, Error> {
        Self::for_tests_with(Options::default())
    }

    /// [`Postgres::for_tests`], with options.
    #[expect(clippy::disallowed_methods, reason = "a test has nobody who hands it its environment")]
    pub fn for_tests_with(options: Options) -> Result<Self, Error> {
        let locate = Locate {
            bin_dir: std::env::var_os("PG_BINDIR").map(PathBuf::from),
            path: std::env::var_os("PATH"),
        };
        let user = rustix::process::geteuid().as_raw();
        let cache = std::env::temp_dir().join(format!("mcp-testdb-{user}"));
        Self::start(&locate, &cache, options)
    }

    /// The directory of the Unix socket; only its owner and root may enter it.
    #[must_use]
    pub fn socket_dir(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    /// The port, which also names the socket: `<socket_dir>/.s.PGSQL.<port>`.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How to reach a database as the superuser over the Unix socket.
    #[must_use]
    pub fn dsn(&self, database: &str) -> String {
        self.dsn_as("postgres", database)
    }

    /// How to reach a database as some user over the Unix socket, which asks for no password.
    #[must_use]
    pub fn dsn_as(&self, user: &str, database: &str) -> String {
        let host = escape(&self.socket_dir().to_string_lossy());
        let (user, database) = (escape(user), escape(database));
        format!("postgresql://{user}@/{database}?host={host}&port={}", self.port)
    }

    /// The postmaster's process id. `None` while it is stopped.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Runs SQL as the superuser, many statements if need be, by `psql`. What it prints comes
    /// back unaligned and without headers: a line per row, columns separated by `|`.
    pub fn execute(&self, database: &str, sql: &str) -> Result<String, Error> {
        let psql = self.binaries.program("psql");
        let mut child = self
            .account
            .command(&self.binaries, psql.as_os_str())
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", "-"])
            .arg("--host")
            .arg(self.socket_dir())
            .args(["--port", &self.port.to_string(), "--username=postgres", "--dbname", database])
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(Error::file(&psql))?;
        let stdin = child.stdin.take();
        // Written beside the reading: a long script and a long answer would block each other.
        let output = std::thread::scope(|scope| {
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(sql.as_bytes())));
            child.wait_with_output()
        })
        .map_err(Error::file(&psql))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let output = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::Program { program: "psql", output })
    }

    /// Stops the server as `pg_ctl stop -m fast` does: connections are cut. Data stays for
    /// [`Postgres::resume`]. Does nothing when it is stopped.
    pub fn stop(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::INT);
        }
    }

    /// Stops the server as `pg_ctl stop -m immediate` does: at once, as if it had crashed. Does
    /// nothing when it is stopped.
    pub fn crash(&mut self) {
        if let Some(process) = self.process.take() {
            process.stop(Signal::QUIT);
        }
    }

    /// Starts the server again at the same address. Does nothing when it runs.
    pub fn resume(&mut self) -> Result<(), Error> {
        if self.process.is_some() {
            return Ok(());
        }
        let log = self.log_path();
        let stderr = File::options().create(true).append(true).open(&log);
        let postgres = self.binaries.program("postgres");
        let mut command = self.account.command(&self.binaries, postgres.as_os_str());
        command.arg("-D").arg(self.data_dir()).args(["-p", &self.port.to_string()]);
        command.arg("-c").arg(format!("unix_socket_directories={}", self.socket_dir().display()));
        command.args(self.settings());
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(stderr.map_err(Error::file(&log))?);
        let process = Process::spawn(command).map_err(Error::file(&postgres))?;
        match self.await_ready(&process) {
            Ok(()) => {
                self.process = Some(process);
                Ok(())
            }
            Err(error) => {
                process.stop(Signal::QUIT);
                Err(error)
            }
        }
    }

    /// [`Postgres::stop`], then [`Postgres::resume`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop();
        self.resume()
    }

    fn start_with_tcp(&mut self, tcp: &Tcp) -> Result<(), Error> {
        const ATTEMPTS: u32 = 5;
        let hba = match &tcp.tls {
            None => "host all all 127.0.0.1/32 scram-sha-256",
            Some(files) if files.client_ca.is_some() => {
                "hostssl all all 127.0.0.1/32 scram-sha-256 clientcert=verify-ca"
            }
            Some(_) => "hostssl all all 127.0.0.1/32 scram-sha-256",
        };
        let path = self.data_dir().join("pg_hba.conf");
        fs::write(&path, format!("local all all trust\n{hba}\n")).map_err(Error::file(&path))?;
        for (from, name) in tls_files(tcp) {
            cache::copy_private(from, &self.dir.path().join(name), self.account)?;
        }
        // Between the choice of a port and its use somebody else may take it.
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.port = free_port()?;
            match self.resume() {
                Ok(()) => break,
                Err(error) if attempts == ATTEMPTS => return Err(error),
                Err(_) => {}
            }
        }
        let password = tcp.password.replace('\'', "''");
        self.execute(
            "postgres",
            &format!(
                "SET password_encryption = 'scram-sha-256';\n\
                 ALTER USER postgres PASSWORD '{password}';"
            ),
        )?;
        Ok(())
    }

    /// `-c name=value` for every setting; a later one wins.
    fn settings(&self) -> Vec<String> {
        let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let mut settings: Vec<_> = SETTINGS.iter().map(owned).collect();
        if let Some(tcp) = &self.options.tcp {
            settings.push(("listen_addresses".into(), "127.0.0.1".into()));
            for (_, name) in tls_files(tcp) {
                settings.push(("ssl".into(), "on".into()));
                settings.push((name.into(), self.dir.path().join(name).display().to_string()));
            }
        }
        settings.extend(self.options.settings.iter().cloned());
        let flags = |(name, value)| ["-c".to_owned(), format!("{name}={value}")];
        settings.into_iter().flat_map(flags).collect()
    }

    /// Waits until `postmaster.pid` says `ready`, in the eighth line of this very process.
    fn await_ready(&self, process: &Process) -> Result<(), Error> {
        const STEP: Duration = Duration::from_millis(5);
        let pid_file = self.data_dir().join("postmaster.pid");
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if process.wait(STEP) {
                return Err(Error::Program { program: "postgres", output: self.log_end() });
            }
            let text = fs::read_to_string(&pid_file).unwrap_or_default();
            let mut lines = text.lines();
            let ours = lines.next().is_some_and(|pid| pid == process.id().to_string());
            if ours && lines.nth(6).is_some_and(|status| status.trim() == "ready") {
                return Ok(());
            }
        }
        Err(Error::NotReady { log: self.log_end() })
    }

    fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn log_path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log_path()).unwrap_or_default();
        let mut lines: Vec<_> = log.lines().rev().take(10).collect();
        lines.reverse();
        lines.join("\n")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(process) = self.process.take() {
            // Nothing is worth a checkpoint.
            process.stop(Signal::QUIT);
        }
    }
}

fn make_socket_dir(dir: &InstanceDir, account: Account) -> Result<(), Error> {
    let socket_dir = dir.path().join("s");
    DirBuilder::new().mode(0o700).create(&socket_dir).map_err(Error::file(&socket_dir))?;
    account.give(&socket_dir)
}

/// Each given file, and the name of its copy, which is that of its setting.
fn tls_files(tcp: &Tcp) -> Vec<(&Path, &'static str)> {
    tcp.tls.as_ref().map_or_else(Vec::new, |files| {
        let mut listed = vec![
            (files.certificate.as_path(), "ssl_cert_file"),
            (files.key.as_path(), "ssl_key_file"),
        ];
        listed.extend(files.client_ca.as_deref().map(|ca| (ca, "ssl_ca_file")));
        listed
    })
}

fn free_port() -> Result<u16, Error> {
    let found = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    found
        .map(|address| address.port())
        .map_err(|source: io::Error| Error::File { path: "127.0.0.1".into(), source })
}

/// Percent-encoding of everything that could end a part of a URL.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
    }
    escaped
}
