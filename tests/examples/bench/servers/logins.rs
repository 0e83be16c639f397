//! What a login takes beside its hash: both in turn, with what a commit takes.

use std::error::Error;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_identity::{Password, SystemEntropy};
use mcp_password::{Algorithm, Asker, Hasher, PasswordHash, Settings};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, NoTls};

use super::beyond;
use super::crowd::{Crowd, PASSWORD, is_let_in, login};
use crate::connection::{Connection, post};
use crate::millis;
use crate::probe::{Latencies, runtime};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const TIME: Duration = Duration::from_secs(20);

pub(super) fn report(
    out: &mut impl Write,
    crowd: &Crowd,
    to: SocketAddr,
) -> Result<(), Box<dyn Error>> {
    crowd.run(
        "CREATE TABLE beat (n bigint); INSERT INTO beat VALUES (0); GRANT ALL ON beat TO keeper",
    )?;
    let [hashes, logins, commits] = runtime()?.block_on(in_turn(crowd, to))?;
    let count = logins.count();
    writeln!(
        out,
        "| {count} in turn, at {} sessions | p50 ms | p99 ms |\n|---|---:|---:|",
        crowd.sessions()
    )?;
    for (name, times) in
        [("a hash alone", &hashes), ("a login", &logins), ("a commit of one row alone", &commits)]
    {
        let [p50, p99] = [500, 990].map(|share| millis(times.per_mille(share)));
        writeln!(out, "| {name} | {p50:.2} | {p99:.2} |")?;
    }
    let [p50, p99] =
        [500, 990].map(|share| beyond(logins.per_mille(share), hashes.per_mille(share)));
    writeln!(out, "| a login, over the hash | {p50:.2} | {p99:.2} |\n")?;
    Ok(())
}

/// Hashes, logins and commits.
async fn in_turn(crowd: &Crowd, to: SocketAddr) -> Result<[Latencies; 3], Box<dyn Error>> {
    let mut knocker = Knocker::open(to).await?;
    let (hashing, client) = (Hashing::start().await?, connect(crowd).await?);
    let mut times = [const { Vec::new() }; 3];
    let begin = Instant::now();
    for number in 0..crowd.people() {
        if begin.elapsed() > TIME {
            break;
        }
        times[0].push(hashing.once().await?);
        times[1].push(knocker.log_in(number).await?);
        times[2].push(commit(&client, number).await?);
    }
    Ok(times.map(Latencies::of))
}

/// Somebody who logs in.
pub(super) struct Knocker {
    connection: Connection,
    to: SocketAddr,
}

impl Knocker {
    pub(super) async fn open(to: SocketAddr) -> std::io::Result<Self> {
        Ok(Self { connection: Connection::open(HERE, to).await?, to })
    }

    /// One of the people logs in. How long that took.
    pub(super) async fn log_in(&mut self, person: u32) -> std::io::Result<Duration> {
        let request = post(self.to, None, &login(&format!("user-{person}")));
        let begin = Instant::now();
        let answer = self.connection.ask(&request).await?;
        let time = begin.elapsed();
        if is_let_in(&answer.body) {
            return Ok(time);
        }
        let said = String::from_utf8_lossy(&answer.body).into_owned();
        Err(std::io::Error::other(format!("user-{person} was not let in: {said}")))
    }
}

/// The hash of a login, on a thread of the same kind as the server's.
struct Hashing {
    hasher: Hasher,
    stored: PasswordHash,
    password: Password,
}

impl Hashing {
    async fn start() -> Result<Self, Box<dyn Error>> {
        let algorithm = Algorithm::Bcrypt { cost: 4 };
        let settings = Settings { workers: NonZeroUsize::MIN, ..Settings::new(algorithm) };
        let hasher = Hasher::start(&settings, Arc::new(SystemEntropy))?;
        let password = Password::presented(PASSWORD.to_owned());
        let stored = hasher.hash(&Asker::new("user", HERE), &password).await?;
        Ok(Self { hasher, stored, password })
    }

    async fn once(&self) -> Result<Duration, Box<dyn Error>> {
        let begin = Instant::now();
        let asker = Asker::new("user", HERE);
        let _ = self.hasher.verify(&asker, &self.password, Some(&self.stored)).await?;
        Ok(begin.elapsed())
    }
}

async fn connect(crowd: &Crowd) -> Result<Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(&crowd.dsn(), NoTls).await?;
    // Ends with the client.
    tokio::spawn(connection);
    Ok(client)
}

/// The least that a login can be, of which something is to be left when the machine stops.
async fn commit(client: &Client, number: u32) -> Result<Duration, tokio_postgres::Error> {
    let begin = Instant::now();
    client.query_typed("UPDATE beat SET n = $1", &[(&i64::from(number), Type::INT8)]).await?;
    Ok(begin.elapsed())
}
