//! The wire of one statement.
//!
//! ```text
//!  out  BEGIN · Parse Bind Describe Execute · ROLLBACK · unlock all
//!  in   1 2 C     1    2   T|n      D* C       1 2 C     V Z(I)
//!       ────────────────────────────────────────────────────────────────────────────────▶
//!        opening                          rows               closing              idle
//! ```
//! Advisory locks outlive a transaction; the call at the end gives them back, and ends the flight
//! as a Sync would (`S`, where the role may not call that function). An error cuts this short at
//! any place: the server then skips to a Sync, which is sent with a ROLLBACK. The connection is
//! marked busy before the first byte leaves and idle again after a `ReadyForQuery` that says so,
//! and nowhere else; whatever is dropped, cancelled or odd in between leaves it busy for ever,
//! which is what unusable means.

use std::fmt;
use std::ops::Range;

use bytes::BytesMut;
use tokio::io::AsyncWriteExt as _;

use crate::cancel::CancelHandle;
use crate::database_error::DatabaseError;
use crate::error::WireError;
use crate::flight::{self, End};
use crate::input::Input;
use crate::row::{Column, Row, Value, parse_columns, parse_row};
use crate::session::SessionSettings;
use crate::stream::Stream;

/// The largest message, and so the largest row, that is taken by default.
pub const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// How much of the write buffer is kept between statements.
const KEPT_OUTPUT: usize = 64 * 1024;

/// What a statement stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transaction {
    /// `BEGIN READ ONLY` and always ROLLBACK.
    ReadOnly,
    /// `BEGIN` and COMMIT.
    ReadWrite,
}

/// One connection to PostgreSQL, on which statements run one after the other.
pub struct Connection {
    stream: Stream,
    input: Input,
    output: BytesMut,
    idle: bool,
    /// Is a text still read as whoever judged it assumed: in UTF-8, with no meaning for a backslash
    /// in a plain literal?
    strict: bool,
    cancel: CancelHandle,
    backend_pid: i32,
    privileged: bool,
    last: End,
    columns: Vec<Column>,
    values: Vec<Value>,
}

