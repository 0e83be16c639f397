//! What is sent: whole flights, each with one end at which the server answers that it is ready.

use std::io;

use bytes::{BufMut as _, BytesMut};
use postgres_protocol::IsNull;
use postgres_protocol::message::frontend::{self, BindError};

use crate::error::WireError;
use crate::wire::Transaction;

// Sent as text each time, never prepared: a prepared statement has a name, and a function that runs
// SQL of its own (`EXECUTE` in plpgsql) could deallocate it and prepare another under that name. The
// next statement would then run outside its transaction, and stay.
const BEGIN_READ: &str = "BEGIN READ ONLY";
const BEGIN_WRITE: &str = "BEGIN";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// One row: our process id, whether transactions are read-only, whether this is a standby, whether
/// the login or the role that was set may do more than SQL, and what gives advisory locks back, if
/// we may call it.
const PROBE: &str = "SELECT pg_catalog.pg_backend_pid(), \
     pg_catalog.current_setting('transaction_read_only'), pg_catalog.pg_is_in_recovery(), \
     (SELECT pg_catalog.bool_or(r.rolsuper OR r.rolreplication \
          OR pg_catalog.pg_has_role(r.oid, 'pg_read_server_files', 'MEMBER') \
          OR pg_catalog.pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER') \
          OR pg_catalog.pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER')) \
        FROM pg_catalog.pg_roles AS r WHERE r.rolname IN (session_user, current_user)), \
     (SELECT p.oid FROM pg_catalog.pg_proc AS p \
        WHERE p.oid = 'pg_catalog.pg_advisory_unlock_all()'::pg_catalog.regprocedure \
          AND pg_catalog.has_function_privilege(p.oid, 'EXECUTE'))";
const SET: &str = "SELECT pg_catalog.set_config($1, $2, false)";

/// The first flight: sets, then probes. Answered by Parse, Bind, one row and Command for each
/// setting and for the probe.
pub(crate) fn prepare<'a>(
    out: &mut BytesMut,
    settings: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), WireError> {
    for (name, value) in settings {
        run(out, SET, &[Some(name), Some(value)])?;
    }
    run(out, PROBE, &[])?;
    frontend::sync(out);
    Ok(())
}

/// What ends a flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Sync, and nothing more.
    Sync,
    /// A call of this function, which gives every advisory lock of the session back: neither
    /// ROLLBACK nor COMMIT does, and a function that a statement calls may have taken some. A
    /// function call ends a flight as Sync does, is neither parsed nor planned, and costs a few
    /// microseconds. Behind an error it is skipped with the rest.
    UnlockAll(u32),
}

/// The flight of a statement: BEGIN, the statement, ROLLBACK or COMMIT, and one end behind all
/// of them. Two ends would be a hole: where BEGIN alone fails, the statement of the next group
/// would run and commit by itself.
pub(crate) fn statement(
    out: &mut BytesMut,
    transaction: Transaction,
    sql: &str,
    params: &[Option<&str>],
    last: End,
) -> Result<(), WireError> {
    let (begin, end) = match transaction {
        Transaction::ReadOnly => (BEGIN_READ, ROLLBACK),
        Transaction::ReadWrite => (BEGIN_WRITE, COMMIT),
    };
    run(out, begin, &[])?;
    parse(out, sql)?;
    bind(out, params)?;
    frontend::describe(b'P', "", out).map_err(WireError::Unsendable)?;
    frontend::execute("", 0, out).map_err(WireError::Unsendable)?;
    run(out, end, &[])?;
    finish(out, last);
    Ok(())
}

/// The flight that ends a transaction which an error left open. The server skips everything up
/// to a Sync then; one is in front if the flight that failed had none.
pub(crate) fn rollback(out: &mut BytesMut, last: End) -> Result<(), WireError> {
    if last != End::Sync {
        frontend::sync(out);
    }
    run(out, ROLLBACK, &[])?;
    finish(out, last);
    Ok(())
}

fn finish(out: &mut BytesMut, last: End) {
    match last {
        End::Sync => frontend::sync(out),
        End::UnlockAll(function) => {
            // FunctionCall (PostgreSQL docs, "Message Formats"): its length, the function, no
            // formats, no arguments, the result as text.
            out.put_u8(b'F');
            out.put_u32(14);
            out.put_u32(function);
            out.put_slice(&[0; 6]);
        }
    }
}

/// Parse, Bind and Execute of the unnamed statement: nothing of it outlives the next Parse.
fn run(out: &mut BytesMut, sql: &str, params: &[Option<&str>]) -> Result<(), WireError> {
    parse(out, sql)?;
    bind(out, params)?;
    frontend::execute("", 0, out).map_err(WireError::Unsendable)
}

fn parse(out: &mut BytesMut, sql: &str) -> Result<(), WireError> {
    frontend::parse("", sql, [], out).map_err(WireError::Unsendable)
}

/// No formats given: parameters and results are all in text.
fn bind(out: &mut BytesMut, params: &[Option<&str>]) -> Result<(), WireError> {
    let params = params.iter().copied();
    let write = |param: Option<&str>, out: &mut BytesMut| {
        Ok(param.map_or(IsNull::Yes, |text| {
            out.extend_from_slice(text.as_bytes());
            IsNull::No
        }))
    };
    frontend::bind("", "", [], params, write, [], out).map_err(|error| match error {
        BindError::Conversion(error) => WireError::Unsendable(io::Error::other(error)),
        BindError::Serialization(error) => WireError::Unsendable(error),
    })
}
