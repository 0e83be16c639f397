//! What runs beside a store: it listens for changes, and closes connections that are too many.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mcp_connect::connect_client;
use mcp_identity::{SessionId, TokenId, UserName};
use mcp_store::{Change, StoreError};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client};

use crate::fault::{down, of_connect, of_statement};
use crate::loose::Loose;
use crate::pool::{Pool, Values, session};
use crate::schema;
use crate::store::Told;

/// The first wait for a connection that broke, doubled up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How often the listening connection is asked whether it still stands. A peer that vanished
/// without a word is noticed after this and [`ANSWER`].
const BEAT: Duration = Duration::from_secs(10);
const ANSWER: Duration = Duration::from_secs(5);

/// How often connections are looked at that may be too many, too old or too long idle.
const REAP: Duration = Duration::from_secs(10);

/// How often attempts to log in are forgotten that say nothing any more.
const SWEEP: Duration = Duration::from_mins(1);

/// Listens for what other servers change, on a connection of its own; closes pooled connections
/// that nobody needs; and settles and forgets attempts to log in. While it does not run, nobody
/// hears of changes made elsewhere.
#[must_use = "a keeper that is not run hears nothing"]
pub struct PostgresKeeper {
    work: Work,
    /// Attempts whose clients left.
    ends: mpsc::Receiver<Loose>,
}

/// What a keeper does.
pub(crate) struct Work {
    pub(crate) pool: Pool,
    pub(crate) told: Told,
    pub(crate) up: watch::Sender<bool>,
    /// How many addresses, and names of nobody, are remembered.
    pub(crate) keys: Arc<AtomicUsize>,
}

impl PostgresKeeper {
    pub(crate) fn new(work: Work, ends: mpsc::Receiver<Loose>) -> Self {
        Self { work, ends }
    }

    /// Runs until `shutdown`; never returns before.
    ///
    /// The tables come first, where nobody has looked at them. A connection that breaks is made
    /// anew; each that stands tells [`Change::Everything`] first:
    /// what was said in between was said to nobody. While there is none, `Everything` is told from
    /// time to time, and the outage is logged once.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        let Self { work, mut ends } = self;
        tokio::select! {
            biased;
            () = shutdown => {}
            never = work.listen() => match never {},
            never = work.reap() => match never {},
            never = work.recheck() => match never {},
            never = work.sweep() => match never {},
            never = work.settle(&mut ends) => match never {},
        }
        work.up.send_replace(false);
    }
}

impl Work {
    async fn listen(&self) -> Infallible {
        let mut wait = FIRST_WAIT;
        let mut was_up = true;
        loop {
            let Err(fault) = self.listen_once().await;
            if self.up.send_replace(false) {
                (wait, was_up) = (FIRST_WAIT, true);
            }
            if was_up {
                tracing::warn!(error = %fault, "No word of changes from other servers");
                was_up = false;
            }
            sleep(wait).await;
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// One connection, until it breaks.
    async fn listen_once(&self) -> Result<Infallible, StoreError> {
        if !self.pool.is_prepared() {
            Box::pin(schema::prepare(&self.pool)).await?;
        }
        let place = self.pool.place();
        let session = session("mcp-server/changes", self.pool.settings().reading);
        let connecting = connect_client(self.pool.target(), &session).await;
        let (client, mut driver) = connecting.map_err(|error| of_connect(place, &error))?;
        let mut asking = std::pin::pin!(self.ask(&client));
        loop {
            let message = tokio::select! {
                broken = &mut asking => return broken,
                message = driver.next() => message,
            };
            match message {
                Some(Ok(AsyncMessage::Notification(word))) => self.told.tell(meant(word.payload())),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(of_statement(place, &error).into_store()),
                None => return Err(down(place, "the connection is closed")),
            }
        }
    }

    /// Begins to listen, and asks from time to time whether anybody is still there.
    async fn ask(&self, client: &Client) -> Result<Infallible, StoreError> {
        self.answered(client, "LISTEN mcp_auth").await?;
        self.told.tell(Change::Everything);
        self.up.send_replace(true);
        tracing::info!("Hearing of changes from other servers");
        loop {
            sleep(BEAT).await;
            self.answered(client, "SELECT 1").await?;
        }
    }

    async fn answered(&self, client: &Client, sql: &'static str) -> Result<(), StoreError> {
        let place = self.pool.place();
        match timeout(ANSWER, client.execute_typed(sql, &[])).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(of_statement(place, &error).into_store()),
            Err(_) => Err(down(place, format!("no answer within {ANSWER:?}"))),
        }
    }

    async fn reap(&self) -> Infallible {
        loop {
            sleep(REAP.min(self.pool.settings().idle_time)).await;
            self.pool.reap();
        }
    }

    /// Says how attempts ended whose clients left. What cannot be said is void by itself, and an
    /// outage is told by others.
    async fn settle(&self, ends: &mut mpsc::Receiver<Loose>) -> Infallible {
        while let Some(loose) = ends.recv().await {
            let _ = loose.settle(&self.pool).await;
        }
        std::future::pending().await
    }

    /// The same of sweeping: the next one does it.
    async fn sweep(&self) -> Infallible {
        // The clocks of servers may be a little behind that of the database.
        const SQL: &str = "SELECT mcp_sweep_attempts($1, now() - interval '1 minute')";
        loop {
            sleep(SWEEP).await;
            let keys = i64::try_from(self.keys.load(Ordering::Relaxed)).unwrap_or(i64::MAX);
            let values: Values<'_> = &[(&keys, Type::INT8)];
            let _ = self.pool.write(SQL, values).await;
        }
    }

    async fn recheck(&self) -> Infallible {
        loop {
            sleep(self.pool.settings().recheck).await;
            if !*self.up.borrow() {
                self.told.tell(Change::Everything);
            }
        }
    }
}

/// What a word says; anything that is no word of ours may mean anything.
fn meant(payload: &str) -> Change {
    let (kind, name) = payload.split_once(':').unwrap_or_default();
    let change = match kind {
        "user" => UserName::parse(name).ok().map(Change::User),
        "session" => SessionId::parse(name).map(Change::Session),
        "token" => TokenId::parse(name).ok().map(Change::Token),
        _ => None,
    };
    change.unwrap_or(Change::Everything)
}

impl fmt::Debug for PostgresKeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresKeeper")
            .field("place", &self.work.pool.place())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use mcp_identity::{SessionId, TokenId, UserName};
    use mcp_store::Change;

    use super::meant;

    #[test]
    fn a_word_is_read_and_what_is_none_means_everything() {
        assert_eq!(meant("user:Zoë"), Change::User(UserName::parse("zoë").unwrap()));
        assert_eq!(
            meant("session:0123456789abcdef"),
            Change::Session(SessionId::parse("0123456789abcdef").unwrap())
        );
        assert_eq!(meant("token:a:b"), Change::Token(TokenId::parse("a:b").unwrap()));
        for odd in ["", "*", "42", "user:", "user:a@b", "session:x", "group:1"] {
            assert_eq!(meant(odd), Change::Everything, "{odd:?}");
        }
    }
}