impl Connection {
    /// Runs one statement with text parameters, up to its first row: sends the whole flight in
    /// one write, and waits for the description of the result. PostgreSQL holds that back until
    /// it has rows to send with it, so this is where a slow statement is waited for.
    ///
    /// Drop the future, or what it returns, and the connection is unusable; the statement itself
    /// runs on in the server until it is cancelled.
    pub async fn start<'c>(
        &'c mut self,
        transaction: Transaction,
        sql: &str,
        params: &[Option<&str>],
    ) -> Result<Running<'c>, WireError> {
        if !self.idle || !self.strict || self.cancel.was_requested() {
            return Err(WireError::Closed);
        }
        self.begin_flight();
        flight::statement(&mut self.output, transaction, sql, params, self.last)?;
        self.send().await?;
        self.columns.clear();
        if let Err(error) = self.expect_command("BEGIN").await {
            // Without its BEGIN a connection is of no use: a late cancel, most likely.
            self.idle = false;
            return Err(error);
        }
        self.expect_all(b"12").await?;
        match self.message().await? {
            (b'T', body) => parse_columns(self.input.body(body), &mut self.columns)?,
            (b'n', _) => {}
            (tag, body) => return Err(self.refused(tag, body).await),
        }
        Ok(Running { connection: self, transaction, progress: Progress::Rows })
    }

    /// May another statement run on it? Idle, never sent a cancel, and silent: a server that
    /// closed it or said something by itself makes it unusable. Asks the system for that, which
    /// costs a microsecond and no round trip.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.is_idle() && self.stream.is_quiet()
    }

    /// Did its last statement come to its end, and was it never sent a cancel? Costs nothing, and
    /// does not know whether the server has closed it since.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.idle && self.strict && !self.cancel.was_requested() && self.input.is_empty()
    }

    /// What cancels its statements.
    #[must_use]
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// The process that serves it, for `pg_terminate_backend`.
    #[must_use]
    pub fn backend_pid(&self) -> i32 {
        self.backend_pid
    }

    /// May its login, or the role it runs as, do more than SQL: is one of them superuser, has it
    /// replication, may it read or write the server's files or run programs there?
    #[must_use]
    pub fn is_privileged(&self) -> bool {
        self.privileged
    }

    /// For a connection that was given up: reads and drops what still comes, until the server is
    /// done with the statement or has gone. It stays unusable. Safe to drop.
    pub async fn run_out(&mut self) {
        while let Ok((tag, _)) = self.input.message(&mut self.stream).await {
            // Behind an error the server waits for a Sync, which nobody sends any more.
            if matches!(tag, b'Z' | b'E') {
                return;
            }
        }
    }

    /// Is it inside TLS?
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.stream.is_tls()
    }

    /// Changes the cap on one message from [`MAX_MESSAGE_BYTES`]. A larger one makes the
    /// connection unusable: it cannot be skipped without reading it.
    pub fn set_max_message_bytes(&mut self, bytes: usize) {
        self.input.max_message = bytes;
    }

    /// Prepares what every statement needs and pins the rest of the session, in one flight.
    pub(crate) async fn prepare(
        stream: Stream,
        cancel: CancelHandle,
        session: &SessionSettings,
    ) -> Result<(Self, Facts), WireError> {
        let mut connection = Self {
            stream,
            input: Input::new(MAX_MESSAGE_BYTES),
            output: BytesMut::new(),
            idle: true,
            strict: true,
            cancel,
            backend_pid: 0,
            privileged: true,
            last: End::Sync,
            columns: Vec::new(),
            values: Vec::new(),
        };
        connection.begin_flight();
        flight::prepare(&mut connection.output, session.late_settings())?;
        connection.send().await?;
        for _ in session.late_settings() {
            connection.expect_all(b"12DC").await?;
        }
        connection.expect_all(b"12").await?;
        let facts = connection.facts().await?;
        connection.backend_pid = facts.pid;
        connection.privileged = facts.privileged;
        connection.expect_idle().await?;
        connection.last = facts.last;
        Ok((connection, facts))
    }

    async fn facts(&mut self) -> Result<Facts, WireError> {
        const ODD: WireError = WireError::Protocol("an odd answer to the first question");
        let body = self.expect(b'D').await?;
        let body = self.input.body(body);
        parse_row(body, 5, &mut self.values)?;
        let row = Row::new(body, &self.values);
        let facts = Facts {
            pid: row.get(0).and_then(|pid| pid.parse().ok()).ok_or(ODD)?,
            read_only: row.get(1) == Some("on"),
            standby: row.get(2) == Some("t"),
            // What cannot be told counts as too much.
            privileged: row.get(3) != Some("f"),
            last: match row.get(4) {
                Some(function) => End::UnlockAll(function.parse().map_err(|_| ODD)?),
                None => End::Sync,
            },
        };
        self.expect(b'C').await?;
        Ok(facts)
    }

    fn begin_flight(&mut self) {
        if self.output.capacity() > KEPT_OUTPUT {
            self.output = BytesMut::new();
        }
        self.output.clear();
    }

    /// Sends the flight in one write. From here on only a `ReadyForQuery` makes it idle again.
    async fn send(&mut self) -> Result<(), WireError> {
        self.idle = false;
        self.stream.write_all(&self.output).await?;
        // For TLS, which may hold back the end.
        self.stream.flush().await?;
        Ok(())
    }

    /// The next message that belongs to the statement. What the server says by itself, at any
    /// time (PostgreSQL docs, "Asynchronous Operations"), is skipped, but for two settings that a
    /// function may have changed and a COMMIT kept: with them literals would end elsewhere.
    async fn message(&mut self) -> Result<(u8, Range<usize>), WireError> {
        loop {
            let (tag, body) = self.input.message(&mut self.stream).await?;
            if !matches!(tag, b'N' | b'S' | b'A') {
                return Ok((tag, body));
            }
            if tag == b'S' {
                self.strict &= !changes_meaning(self.input.body(body));
            }
        }
    }

    async fn expect_all(&mut self, tags: &[u8]) -> Result<(), WireError> {
        for tag in tags {
            self.expect(*tag).await?;
        }
        Ok(())
    }

    async fn expect(&mut self, wanted: u8) -> Result<Range<usize>, WireError> {
        match self.message().await? {
            (tag, body) if tag == wanted => Ok(body),
            (tag, body) => Err(self.refused(tag, body).await),
        }
    }

    /// The three answers to a command without rows, which must be the command that was sent.
    async fn expect_command(&mut self, command: &str) -> Result<(), WireError> {
        self.expect_all(b"12").await?;
        let body = self.expect(b'C').await?;
        let said = self.input.body(body).strip_suffix(b"\0");
        if said == Some(command.as_bytes()) {
            return Ok(());
        }
        Err(WireError::Protocol("another command than was sent"))
    }

    async fn expect_idle(&mut self) -> Result<(), WireError> {
        let body = self.expect(b'Z').await?;
        self.idle = self.input.body(body) == b"I";
        self.input.shrink();
        if self.idle { Ok(()) } else { Err(WireError::Protocol("it is not idle at the end")) }
    }

    /// Makes an error of a message that was not expected. After one of the server's own errors
    /// the connection is brought back to idle, if it can be.
    async fn refused(&mut self, tag: u8, body: Range<usize>) -> WireError {
        match tag {
            b'E' => {
                let error = DatabaseError::parse(self.input.body(body));
                // Whatever happens now, what the server said first is what matters; if it cannot
                // be brought back, the connection stays busy. Boxed: every wait for a message may
                // end here, and few do.
                let _ = Box::pin(self.recover()).await;
                WireError::Database(Box::new(error))
            }
            b'G' | b'H' | b'W' => WireError::Protocol("COPY is not carried"),
            _ => WireError::Protocol("a message out of order"),
        }
    }

    /// Ends the transaction that an error left open, and reads to the end of that.
    async fn recover(&mut self) -> Result<(), WireError> {
        const ODD: WireError = WireError::Protocol("more than one error");
        self.begin_flight();
        flight::rollback(&mut self.output, self.last)?;
        self.send().await?;
        for wanted in b"Z12C" {
            if self.message().await?.0 != *wanted {
                return Err(ODD);
            }
        }
        self.close_flight().await
    }

    /// Reads the last answers of a flight, behind those to its statements.
    async fn close_flight(&mut self) -> Result<(), WireError> {
        const ODD: WireError = WireError::Protocol("an odd end");
        if self.last != End::Sync && self.message().await?.0 != b'V' {
            return Err(ODD);
        }
        let (tag, body) = self.message().await?;
        self.idle = tag == b'Z' && self.input.body(body) == b"I";
        self.input.shrink();
        if self.idle { Ok(()) } else { Err(ODD) }
    }
}

