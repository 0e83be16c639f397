//! How often a login goes to PostgreSQL and back, counted on the wire.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use support::{Installation, Journal};

use super::crowd::{PASSWORD, configuration, is_let_in, login, prepare};
use super::median;
use crate::connection::{Connection, post};
use crate::probe::{pause, runtime};

/// Logins of each kind.
const LOGINS: usize = 9;
/// After it, what a login leaves behind has been written: lines of the audit log.
const SETTLED: Duration = Duration::from_millis(400);

/// What a login asks by itself.
const HIS: [&str; 2] = ["mcp_begin_attempt", "mcp_open_attempt"];

pub(super) fn report(out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let installation = Installation::new("");
    prepare(&installation)?;
    let postgres = installation.postgres();
    let socket = postgres.socket_dir().join(format!(".s.PGSQL.{}", postgres.port()));
    let (port, journal) = Journal::before(socket);
    let noted = format!("postgresql://keeper@127.0.0.1:{port}/people?sslmode=disable");
    installation.write_config(&configuration(&noted));
    installation.add_user("alice", PASSWORD);
    let set = "UPDATE users SET email = 'alice@example.com'";
    installation.postgres().execute("people", set)?;
    let server = installation.start();
    writeln!(out, "| a login | statements until its answer | of them by the keeper |")?;
    writeln!(out, "|---|---:|---:|")?;
    for (how, name) in [("by name", "alice"), ("by e-mail", "alice@example.com")] {
        let mut counts = Vec::new();
        for _ in 0..LOGINS {
            counts.push(count(&journal, server.address(), name)?);
        }
        // The first one may have to connect.
        let (all, keeper): (Vec<_>, Vec<_>) = counts.into_iter().skip(1).unzip();
        let [all, keeper] = [all, keeper].map(|mut counts| median(&mut counts).unwrap_or(0));
        writeln!(out, "| {how} | {all} | {keeper} |")?;
    }
    writeln!(out)?;
    Ok(())
}

/// The statements of one login, and how many of them read again what it changed: the keeper's, who
/// has to know a session before its token is given to anybody.
fn count(journal: &Journal, to: SocketAddr, name: &str) -> Result<(usize, usize), Box<dyn Error>> {
    pause(SETTLED);
    let _ = journal.take_all();
    let (statements, flights) = runtime()?.block_on(async {
        let mut connection = Connection::open(IpAddr::V4(Ipv4Addr::LOCALHOST), to).await?;
        let answer = connection.ask(&post(to, None, &login(name))).await?;
        let noted = journal.take_all();
        is_let_in(&answer.body).then_some(noted).ok_or_else(|| std::io::Error::other("not let in"))
    })?;
    if flights < statements.len() {
        return Err("a flight of several statements".into());
    }
    let is_his = |text: &&String| HIS.iter().any(|words| text.contains(words));
    let keepers = statements.len() - statements.iter().filter(is_his).count();
    Ok((statements.len(), keepers))
}
