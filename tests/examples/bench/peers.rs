//! Other people's servers that put PostgreSQL in front of agents, as they are published. They are
//! asked without a credential where they check none, and they neither limit nor record anything.

use std::error::Error;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;
use support::Installation;

use crate::probe::pause;
use crate::wrk::{Target, script};

/// How long one may take to start.
const PATIENCE: Duration = Duration::from_secs(20);

/// One that runs. Ended with the value.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    child: Child,
    url: String,
    /// Its tool that runs SQL.
    tool: &'static str,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Who is asked for this statement.
    pub(crate) fn target(
        &self,
        installation: &Installation,
        sql: &str,
    ) -> Result<Target, Box<dyn Error>> {
        let params = json!({ "name": self.tool, "arguments": { "sql": sql } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let body = body.to_string();
        let script = script(installation, self.tool, &body)?;
        Ok(Target { url: self.url.clone(), pid: self.child.id(), script })
    }

    /// What it answers to this statement, which its user sees.
    pub(crate) fn answer(
        &self,
        installation: &Installation,
        target: &Target,
    ) -> Result<String, Box<dyn Error>> {
        let body = fs::read_to_string(&target.script)?;
        let body = body.split_once("[==[").and_then(|(_, rest)| rest.split_once("]==]"));
        let (body, _) = body.ok_or("no body in the script")?;
        let json = "Content-Type: application/json";
        let bearer = format!("Authorization: Bearer {}", installation.token());
        let mut curl = Command::new("curl");
        curl.args(["-s", "-H", json, "-H", &bearer, "-d", body, &self.url]);
        let output = curl.output()?;
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// How one is started, given its program.
type Start = fn(&Installation, &Path) -> Result<Peer, Box<dyn Error>>;
/// What runs, and the names of what is not installed.
type Started = (Vec<Peer>, Vec<&'static str>);

/// Those that are installed, and the names of those that are not.
pub(crate) fn start_all(installation: &Installation) -> Result<Started, Box<dyn Error>> {
    let known: [(_, _, Start); 2] = [
        ("toolbox", installed_toolbox(), toolbox),
        ("mcp-postgres", installed("mcp-postgres/bin/mcp-postgres"), mcp_postgres),
    ];
    let (mut peers, mut missing) = (Vec::new(), Vec::new());
    for (name, program, start) in known {
        match program {
            Some(program) => peers.push(start(installation, &program)?),
            None => missing.push(name),
        }
    }
    Ok((peers, missing))
}

/// The program itself: the one that npm puts on the path is a script that starts it.
fn installed_toolbox() -> Option<PathBuf> {
    let packages = installed("toolbox/node_modules/@toolbox-sdk")?;
    let package = fs::read_dir(packages).ok()?.flatten();
    package.map(|package| package.path().join("bin/toolbox")).find(|program| program.exists())
}

/// Where `cargo xtask bench query` puts them.
fn installed(path: &str) -> Option<PathBuf> {
    let peers = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers"));
    Some(peers.join(path)).filter(|path| path.exists())
}

fn toolbox(installation: &Installation, program: &Path) -> Result<Peer, Box<dyn Error>> {
    let postgres = installation.postgres();
    let config = installation.path().join("toolbox.yaml");
    // The host in the address is not looked up: the directory of the socket overrides it.
    let text = format!(
        "sources:\n  shop:\n    kind: postgres\n    host: localhost\n    port: \"{}\"\n    \
         database: shop\n    user: agent\n    password: none\n    queryParams:\n      host: \
         \"{}\"\ntools:\n  execute_sql:\n    kind: postgres-execute-sql\n    source: shop\n    \
         description: Runs SQL\n",
        postgres.port(),
        postgres.socket_dir().display(),
    );
    fs::write(&config, text)?;
    let port = free_port()?;
    let mut command = Command::new(program);
    command.arg("--tools-file").arg(config).args(["--address", "127.0.0.1", "--port"]);
    command.arg(port.to_string()).args(["--log-level", "ERROR"]);
    start("toolbox", command, port, "mcp", "execute_sql")
}

fn mcp_postgres(installation: &Installation, program: &Path) -> Result<Peer, Box<dyn Error>> {
    let (port, unused) = (free_port()?, free_port()?);
    let dsn = installation.postgres().dsn_as("agent", "shop");
    let mut command = Command::new(program);
    command.arg("--database-url").arg(dsn).arg("--enable-query").args(["--log-level", "error"]);
    command.arg("--http-port").arg(port.to_string()).arg("--port").arg(unused.to_string());
    command.env("MCP_AUTH_TOKEN", installation.token());
    start("mcp-postgres", command, port, "rpc", "execute_query")
}

fn start(
    name: &'static str,
    mut command: Command,
    port: u16,
    path: &str,
    tool: &'static str,
) -> Result<Peer, Box<dyn Error>> {
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let peer = Peer { name, child, url: format!("http://127.0.0.1:{port}/{path}"), tool };
    let begin = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        if begin.elapsed() > PATIENCE {
            return Err(format!("{name} does not start").into());
        }
        pause(Duration::from_millis(20));
    }
    Ok(peer)
}

/// A port that nobody has at the moment; these programs do not say which one they took.
fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
