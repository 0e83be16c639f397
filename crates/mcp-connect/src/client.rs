//! The same way to a target for whoever wants a client of tokio-postgres: statements that are
//! ours, prepared by nobody, and notifications.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use tokio_postgres::types::Type;
use tokio_postgres::{AsyncMessage, Client, Connection};

use crate::connect::{Attempt, Product, Standing, first_that_will_do, postgres_error};
use crate::dial::{Endpoint, Security};
use crate::error::ConnectError;
use crate::handshake::{Secured, secured};
use crate::session::SessionSettings;
use crate::stream::Stream;
use crate::target::{Host, Target};

/// Connects as [`crate::Connection::connect`] does, and gives a client with what drives it: hosts
/// in order, TLS as asked, the session pinned. Nothing happens on the client unless its driver is
/// polled.
pub async fn connect_client(
    target: &Target,
    session: &SessionSettings,
) -> Result<(Client, Driver), ConnectError> {
    first_that_will_do::<Pair>(target, session).await.map(|Pair(client, driver)| (client, driver))
}

/// The half of a client that talks to the server. Ends with the connection, or when its client is
/// dropped and nothing is left to do.
#[must_use = "nothing happens on a client whose driver is not polled"]
pub struct Driver(Connection<Stream, Stream>);

impl Driver {
    /// Drives to the end of the connection, passing over what the server says by itself.
    pub async fn run(mut self) -> Result<(), tokio_postgres::Error> {
        while let Some(message) = self.next().await {
            message?;
        }
        Ok(())
    }

    /// Drives until the server says something by itself. `None`: the connection is over. Safe to
    /// drop while waiting.
    pub async fn next(&mut self) -> Option<Result<AsyncMessage, tokio_postgres::Error>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<AsyncMessage, tokio_postgres::Error>>> {
        self.0.poll_message(cx)
    }

    /// Drives while that is waited for.
    async fn beside<T>(
        &mut self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, tokio_postgres::Error> {
        let mut work = std::pin::pin!(work);
        poll_fn(|cx| {
            // Its end shows in the work, too.
            while let Poll::Ready(Some(Ok(_))) = self.poll(cx) {}
            work.as_mut().poll(cx)
        })
        .await
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

struct Pair(Client, Driver);

impl Product for Pair {
    async fn establish(
        attempt: &Attempt<'_>,
        host: &Host,
        endpoint: &Endpoint,
        stream: Stream,
        _: Security,
    ) -> Result<(Self, Standing), ConnectError> {
        let config = secured(attempt.config(host), &stream);
        let refused = |error| postgres_error(endpoint, &error);
        let (client, connection) = config.connect_raw(stream, Secured).await.map_err(refused)?;
        let mut driver = Driver(connection);
        let standing = driver.beside(prepare(&client, attempt.session)).await.map_err(refused)?;
        Ok((Self(client, driver), standing))
    }
}

/// Sets what could not stand in the startup packet, and asks what the server is.
async fn prepare(
    client: &Client,
    session: &SessionSettings,
) -> Result<Standing, tokio_postgres::Error> {
    const SET: &str = "SELECT set_config($1, $2, false)";
    const ASK: &str =
        "SELECT current_setting('transaction_read_only')::bool, pg_catalog.pg_is_in_recovery()";
    for (name, value) in session.late_settings() {
        client.query_typed(SET, &[(&name, Type::TEXT), (&value, Type::TEXT)]).await?;
    }
    let row = client.query_typed_one(ASK, &[]).await?;
    Ok(Standing { read_only: row.try_get(0)?, standby: row.try_get(1)? })
}
