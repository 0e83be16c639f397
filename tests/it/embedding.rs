//! The example of `docs/embedding.md`, started as its reader starts it.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Request, Response, ServerProcess, binary};
use tempfile::TempDir;

/// The service at work, on a token file of its own.
struct Service {
    directory: TempDir,
    _process: ServerProcess,
    address: SocketAddr,
    token: String,
}

impl Service {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token = add_token(directory.path());
        let mut command = Command::new(binary("examples/axum_service"));
        command.arg(directory.path().join("tokens.yaml"));
        let process = ServerProcess::spawn(command);
        let address = process.address();
        Self { directory, _process: process, address, token }
    }

    fn ask(&self, token: &str) -> Response {
        Request::new("GET", "/").bearer(token).send(self.address)
    }

    /// Asks until the answer has this status: a change of the file takes its moment.
    fn wait_for(&self, status: u16, token: &str) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.ask(token).status != status {
            assert!(Instant::now() < deadline, "never {status}");
        }
    }

    fn remove_newest(&self) {
        let listed = admin(self.directory.path(), &["tokens", "list"]);
        let mut ids = listed.lines().filter_map(|line| line.strip_prefix("ID: "));
        admin(self.directory.path(), &["tokens", "remove", ids.next_back().unwrap()]);
    }
}

fn admin(directory: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(binary("mcp-admin"));
    command.arg("--token-file").arg(directory.join("tokens.yaml")).args(arguments);
    let output = command.env_clear().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn add_token(directory: &Path) -> String {
    let added = admin(directory, &["tokens", "add", "--note", "test"]);
    let token = added.lines().find_map(|line| line.strip_prefix("Token: "));
    token.unwrap_or_else(|| panic!("{added}")).to_owned()
}

#[test]
fn the_document_shows_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let example = read("crates/mcp-auth-http/examples/axum_service.rs");
    let shown = format!("```rust\n{example}```\n");
    let document = read("docs/embedding.md");
    assert!(document.contains(&shown), "put the example into docs/embedding.md again");
}

#[test]
fn a_token_of_mcp_admin_opens_the_service_and_nothing_else_does() {
    let service = Service::start();
    let answer = service.ask(&service.token);
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with("token:"), "{}", answer.text());
    let stranger = Request::new("GET", "/").send(service.address);
    assert_eq!((stranger.status, stranger.header("www-authenticate")), (401, Some("Bearer")));
    let bad = service.ask("not-a-token");
    assert_eq!((bad.status, bad.text()), (401, r#"{"error":"Unauthorized"}"#));
}

#[test]
fn a_token_made_while_the_service_runs_is_good_and_a_removed_one_is_not() {
    let service = Service::start();
    let token = add_token(service.directory.path());
    service.wait_for(200, &token);
    service.remove_newest();
    service.wait_for(401, &token);
    assert_eq!(service.ask(&service.token).status, 200);
}

#[test]
fn removing_a_token_cuts_the_request_that_it_is_used_for() {
    let service = Service::start();
    let token = add_token(service.directory.path());
    service.wait_for(200, &token);
    let waiting = Request::new("GET", "/wait").bearer(&token);
    let address = service.address;
    let waiting = std::thread::spawn(move || waiting.send(address));
    service.remove_newest();
    assert_eq!(waiting.join().unwrap().status, 401);
}