/// Does this `ParameterStatus` say that texts are read otherwise from now on? In an encoding such as
/// Shift JIS the last byte of a character in UTF-8 swallows the backslash or letter behind it.
fn changes_meaning(said: &[u8]) -> bool {
    let is_another = |setting: &[u8], wanted: &[u8]| {
        said.strip_prefix(setting).is_some_and(|value| value != wanted)
    };
    is_another(b"standard_conforming_strings\0", b"on\0")
        || is_another(b"client_encoding\0", b"UTF8\0")
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("backend_pid", &self.backend_pid)
            .field("idle", &self.idle)
            .finish_non_exhaustive()
    }
}

/// What a connection learns about its server.
pub(crate) struct Facts {
    pid: i32,
    pub(crate) read_only: bool,
    pub(crate) standby: bool,
    privileged: bool,
    last: End,
}

/// A statement on its way. Dropped before its end, it leaves the connection unusable.
#[derive(Debug)]
pub struct Running<'c> {
    connection: &'c mut Connection,
    transaction: Transaction,
    progress: Progress,
}

#[derive(Debug)]
enum Progress {
    Rows,
    Completed(Completed),
    Failed,
}

/// How a statement ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completed {
    /// PostgreSQL's command tag, such as `SELECT 3`, `INSERT 0 1` or `CREATE TABLE`. Empty for
    /// an empty statement.
    pub tag: String,
    /// Rows returned or changed; 0 where the tag has no number.
    pub rows: u64,
}

