//! A folder with a configuration, and `mcp-admin` in it: run as a command, and typed to on a
//! terminal.

use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mcp_store_file::{FileAccounts, FileAccountsSettings};
use serde_json::Value;
use support::binary;
use tempfile::TempDir;

/// How long a prompt may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two databases, files of its own, and hashes that cost little.
const CONFIG: &str = "\
http:
  auth:
    token_file: tokens.yaml
    user_file: users.yaml
databases:
  - name: production
    host: localhost
  - name: staging
    host: localhost
passwords:
  bcrypt_cost: 4
  argon2_memory_kib: 8192
";

/// The folder. Gone with the value.
pub(crate) struct Admin {
    folder: TempDir,
}

impl Admin {
    pub(crate) fn new() -> Self {
        let admin = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(admin.path("mcp-server.yaml"), CONFIG).unwrap();
        admin
    }

    pub(crate) fn with_tokens(text: &str) -> Self {
        let admin = Self::new();
        admin.write("tokens.yaml", text);
        admin
    }

    pub(crate) fn with_users(text: &str) -> Self {
        let admin = Self::new();
        admin.write("users.yaml", text);
        admin
    }

    /// Adds lines to the configuration.
    pub(crate) fn configure(&self, more: &str) {
        let config = self.text("mcp-server.yaml") + more;
        fs::write(self.path("mcp-server.yaml"), config).unwrap();
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("mcp-admin"));
        command.env_clear().stdin(Stdio::null()).current_dir(self.folder.path());
        command.args(["-config", "mcp-server.yaml"]).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// With something on standard input.
    pub(crate) fn feed(&self, input: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // Who asks for nothing reads nothing.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Adds a user whose password keeps the policy.
    pub(crate) fn add_user(&self, name: &str, more: &[&str]) {
        let arguments = [&["users", "add", name, "--password-stdin"], more].concat();
        let added = self.feed("SecurePassword123!\n", &arguments);
        assert!(added.status.success(), "{}", transcript(&added));
    }

    /// What the operator sees, and the exit code.
    pub(crate) fn transcript(&self, arguments: &[&str]) -> String {
        transcript(&self.run(arguments))
    }

    /// Standard output alone, of a command that succeeds.
    pub(crate) fn stdout(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{}", transcript(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.stdout(&[arguments, &["--json"]].concat())).unwrap()
    }

    /// Runs a line of shell with the binary in `$ADMIN`.
    pub(crate) fn shell(&self, line: &str) -> Output {
        let mut command = Command::new("bash");
        command.env_clear().env("ADMIN", binary("mcp-admin")).env("PATH", "/usr/bin:/bin");
        command.current_dir(self.folder.path()).stdin(Stdio::null()).args(["-c", line]);
        command.output().unwrap()
    }

    /// The same files as a server has them.
    pub(crate) fn store(&self) -> FileAccounts {
        let settings = FileAccountsSettings::new(self.path("users.yaml"), self.folder.path());
        FileAccounts::open(settings, std::time::SystemTime::UNIX_EPOCH).unwrap()
    }
}

pub(crate) fn transcript(output: &Output) -> String {
    let mut text = String::from_utf8(output.stdout.clone()).unwrap();
    text.push_str(&String::from_utf8(output.stderr.clone()).unwrap());
    let _ = write!(text, "exit {}", output.status.code().unwrap());
    text
}

/// A pseudo-terminal with `mcp-admin` on it, and somebody who reads before he types.
pub(crate) struct Terminal {
    child: Child,
    keys: ChildStdin,
    screen: Arc<Screen>,
    /// What was waited for lies before it.
    read: usize,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Terminal {
    /// Types this command line, and looks at the terminal's modes before and after.
    pub(crate) fn open(admin: &Admin, arguments: &str) -> Self {
        let line = format!(
            "trap : INT; stty -a > before; \"$ADMIN\" --config mcp-server.yaml {arguments}; \
             code=$?; stty -a > after; echo exit $code"
        );
        let mut child = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .env_clear()
            .env("ADMIN", binary("mcp-admin"))
            .env("PATH", "/usr/bin:/bin")
            .env("SHELL", "/bin/bash")
            .current_dir(admin.folder())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = Arc::new(Screen::default());
        let (shown, mut output) = (Arc::clone(&screen), child.stdout.take().unwrap());
        // Ends with the terminal.
        std::thread::spawn(move || {
            let mut part = [0; 1024];
            while let Ok(count @ 1..) = output.read(&mut part) {
                shown.shown.lock().unwrap().extend_from_slice(&part[..count]);
                shown.more.notify_all();
            }
        });
        let keys = child.stdin.take().unwrap();
        Self { child, keys, screen, read: 0 }
    }

    /// Everything that appeared, with plain ends of lines.
    pub(crate) fn seen(&self) -> String {
        plain(&self.screen.shown.lock().unwrap())
    }

    /// Waits until this appears behind what was waited for before.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let shown = self.screen.shown.lock().unwrap();
        let place = |shown: &Vec<u8>| plain(shown).get(self.read..)?.find(text);
        let waited =
            self.screen.more.wait_timeout_while(shown, PATIENCE, |shown| place(shown).is_none());
        let (shown, _) = waited.unwrap();
        let found = place(&shown);
        let found = found.unwrap_or_else(|| panic!("{text:?} did not appear in {}", plain(&shown)));
        self.read += found + text.len();
    }

    /// Waits for the question, then types.
    pub(crate) fn answer(&mut self, question: &str, keys: &str) {
        self.wait_for(question);
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// The exit code of the command.
    pub(crate) fn exit(mut self) -> i32 {
        self.wait_for("exit ");
        self.wait_for("\n");
        let seen = self.seen();
        let code = seen.trim_end().rsplit("exit ").next().unwrap().parse().unwrap();
        drop(self.keys);
        self.child.wait().unwrap();
        code
    }
}

fn plain(shown: &[u8]) -> String {
    String::from_utf8_lossy(shown).replace("\r\n", "\n")
}
