//! What an operator sets up: a database, a configuration file, a token file.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use mcp_testdb::Postgres;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::binary;
use crate::http::{Request, Response};
use crate::process::ServerProcess;

/// A directory with a configuration and a token, and a PostgreSQL of its own.
pub struct Installation {
    directory: TempDir,
    postgres: Postgres,
    token: String,
}

impl Installation {
    /// A fresh PostgreSQL with this SQL run in a database `shop`, and one token for it.
    ///
    /// # Panics
    /// When any of it cannot be set up.
    #[must_use]
    pub fn new(sql: &str) -> Self {
        Self::on(Postgres::for_tests().expect("PostgreSQL starts; `cargo xtask setup`"), sql)
    }

    /// The same on a PostgreSQL that was started with settings of its own.
    ///
    /// # Panics
    /// When any of it cannot be set up.
    #[must_use]
    pub fn on(postgres: Postgres, sql: &str) -> Self {
        postgres.execute("postgres", "CREATE DATABASE shop").expect("a database");
        postgres.execute("postgres", "CREATE ROLE agent LOGIN").expect("a role");
        let grants = "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO agent;";
        postgres.execute("shop", &format!("{grants}{sql}")).expect("the fixture runs");
        let directory = tempfile::tempdir().expect("a directory");
        let mut made = Self { directory, postgres, token: String::new() };
        made.write_config("");
        made.token = made.add_token(&[]);
        made
    }

    /// Writes the configuration file again, with more YAML at its end.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_config(&self, more: &str) {
        self.write_config_with("", more);
    }

    /// The same with a file of users, and more YAML under `http.auth`.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn write_config_with_users(&self, auth: &str, more: &str) {
        self.write_config_with(&format!("    user_file: users.yaml\n{auth}"), more);
    }

    fn write_config_with(&self, auth: &str, more: &str) {
        let socket = self.postgres.socket_dir();
        let port = self.postgres.port();
        let text = format!(
            "http:\n  enabled: true\n  address: \"127.0.0.1:0\"\n  auth:\n    token_file: \
             tokens.yaml\n{auth}databases:\n  - name: shop\n    host: {}\n    port: {port}\n    \
             database: shop\n    user: agent\n{more}state:\n  directory: .\n",
            socket.display()
        );
        fs::write(self.config(), text).expect("the configuration can be written");
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.directory.path().join("mcp-server.yaml")
    }

    /// The token file.
    #[must_use]
    pub fn token_file(&self) -> PathBuf {
        self.directory.path().join("tokens.yaml")
    }

    /// The directory of both.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The token that was made with the installation.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The database server.
    #[must_use]
    pub fn postgres(&self) -> &Postgres {
        &self.postgres
    }

    /// The database server, to stop and start it.
    pub fn postgres_mut(&mut self) -> &mut Postgres {
        &mut self.postgres
    }

    /// Runs `mcp-admin` on this installation.
    ///
    /// # Panics
    /// When the binary cannot be run.
    #[must_use]
    pub fn admin(&self, arguments: &[&str]) -> Output {
        Command::new(binary("mcp-admin"))
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .env_clear()
            .output()
            .expect("mcp-admin runs")
    }

    /// Runs `mcp-admin` on this installation, with something on its standard input.
    ///
    /// # Panics
    /// When the binary cannot be run.
    #[must_use]
    pub fn admin_reading(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = Command::new(binary("mcp-admin"))
            .arg("--config")
            .arg(self.config())
            .args(arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("mcp-admin runs");
        let mut stdin = child.stdin.take().expect("a pipe");
        stdin.write_all(input.as_bytes()).expect("it reads its input");
        drop(stdin);
        child.wait_with_output().expect("mcp-admin ends")
    }

    /// Makes a token with these arguments behind `tokens add`, and returns it.
    ///
    /// # Panics
    /// When none is made.
    #[must_use]
    pub fn add_token(&self, arguments: &[&str]) -> String {
        token_of(&self.admin(&[&["tokens", "add", "--note", "test"], arguments].concat()))
    }

    /// Makes an account.
    ///
    /// # Panics
    /// When it is not made.
    pub fn add_user(&self, name: &str, password: &str) {
        let add = ["users", "add", name, "--note", "test", "--password-stdin"];
        let added = self.admin_reading(&add, &format!("{password}\n"));
        assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }

    /// Gives an account another password, with more arguments behind.
    ///
    /// # Panics
    /// When it does not get it.
    pub fn set_password(&self, name: &str, password: &str, arguments: &[&str]) {
        let update = [&["users", "update", name, "--password-stdin"], arguments].concat();
        let updated = self.admin_reading(&update, &format!("{password}\n"));
        assert!(updated.status.success(), "{}", String::from_utf8_lossy(&updated.stderr));
    }

    /// The id of the token that was made last.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn newest_id(&self) -> String {
        let output = self.admin(&["tokens", "list"]);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let id = text.lines().filter_map(|line| line.strip_prefix("ID: ")).next_back();
        id.expect("a token is listed").to_owned()
    }

    /// Starts the server on this installation.
    #[must_use]
    pub fn start(&self) -> ServerProcess {
        let config = self.config();
        ServerProcess::start(&["--config", &config.to_string_lossy()], &[])
    }

    /// Sends a JSON-RPC request with the installation's token.
    #[must_use]
    pub fn ask(&self, server: SocketAddr, method: &str, params: &Value) -> Response {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        Request::mcp(&message).bearer(&self.token).send(server)
    }

    /// Calls a tool with the installation's token; gives the result.
    ///
    /// # Panics
    /// When there is no result.
    #[must_use]
    pub fn call(&self, server: SocketAddr, tool: &str, arguments: &Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self.ask(server, "tools/call", &params).json();
        assert!(answer["result"].is_object(), "no result in {answer}");
        answer["result"].clone()
    }

    /// The same, for its text and whether it failed.
    ///
    /// # Panics
    /// When there is no text.
    #[must_use]
    pub fn call_for_text(
        &self,
        server: SocketAddr,
        tool: &str,
        arguments: &Value,
    ) -> (String, bool) {
        let result = self.call(server, tool, arguments);
        let text = result["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("no text in {result}"));
        (text.to_owned(), result["isError"] == true)
    }

    /// Calls `query_database` with the installation's token; gives its text and whether it failed.
    ///
    /// # Panics
    /// When there is no result.
    #[must_use]
    pub fn query(&self, server: SocketAddr, sql: &str) -> (String, bool) {
        self.call_for_text(server, "query_database", &json!({ "query": sql }))
    }
}

/// Calls `query_database` with a token; gives its text and whether it failed.
///
/// # Panics
/// When there is no result.
#[must_use]
pub fn query(server: SocketAddr, token: &str, arguments: &Value) -> (String, bool) {
    let answer = Request::mcp(&query_message(arguments)).bearer(token).send(server).json();
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("no text in {answer}"));
    (text.to_owned(), answer["result"]["isError"] == true)
}

/// The message, with the id 1, that calls `query_database`.
#[must_use]
pub fn query_message(arguments: &Value) -> Value {
    let params = json!({ "name": "query_database", "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params })
}

/// The token that `mcp-admin tokens add` printed.
pub(crate) fn token_of(added: &Output) -> String {
    let text = String::from_utf8_lossy(&added.stdout);
    let token = text.lines().find_map(|line| line.strip_prefix("Token: "));
    token.unwrap_or_else(|| panic!("{text}{}", String::from_utf8_lossy(&added.stderr))).to_owned()
}
