//! The way of one statement.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use mcp_connect::{Column, Row, type_name};
use mcp_connect::{Completed, Connection, Transaction};
use mcp_identity::{AuditLog, Clock, DatabaseName, NoAudit, Principal, SystemClock};
use mcp_pool::Pools;
use mcp_sql::{Page, Statement};
use tokio::task::yield_now;

use crate::fault::QueryFault;
use crate::limits::Limits;
use crate::record::{Recorder, Recording};
use crate::schema_change::SchemaChanges;

/// How far the client's deadline stands behind PostgreSQL's own.
const GRACE: Duration = Duration::from_secs(2);

/// So many bytes of rows are handed on before others have their turn. PostgreSQL and a client that
/// reads fast keep a statement ready for as long as it has rows, and a runtime that is never idle
/// rarely looks at its sockets: whoever asks for one row would wait for all of them.
const TURN: usize = 4 * 1024;

/// The configured databases, as statements reach them. Cheap to clone.
#[derive(Clone)]
pub struct Databases {
    pub(crate) pools: Pools,
    limits: Arc<[Limits]>,
    pub(crate) changes: SchemaChanges,
    recorder: Recorder,
}

/// What a change did. It is committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// As PostgreSQL's command tag has it, without numbers: `INSERT`, `CREATE TABLE`.
    pub command: &'static str,
    /// Rows inserted, updated or deleted; `None` where PostgreSQL does not count any.
    pub rows: Option<u64>,
}

/// Takes the rows of a statement as they come. What it answers slowly, PostgreSQL produces slowly.
pub trait Rows: Send {
    /// The columns, once, before the first row.
    ///
    /// # Errors
    /// [`Stop`] ends the statement.
    fn columns(&mut self, columns: &[Column]) -> impl Future<Output = Result<(), Stop>> + Send;

    /// One row. Its values are borrowed from the connection's buffer.
    ///
    /// # Errors
    /// [`Stop`] ends the statement.
    fn row(&mut self, row: &Row<'_>) -> impl Future<Output = Result<(), Stop>> + Send;
}

/// Nobody wants the rest: the statement is cancelled and its connection closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

impl Databases {
    /// Statements over these pools. `limits` has one entry for each database, in the same order.
    #[must_use]
    pub fn new(pools: Pools, limits: Vec<Limits>) -> Self {
        let changes = SchemaChanges::new(limits.len());
        let recorder = Recorder { log: Arc::new(NoAudit), clock: Arc::new(SystemClock) };
        Self { pools, limits: limits.into(), changes, recorder }
    }

    /// Records each statement of a caller there: run, failed or refused.
    #[must_use]
    pub fn recorded(mut self, log: Arc<dyn AuditLog>, clock: Arc<dyn Clock>) -> Self {
        self.recorder = Recorder { log, clock };
        self
    }

    /// Is there a database on which anybody may write?
    #[must_use]
    pub fn take_writes(&self) -> bool {
        self.pools.take_writes()
    }

    /// May this principal write on that database?
    #[must_use]
    pub fn may_write(&self, principal: &Principal, database: &DatabaseName) -> bool {
        self.pools.may_write(principal, database)
    }