impl Running<'_> {
    /// The columns of the result. None for a statement without one, and for `SELECT FROM t`.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.connection.columns
    }

    /// The next row. `None`: there are no more, the transaction has ended, and the connection is
    /// idle.
    pub async fn next(&mut self) -> Result<Option<Row<'_>>, WireError> {
        match self.progress {
            Progress::Rows => {}
            Progress::Completed(_) => return Ok(None),
            Progress::Failed => return Err(WireError::Closed),
        }
        match self.connection.message().await? {
            (b'D', body) => {
                let Connection { input, columns, values, .. } = &mut *self.connection;
                let body = input.body(body);
                if let Err(error) = parse_row(body, columns.len(), values) {
                    self.progress = Progress::Failed;
                    return Err(error);
                }
                Ok(Some(Row::new(body, values)))
            }
            (b'C', body) => {
                let completed = Completed::parse(self.connection.input.body(body));
                self.end(completed).await?;
                Ok(None)
            }
            (b'I', _) => {
                self.end(Completed { tag: String::new(), rows: 0 }).await?;
                Ok(None)
            }
            (tag, body) => {
                self.progress = Progress::Failed;
                Err(self.connection.refused(tag, body).await)
            }
        }
    }

    /// How it ended. `None` until [`Running::next`] has given `None`.
    #[must_use]
    pub fn completed(&self) -> Option<&Completed> {
        match &self.progress {
            Progress::Completed(completed) => Some(completed),
            Progress::Rows | Progress::Failed => None,
        }
    }

    /// Reads to the end, discarding rows that are left, and says how it ended. An error here may
    /// be that of the COMMIT.
    pub async fn finish(mut self) -> Result<Completed, WireError> {
        while self.next().await?.is_some() {}
        match self.progress {
            Progress::Completed(completed) => Ok(completed),
            Progress::Rows | Progress::Failed => Err(WireError::Closed),
        }
    }

    /// Reads the end of the transaction.
    async fn end(&mut self, completed: Completed) -> Result<(), WireError> {
        // Until it is done: an error on the way, or a dropped future, must not pass for an end.
        self.progress = Progress::Failed;
        self.connection.expect_all(b"12").await?;
        let body = self.connection.expect(b'C').await?;
        let said = Completed::parse(self.connection.input.body(body)).tag;
        match (self.transaction, said.as_str()) {
            (Transaction::ReadOnly, "ROLLBACK") | (Transaction::ReadWrite, "COMMIT") => {}
            // PostgreSQL answers the COMMIT of a failed transaction so.
            (Transaction::ReadWrite, "ROLLBACK") => {
                self.connection.close_flight().await?;
                return Err(WireError::Protocol("the transaction was rolled back"));
            }
            _ => return Err(WireError::Protocol("another command than was sent")),
        }
        if self.transaction == Transaction::ReadWrite {
            // It is committed, whatever comes now: that decides about the connection alone, which
            // stays busy unless it ends well.
            self.progress = Progress::Completed(completed);
            let _ = self.connection.close_flight().await;
            return Ok(());
        }
        self.connection.close_flight().await?;
        self.progress = Progress::Completed(completed);
        Ok(())
    }
}

impl Completed {
    fn parse(body: &[u8]) -> Self {
        let tag = String::from_utf8_lossy(body.strip_suffix(b"\0").unwrap_or(body)).into_owned();
        let rows = tag.rsplit(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0);
        Self { tag, rows }
    }
}
