//! What is sent: whole flights, each with one Sync.

use std::io;

use bytes::BytesMut;
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::WireError;
use crate::wire::Transaction;

const BEGIN_READ: &str = "mcp_begin_read";
const BEGIN_WRITE: &str = "mcp_begin_write";
const COMMIT: &str = "mcp_commit";
const ROLLBACK: &str = "mcp_rollback";

/// What is prepared on every connection: name and text.
pub(crate) const PREPARED: [(&str, &str); 4] = [
    (BEGIN_READ, "BEGIN READ ONLY"),
    (BEGIN_WRITE, "BEGIN"),
    (COMMIT, "COMMIT"),
    (ROLLBACK, "ROLLBACK"),
];

/// One row: our process id, whether transactions are read-only, whether this is a standby.
const PROBE: &str = "SELECT pg_catalog.pg_backend_pid(), \
     pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery()";
const SET: &str = "SELECT pg_catalog.set_config($1, $2, false)";

/// The first flight: prepares, probes, then sets. Answered by a `ParseComplete` for each prepared
/// text, then Parse, Bind, one row and Command for the probe and for each setting.
pub(crate) fn prepare<'a>(
    out: &mut BytesMut,
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), WireError> {
    for (name, text) in PREPARED {
        parse(out, name, text)?;
    }
    parse(out, "", PROBE)?;
    bind_and_execute(out, "", &[])?;
    for (name, value) in settings {
        parse(out, "", SET)?;
        bind_and_execute(out, "", &[Some(name), Some(value)])?;
    }
    frontend::sync(out);
    Ok(())
}

/// The flight of a statement: BEGIN, the statement, ROLLBACK or COMMIT, and one Sync behind all
/// of them. Two Syncs would be a hole: where BEGIN alone fails, the statement of the next group
/// would run and commit by itself.
pub(crate) fn statement(
    out: &mut BytesMut,
    transaction: Transaction,
    sql: &str,
    params: &[Option<&str>],
) -> Result<(), WireError> {
    let (begin, end) = match transaction {
        Transaction::ReadOnly => (BEGIN_READ, ROLLBACK),
        Transaction::ReadWrite => (BEGIN_WRITE, COMMIT),
    };
    bind_and_execute(out, begin, &[])?;
    parse(out, "", sql)?;
    bind(out, "", params)?;
    frontend::describe(b'P', "", out).map_err(WireError::Unsendable)?;
    frontend::execute("", 0, out).map_err(WireError::Unsendable)?;
    bind_and_execute(out, end, &[])?;
    frontend::sync(out);
    Ok(())
}

/// The flight that ends a transaction which an error left open.
pub(crate) fn rollback(out: &mut BytesMut) -> Result<(), WireError> {
    bind_and_execute(out, ROLLBACK, &[])?;
    frontend::sync(out);
    Ok(())
}

fn parse(out: &mut BytesMut, name: &str, sql: &str) -> Result<(), WireError> {
    frontend::parse(name, sql, [], out).map_err(WireError::Unsendable)
}

fn bind_and_execute(
    out: &mut BytesMut,
    statement: &str,
    params: &[Option<&str>],
) -> Result<(), WireError> {
    bind(out, statement, params)?;
    frontend::execute("", 0, out).map_err(WireError::Unsendable)
}

/// No formats given: parameters and results are all in text.
fn bind(out: &mut BytesMut, statement: &str, params: &[Option<&str>]) -> Result<(), WireError> {
    let params = params.iter().copied();
    let write = |param: Option<&str>, out: &mut BytesMut| {
        Ok(param.map_or(IsNull::Yes, |text| {
            out.extend_from_slice(text.as_bytes());
            IsNull::No
        }))
    };
    frontend::bind("", statement, [], params, write, [], out).map_err(|error| match error {
        BindError::Conversion(error) => WireError::Unsendable(io::Error::other(error)),
        BindError::Serialization(error) => WireError::Unsendable(error),
    })
}
