//! A folder of credential files as an operator writes them by hand, and the server on it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use mcp_identity::TokenHash;
use serde_json::{Value, json};
use support::{Request, Response, ServerProcess};

use crate::admin_folder::Admin;

pub(crate) const PASSWORD: &str = "SecurePassword123!";

/// Of [`PASSWORD`], at the least cost there is.
const PASSWORD_HASH: &str = "$2b$04$M2TM5Ma.1gXLP6fLdSm0de49UbqggQrx8T5pBM56QMglC9fDLQSjW";

/// Cheap hashes, no floor under the time of an answer, and as many failures as there may be: who
/// waits for a change asks again and again.
const CONFIG: &str = "\
http:
  enabled: true
  address: \"127.0.0.1:0\"
  auth:
    token_file: tokens.yaml
    user_file: users.yaml
    bearer_failures: 100000
    rate_limit_max_attempts: 10000
passwords:
  bcrypt_cost: 4
  min_response_ms: 0
state:
  directory: .
";

const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// A folder with that configuration, and no credential file yet.
pub(crate) fn folder() -> Admin {
    let folder = Admin::new();
    folder.write("mcp-server.yaml", CONFIG);
    folder
}

/// Starts the server on it.
pub(crate) fn serve(folder: &Admin) -> ServerProcess {
    ServerProcess::start(&["--config", &folder.path("mcp-server.yaml").to_string_lossy()], &[])
}

/// What `/health` says.
pub(crate) fn health(to: SocketAddr) -> String {
    let answer = Request::new("GET", "/health").send(to).json();
    answer["status"].as_str().unwrap().to_owned()
}

pub(crate) fn opens(to: SocketAddr, token: &str) -> bool {
    let response = Request::raw_mcp(LIST).bearer(token).send(to);
    assert!([200, 401].contains(&response.status), "{}", response.status);
    response.status == 200
}

pub(crate) fn login_of(name: &str, password: &str) -> Request {
    let arguments = json!({ "username": name, "password": password });
    let params = json!({ "name": "authenticate_user", "arguments": arguments });
    Request::mcp(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params }))
}

/// The session that a login opened; `None`: it was refused.
pub(crate) fn session_in(response: &Response) -> Option<String> {
    let answer = response.json();
    if answer["error"].is_object() {
        return None;
    }
    let text = answer["result"]["content"][0]["text"].as_str();
    let said: Value = serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap();
    Some(said["session_token"].as_str().unwrap().to_owned())
}

pub(crate) fn log_in(to: SocketAddr, name: &str) -> Option<String> {
    session_in(&login_of(name, PASSWORD).send(to))
}

/// The two files, and the credentials of a name in each: a token, and a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Tokens,
    Users,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Tokens, Self::Users];

    pub(crate) fn file(self) -> &'static str {
        match self {
            Self::Tokens => "tokens.yaml",
            Self::Users => "users.yaml",
        }
    }

    /// A whole file with the credentials of these names.
    pub(crate) fn text(self, names: &[&str]) -> String {
        let entries: String = names.iter().map(|name| self.entry(name)).collect();
        match (self, names) {
            (Self::Tokens, []) => "tokens: []\n".to_owned(),
            (Self::Users, []) => "users: {}\n".to_owned(),
            (Self::Tokens, _) => format!("tokens:\n{entries}"),
            (Self::Users, _) => format!("users:\n{entries}"),
        }
    }

    /// The entry of a name, with the last key of all at its end.
    pub(crate) fn entry(self, name: &str) -> String {
        match self {
            Self::Tokens => {
                let hash = hash_of(name);
                format!(
                    "  - id: {name}\n    hash: {hash}\n    created_at: \"2026-01-02T03:04:05Z\"\n    \
                     note: ''\n"
                )
            }
            Self::Users => format!(
                "  {name}:\n    username: {name}\n    password_hash: {PASSWORD_HASH}\n    \
                 created_at: \"2026-01-02T03:04:05Z\"\n    annotation: ''\n    enabled: true\n"
            ),
        }
    }

    /// Do the credentials of that name open the door?
    pub(crate) fn lets_in(self, to: SocketAddr, name: &str) -> bool {
        match self {
            Self::Tokens => opens(to, &token_of(name)),
            Self::Users => log_in(to, name).is_some(),
        }
    }

    /// A credential of that name that is in use: the token, or a session of the user.
    pub(crate) fn in_use(self, to: SocketAddr, name: &str) -> String {
        match self {
            Self::Tokens => token_of(name),
            Self::Users => log_in(to, name).unwrap(),
        }
    }
}

/// The token whose entry has that id.
pub(crate) fn token_of(name: &str) -> String {
    format!("the-token-of-{name}")
}

pub(crate) fn hash_of(name: &str) -> String {
    TokenHash::of_presented(token_of(name).as_bytes()).to_hex()
}

/// Puts a private file in the place of another, as careful writers do.
pub(crate) fn put(path: &Path, text: &str) {
    let new = sibling(path, ".new");
    write_private(&new, text);
    fs::rename(new, path).unwrap();
}

/// Writes to a file, which is private if it is made now.
pub(crate) fn write_private(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create(true).truncate(true).mode(0o600).open(path);
    opened.unwrap().write_all(text.as_bytes()).unwrap();
}

/// The path with something at its end.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