    /// The databases that a principal reaches, in file order.
    pub fn reached<'a>(
        &'a self,
        principal: &'a Principal,
    ) -> impl Iterator<Item = &'a DatabaseName> {
        self.pools.reached(principal)
    }

    /// The database that a call means: the one it names, else the principal's first.
    ///
    /// # Errors
    /// [`QueryFault::UnknownDatabase`], the same for a name that exists and is out of reach.
    pub fn choose<'a>(
        &'a self,
        principal: &'a Principal,
        asked: Option<&str>,
    ) -> Result<&'a DatabaseName, QueryFault> {
        let mut reached = self.reached(principal);
        match asked {
            None => reached.next(),
            Some(asked) => reached.find(|name| name.as_str() == asked),
        }
        .ok_or(QueryFault::UnknownDatabase)
    }

    /// What one statement on that database may cost.
    #[must_use]
    pub fn limits(&self, database: &DatabaseName) -> Option<&Limits> {
        self.limits.get(self.place(database)?)
    }

    /// Where a database stands in the configuration.
    pub(crate) fn place(&self, database: &DatabaseName) -> Option<usize> {
        self.pools.names().iter().position(|name| name == database)
    }

    /// Runs a caller's text as a read: `limit` rows from `offset` on.
    ///
    /// # Errors
    /// [`QueryFault`]; rows that were handed on before it stay handed on.
    pub async fn read<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        text: &str,
        page: (u64, u64),
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let mut recording = self.recorder.begin(principal, database);
        let work = (text, page);
        let outcome = self.judge_and_read(principal, database, work, rows, &mut recording).await;
        recording.ended(&outcome);
        outcome
    }

    async fn judge_and_read<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        (text, page): (&str, (u64, u64)),
        rows: &mut R,
        recording: &mut Recording<'_>,
    ) -> Result<(), QueryFault> {
        let statement = Statement::read(text)?;
        recording.is(&statement);
        self.run_read(principal, database, &statement, (text, page), rows).await
    }

    /// Runs a caller's text: as a read, of which `limit` rows from `offset` on are handed on, or,
    /// where [`Databases::may_write`], as one change that commits, of which all returned rows are
    /// handed on and `Changed` tells the rest.
    ///
    /// # Errors
    /// [`QueryFault`]; nothing is changed then, unless the statement was cut off:
    /// [`QueryFault::Unsure`], [`QueryFault::Ended`], [`QueryFault::Gone`].
    pub async fn execute<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        text: &str,
        page: (u64, u64),
        rows: &mut R,
    ) -> Result<Option<Changed>, QueryFault> {
        if !self.may_write(principal, database) {
            return self.read(principal, database, text, page, rows).await.map(|()| None);
        }
        let mut recording = self.recorder.begin(principal, database);
        let outcome =
            self.execute_for_writer((principal, database), text, page, rows, &mut recording).await;
        recording.ended(&outcome);
        outcome
    }

    async fn execute_for_writer<R: Rows>(
        &self,
        (principal, database): (&Principal, &DatabaseName),
        text: &str,
        page: (u64, u64),
        rows: &mut R,
        recording: &mut Recording<'_>,
    ) -> Result<Option<Changed>, QueryFault> {
        let statement = Statement::read_or_change(text)?;
        recording.is(&statement);
        let Some(command) = statement.change() else {
            self.run_read(principal, database, &statement, (text, page), rows).await?;
            return Ok(None);
        };
        let sent = statement.page(page.0, page.1);
        // Told when this ends, in whatever way: a caller who goes away does not keep it from
        // being committed.
        let _defined = Defining { databases: self, database, command };
        let work = (Transaction::ReadWrite, sent.sql.as_str());
        let outcome = self.run(principal, database, work, &[], rows).await;
        let done = outcome.map_err(|fault| match fault {
            // The COMMIT was on its way already.
            QueryFault::Broken(_) | QueryFault::TimedOut(_) => QueryFault::Unsure,
            other => match explain_fault(other, &statement, &sent, text) {
                QueryFault::Database(error) => QueryFault::Undone(error),
                other => other,
            },
        })?;
        Ok(Some(changed(command, &done)))
    }

    async fn run_read<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        statement: &Statement<'_>,
        (text, (limit, offset)): (&str, (u64, u64)),
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let page = statement.page(limit, offset);
        let work = (Transaction::ReadOnly, page.sql.as_str());
        let mut rows = Skipping { rows, left: page.skipped_rows };
        let outcome = self.run(principal, database, work, &[], &mut rows).await;
        outcome.map(drop).map_err(|fault| explain_fault(fault, statement, &page, text))
    }

    /// Runs a constant of this code with parameters.
    ///
    /// # Errors
    /// [`QueryFault`].
    pub async fn constant<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        sql: &'static str,
        parameters: &[Option<&str>],
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let work = (Transaction::ReadOnly, sql);
        self.run(principal, database, work, parameters, rows).await.map(drop)
    }

    async fn run<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        work: (Transaction, &str),
        parameters: &[Option<&str>],
        rows: &mut R,
    ) -> Result<Completed, QueryFault> {
        let limits = self.limits(database).ok_or(QueryFault::UnknownDatabase)?;
        // Whatever ends the wait below drops the connection in the middle of its statement; the
        // pool then cancels the statement and never lends that connection again.
        let mut connection = self.pools.acquire(principal, database).await?;
        let deadline = limits.statement_timeout + GRACE;
        tokio::select! {
            // First: nothing is sent in the name of a credential that has ended.
            biased;
            _ = principal.lease.ended() => Err(QueryFault::Ended),
            outcome = stream(&mut connection, work, parameters, rows) => outcome,
            () = tokio::time::sleep(deadline) => Err(QueryFault::TimedOut(limits.statement_timeout)),
        }
    }
}

