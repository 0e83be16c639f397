//! `db`: what is done to a database from outside the server.

mod harden;
mod init;
pub(crate) mod wall;

use crate::cli::DbCommand;
use crate::desk::Desk;
use crate::output::Fault;

pub(crate) fn run(command: &DbCommand, desk: &Desk) -> Result<(), Fault> {
    match command {
        DbCommand::Init { as_superuser } => init::run(as_superuser.as_deref(), desk),
        DbCommand::Status => init::status(desk),
        DbCommand::Harden { database, role } => {
            harden::run(database.as_deref(), role.as_deref(), desk)
        }
    }
}

/// The desk's own runtime knows no sockets: few commands need them.
pub(crate) fn wait<T>(work: impl Future<Output = T>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    Ok(runtime.map_err(Fault::from_failure)?.block_on(work))
}
