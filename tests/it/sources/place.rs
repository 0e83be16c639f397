//! A folder as the documents have one: the binaries in `bin`, every file where it is said to lie,
//! and a shell that takes the lines as they are printed.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use support::{Installation, Request, Response, ServerProcess, binary};
use tempfile::TempDir;

use crate::admin_folder::transcript;

/// What the two documents call the program.
pub(super) const PROGRAMS: [&str; 2] = ["pgedge-postgres-mcp", "pgedge-mcp-server"];

/// The token that the documents print.
pub(super) const PRINTED_TOKEN: &str = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ=";

/// The line that starts a server wherever nothing else is printed.
pub(super) const SERVE: &str = "./bin/pgedge-mcp-server -http";

/// A shell function that shows how a command line falls into words.
const SHOW_WORDS: &str = "words() { printf '%s\\0' \"$@\"; }\n";

/// The folder. Gone with the value.
pub(super) struct Place {
    folder: TempDir,
    /// What no printed line says: free ports, cheap hashes, and where PostgreSQL is.
    environment: Vec<(String, String)>,
    /// What stands before the server on its command line.
    before: &'static str,
}

impl Place {
    /// As the programs come: dear hashes, no file beside them.
    pub(super) fn new() -> Self {
        // The file system of the build: a link to a binary is at once where a copy takes its time.
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        fs::create_dir(folder.path().join("bin")).unwrap();
        for name in ["mcp-server", "mcp-admin"] {
            fs::hard_link(binary(name), folder.path().join("bin").join(name)).unwrap();
        }
        let place = Self { folder, environment: Vec::new(), before: "" };
        place.with("PATH", "/usr/bin:/bin").with("MCP_LOG_FORMAT", "text")
    }

    /// Where hashes and answers take no longer than they must.
    pub(super) fn quick() -> Self {
        Self::new()
            .with("MCP_PASSWORDS_BCRYPT_COST", "4")
            .with("MCP_PASSWORDS_MIN_RESPONSE_MS", "0")
    }

    /// The same with a PostgreSQL, and a port that nobody else has.
    pub(super) fn beside(installation: &Installation) -> Self {
        let postgres = installation.postgres();
        Self::quick()
            .with("PGHOST", &postgres.socket_dir().to_string_lossy())
            .with("PGPORT", &postgres.port().to_string())
            .with("PGDATABASE", "shop")
            .with("PGUSER", "agent")
            .with("MCP_HTTP_ADDRESS", "127.0.0.1:0")
    }

    /// Sets an environment variable.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes file modes bind the server even where the tests run as root.
    pub(super) fn bound_by_modes(mut self) -> Self {
        if fs::metadata(self.folder.path()).unwrap().uid() == 0 {
            self.before = "setpriv --bounding-set -dac_override,-dac_read_search ";
        }
        self
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Writes a file that only its owner may read, the name and the text as they are printed.
    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.path(&self.ours(name, "mcp-server"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, self.ours(text, "mcp-server")).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }

    /// Its permissions, as `chmod` takes them.
    pub(super) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    /// A printed text with our names (decision 1) and this folder for `/etc/pgedge` and `/path/to`.
    pub(super) fn ours(&self, printed: &str, program: &str) -> String {
        let folder = self.folder.path().to_string_lossy();
        let mut text = printed.to_owned();
        for theirs in PROGRAMS {
            text = text.replace(&format!("./bin/{theirs} "), &format!("./bin/{program} "));
            text = text.replace(theirs, "mcp-server");
        }
        text.replace("/etc/pgedge", &format!("{folder}/etc")).replace("/path/to", &folder)
    }

    /// Runs lines of shell.
    pub(super) fn shell(&self, lines: &str) -> Output {
        self.bash(lines).output().unwrap()
    }

    fn bash(&self, lines: &str) -> Command {
        let mut command = Command::new("bash");
        command.env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).args(["-c", lines]);
        command
    }

    /// A printed command of an operator: refused by the server, who names the line that `mcp-admin`
    /// takes (decision 2), and done by `mcp-admin`.
    pub(super) fn run(&self, printed: &str) -> Output {
        let refused = self.shell(&self.ours(printed, "mcp-server"));
        let told = transcript(&refused);
        let line = told.strip_prefix("This is a command of mcp-admin. Type:\n  mcp-admin ");
        let line = line.and_then(|rest| rest.strip_suffix("\nexit 64"));
        let line = line.unwrap_or_else(|| panic!("{printed}\n{told}"));
        let mut words = self.words(&self.ours(printed, "words").replace("./bin/words ", "words "));
        // What is secret is not repeated.
        if let Some(flag) = words.iter().position(|word| word == "-password") {
            words[flag + 1] = "PASSWORD".into();
        }
        assert!(!words.is_empty(), "{printed}");
        assert_eq!(self.words(&format!("words {line}")), words);
        self.shell(&self.ours(printed, "mcp-admin"))
    }

    fn words(&self, line: &str) -> Vec<String> {
        let shown = self.shell(&format!("{SHOW_WORDS}{line}")).stdout;
        let shown = String::from_utf8(shown).unwrap();
        shown.split_terminator('\0').map(str::to_owned).collect()
    }

    /// What such a command says, and its exit code.
    pub(super) fn said(&self, printed: &str) -> String {
        transcript(&self.run(printed))
    }

    /// Starts a server with a printed line, which may have other lines before it.
    pub(super) fn serve(&self, printed: &str) -> ServerProcess {
        let lines = self.ours(printed, "mcp-server");
        let command = format!("exec {}./bin/mcp-server ", self.before);
        ServerProcess::spawn(self.bash(&lines.replace("./bin/mcp-server ", &command)))
    }

    /// Sends the request of a printed `curl` line: its headers, its body, and no other.
    /// `put_in` replaces what is printed as an example.
    pub(super) fn curl(&self, printed: &str, put_in: &[(&str, &str)], to: SocketAddr) -> Response {
        let words = self.words(&printed.replacen("curl ", "words ", 1));
        let mut words = words.into_iter().map(|word| {
            put_in.iter().fold(word, |word, (example, real)| word.replace(example, real))
        });
        let (mut method, mut path, mut body) = ("GET".to_owned(), String::new(), String::new());
        let mut headers = Vec::new();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-X" => method = words.next().unwrap(),
                "-H" => headers.push(words.next().unwrap()),
                "-d" => body = words.next().unwrap(),
                url => path = url.split("://localhost:8080").nth(1).unwrap().into(),
            }
        }
        let host = format!("localhost:{}", to.port());
        let request = Request::new(&method, &path).header("Host", &host).body(&body);
        let with_header = |request: Request, header: &String| {
            let (name, value) = header.split_once(": ").unwrap();
            request.header(name, value)
        };
        headers.iter().fold(request, with_header).send(to)
    }

    /// Writes a printed sample and runs it with the Python or the Node of the clients, told by the name of the
    /// file. What it prints.
    pub(super) fn sample(&self, name: &str, text: &str) -> String {
        self.write(name, text);
        let path = self.path(name);
        let script = path.to_str().unwrap();
        let mut command = match Path::new(name).extension() {
            Some(suffix) if suffix == "py" => support::clients::python("python-mcp2", script),
            _ => support::clients::node(script),
        };
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }
}

/// Status and JSON of an answer.
pub(super) fn answered(response: &Response) -> (u16, Value) {
    (response.status, response.json())
}

/// The same text with what no two runs have in common replaced by what is printed.
pub(super) fn as_printed<'a>(
    text: &str,
    pieces: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    pieces.into_iter().fold(text.to_owned(), |text, (ours, printed)| text.replace(ours, printed))
}