/// Hands on what comes behind the rows in front of a page.
struct Skipping<'r, R> {
    rows: &'r mut R,
    left: u64,
}

impl<R: Rows> Rows for Skipping<'_, R> {
    async fn columns(&mut self, columns: &[Column]) -> Result<(), Stop> {
        self.rows.columns(columns).await
    }

    async fn row(&mut self, row: &Row<'_>) -> Result<(), Stop> {
        match self.left.checked_sub(1) {
            Some(left) => self.left = left,
            None => self.rows.row(row).await?,
        }
        Ok(())
    }
}

/// What was done. PostgreSQL counts for the last part of a statement alone: `WITH … (INSERT …)
/// SELECT …` tells how many rows were selected, which is no number of rows inserted.
fn changed(command: &'static str, done: &Completed) -> Changed {
    let of_rows = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    let (tag, counted) = match done.tag.split_once(' ') {
        Some((tag, _)) if done.tag.ends_with(|c: char| c.is_ascii_digit()) => (tag, true),
        _ => (command, false),
    };
    // The last part may be another change than the one that was found first.
    let last = of_rows.into_iter().find(|name| *name == tag);
    let counts = counted && (last.is_some() || !of_rows.contains(&command));
    Changed { command: last.unwrap_or(command), rows: counts.then_some(done.rows) }
}

/// A change under way that may be one of the schema.
struct Defining<'d> {
    databases: &'d Databases,
    database: &'d DatabaseName,
    command: &'static str,
}

impl Drop for Defining<'_> {
    fn drop(&mut self) {
        let of_rows = ["INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE TABLE"];
        if !of_rows.contains(&self.command) {
            self.databases.schema_changed(self.database);
        }
    }
}

async fn stream<R: Rows>(
    connection: &mut Connection,
    (transaction, sql): (Transaction, &str),
    parameters: &[Option<&str>],
    rows: &mut R,
) -> Result<Completed, QueryFault> {
    let mut running = connection.start(transaction, sql, parameters).await?;
    rows.columns(running.columns()).await?;
    let mut at_once = 0;
    while let Some(row) = running.next().await? {
        at_once += row.byte_len();
        rows.row(&row).await?;
        if at_once >= TURN {
            at_once = 0;
            yield_now().await;
        }
    }
    Ok(running.finish().await?)
}

/// Turns what PostgreSQL says about the statement that was sent into what it means for the text.
fn explain_fault(
    fault: QueryFault,
    statement: &Statement<'_>,
    page: &Page,
    text: &str,
) -> QueryFault {
    match fault {
        // "Show tables" is SHOW of a setting that does not exist: most likely a sentence.
        QueryFault::Database(error)
            if statement.is_show() && error.sqlstate == UNDEFINED_OBJECT =>
        {
            QueryFault::Refused(mcp_sql::Refusal::Sentence)
        }
        QueryFault::Database(mut error) => {
            if error.sqlstate == SYNTAX_ERROR && error.position.is_some_and(|at| page.is_behind(at))
            {
                error.message = "syntax error at the end of the query".into();
            }
            if error.sqlstate == PROTOCOL_VIOLATION {
                error.message = "parameters such as $1 are not supported; write the value".into();
            }
            let position = error.position.and_then(|place| page.position_in(text, place));
            error.position = position.and_then(|place| u32::try_from(place).ok());
            QueryFault::Database(error)
        }
        other => other,
    }
}

/// SQLSTATE of a syntax error.
const SYNTAX_ERROR: &str = "42601";
/// SQLSTATE of a Bind without the parameters that the statement names.
const PROTOCOL_VIOLATION: &str = "08P01";
/// SQLSTATE of `unrecognized configuration parameter`.
const UNDEFINED_OBJECT: &str = "42704";
