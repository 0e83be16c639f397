//! Somebody with a token who asks the same at a steady pace, and notes how long each answer took: what becomes of the others while a server is busy with something. The bare server is
//! asked at the same moments: what its answers take longer, the machine is to blame for.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::connection::{Connection, post};
use crate::load::list_request;

/// More than the server has threads: an answer that waits for one of them is then noticed.
const CONNECTIONS: u32 = 4;

/// Between two requests of one connection.
const PACE: Duration = Duration::from_millis(4);

pub(crate) struct Probe {
    /// The server and the control.
    asked: [Asked; 2],
}

struct Asked {
    to: SocketAddr,
    request: Vec<u8>,
}

/// What the probe saw of both.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) server: Latencies,
    pub(crate) control: Latencies,
}

/// How long answers took, the shortest first.
#[derive(Default)]
pub(crate) struct Latencies(Vec<Duration>);

impl Probe {
    /// One that lists the tools.
    pub(crate) fn new(server: SocketAddr, control: SocketAddr, token: &str) -> Self {
        Self::asking(server, control, token, &list_request())
    }

    /// One that sends this body.
    pub(crate) fn asking(server: SocketAddr, control: SocketAddr, token: &str, body: &str) -> Self {
        let asked = |to| Asked { to, request: post(to, Some(token), body) };
        Self { asked: [server, control].map(asked) }
    }

    /// Asks for as long as the caller does something.
    pub(crate) fn ask_while<T>(
        &self,
        meanwhile: impl FnOnce() -> Result<T, Box<dyn Error>>,
    ) -> Result<(T, Seen), Box<dyn Error>> {
        let end = Arc::new(AtomicBool::new(false));
        thread::scope(|scope| {
            let asking = scope.spawn(|| runtime()?.block_on(self.ask_on_all(&end)));
            let done = meanwhile();
            end.store(true, Ordering::Relaxed);
            let seen = asking.join().map_err(|_| "the probe panicked")??;
            Ok((done?, seen))
        })
    }

    /// Asks for so long.
    pub(crate) fn ask_for(&self, time: Duration) -> Result<Seen, Box<dyn Error>> {
        let ((), seen) = self.ask_while(|| {
            pause(time);
            Ok(())
        })?;
        Ok(seen)
    }

    async fn ask_on_all(&self, end: &Arc<AtomicBool>) -> std::io::Result<Seen> {
        let begin = Instant::now();
        let [server, control] = &self.asked;
        let (server, control) =
            tokio::try_join!(server.ask_on_all(begin, end), control.ask_on_all(begin, end))?;
        Ok(Seen { server, control })
    }
}

impl Asked {
    async fn ask_on_all(
        &self,
        begin: Instant,
        end: &Arc<AtomicBool>,
    ) -> std::io::Result<Latencies> {
        let from = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut asking = JoinSet::new();
        for number in 0..CONNECTIONS {
            let connection = Connection::open(from, self.to).await?;
            // One after the other, not all at once.
            let first = begin + PACE * number / CONNECTIONS;
            asking.spawn(ask(connection, self.request.clone(), first, Arc::clone(end)));
        }
        let mut all = Vec::new();
        while let Some(asked) = asking.join_next().await {
            all.extend(asked.map_err(std::io::Error::other)??);
        }
        all.sort_unstable();
        Ok(Latencies(all))
    }
}

/// Who is asked late, because the answer before was late, waited as long as a client would that
/// had not waited for that one.
async fn ask(
    mut connection: Connection,
    request: Vec<u8>,
    first: Instant,
    end: Arc<AtomicBool>,
) -> std::io::Result<Vec<Duration>> {
    let (mut due, mut latencies) = (first, Vec::new());
    while !end.load(Ordering::Relaxed) {
        let is_late = due < Instant::now();
        sleep_until(due).await;
        let begin = if is_late { due } else { Instant::now() };
        let answer = connection.ask(&request).await?;
        if answer.status != 200 {
            return Err(std::io::Error::other(format!("answered with {}", answer.status)));
        }
        latencies.push(begin.elapsed());
        due += PACE;
    }
    Ok(latencies)
}

impl Seen {
    /// All that was seen then and now.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { server: self.server.and(other.server), control: self.control.and(other.control) }
    }
}

impl Latencies {
    pub(crate) fn of(times: Vec<Duration>) -> Self {
        Self::default().and(Self(times))
    }

    /// Of so many of a thousand answers, the slowest took as long.
    pub(crate) fn per_mille(&self, share: usize) -> Duration {
        let place = (self.0.len() * share / 1000).min(self.0.len().saturating_sub(1));
        self.0.get(place).copied().unwrap_or_default()
    }

    /// All that both saw.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self.0.sort_unstable();
        self
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn longest(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }
}

/// A runtime for a client: one thread, so that it takes as little as it can from the server.
pub(crate) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Lets so much time pass.
pub(crate) fn pause(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}
