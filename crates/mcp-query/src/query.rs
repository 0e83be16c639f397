//! The way of one statement.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use mcp_connect::{Column, Row, type_name};
use mcp_connect::{Connection, Transaction};
use mcp_identity::{DatabaseName, Principal};
use mcp_pool::Pools;
use mcp_sql::{Page, Statement};

use crate::fault::QueryFault;
use crate::limits::Limits;
use crate::schema_change::SchemaChanges;

/// How far the client's deadline stands behind PostgreSQL's own.
const GRACE: Duration = Duration::from_secs(2);

/// The configured databases, as statements reach them. Cheap to clone.
#[derive(Clone)]
pub struct Databases {
    pools: Pools,
    limits: Arc<[Limits]>,
    pub(crate) changes: SchemaChanges,
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
        Self { pools, limits: limits.into(), changes }
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
        (limit, offset): (u64, u64),
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let statement = Statement::read(text)?;
        let page = statement.page(limit, offset);
        let outcome = self.run(principal, database, &page.sql, &[], rows).await;
        outcome.map_err(|fault| explain_fault(fault, &statement, &page, text))
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
        self.run(principal, database, sql, parameters, rows).await
    }

    async fn run<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        sql: &str,
        parameters: &[Option<&str>],
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let limits = self.limits(database).ok_or(QueryFault::UnknownDatabase)?;
        // Whatever ends the wait below drops the connection in the middle of its statement; the
        // pool then cancels the statement and never lends that connection again.
        let mut connection = self.pools.acquire(principal, database).await?;
        let deadline = limits.statement_timeout + GRACE;
        tokio::select! {
            // First: nothing is sent in the name of a credential that has ended.
            biased;
            _ = principal.lease.ended() => Err(QueryFault::Ended),
            outcome = stream(&mut connection, sql, parameters, rows) => outcome,
            () = tokio::time::sleep(deadline) => Err(QueryFault::TimedOut(limits.statement_timeout)),
        }
    }
}

async fn stream<R: Rows>(
    connection: &mut Connection,
    sql: &str,
    parameters: &[Option<&str>],
    rows: &mut R,
) -> Result<(), QueryFault> {
    let mut running = connection.start(Transaction::ReadOnly, sql, parameters).await?;
    rows.columns(running.columns()).await?;
    while let Some(row) = running.next().await? {
        rows.row(&row).await?;
    }
    running.finish().await?;
    Ok(())
}

/// Turns what PostgreSQL says about the wrapped statement into what it means for the text.
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
