//! A configured database, asked by the operator.

use std::path::PathBuf;

use mcp_config::DatabaseConfig;
use mcp_connect::{ConnectError, Connection, DsnError, SessionSettings, Target, Transaction};

use crate::output::Fault;

/// A connection that runs constants of this code, read-only.
pub(crate) struct Asked {
    connection: Connection,
    /// Where it is.
    pub(crate) target: Target,
}

/// Why a database cannot be asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectFault {
    #[error(transparent)]
    Target(#[from] DsnError),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Asked {
    /// Connects as the server does, with its role.
    pub(crate) async fn connect(database: &DatabaseConfig) -> Result<Self, ConnectFault> {
        let target = target(database)?;
        let session = SessionSettings {
            application_name: "mcp-admin".to_owned(),
            // Names come out with their schema in front, whatever the login has set.
            settings: vec![("search_path".to_owned(), "pg_catalog".to_owned())],
            role: database.db_role.as_ref().map(|role| role.as_str().to_owned()),
        };
        let connection = Connection::connect(&target, &session).await?;
        Ok(Self { connection, target })
    }

    /// Every row of the answer; a NULL is empty.
    pub(crate) async fn rows(
        &mut self,
        sql: &'static str,
        parameters: &[&str],
    ) -> Result<Vec<Vec<String>>, Fault> {
        let parameters: Vec<_> = parameters.iter().copied().map(Some).collect();
        let ran = self.connection.start(Transaction::ReadOnly, sql, &parameters).await;
        let mut running = ran.map_err(Fault::from_failure)?;
        let mut rows = Vec::new();
        while let Some(row) = running.next().await.map_err(Fault::from_failure)? {
            rows.push(row.iter().map(|value| value.unwrap_or_default().to_owned()).collect());
        }
        Ok(rows)
    }

    /// The first column of each row.
    pub(crate) async fn column(
        &mut self,
        sql: &'static str,
        parameters: &[&str],
    ) -> Result<Vec<String>, Fault> {
        let rows = self.rows(sql, parameters).await?;
        Ok(rows.into_iter().filter_map(|row| row.into_iter().next()).collect())
    }
}

/// Where it is: the address if one is given, with the single keys on top.
fn target(database: &DatabaseConfig) -> Result<Target, DsnError> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let parts = [
        ("host", database.host.clone()),
        ("port", database.port.map(|port| port.to_string())),
        ("dbname", database.database.clone()),
        ("user", database.user.clone()),
        ("password", database.password.as_ref().map(|secret| secret.expose().to_owned())),
        ("passfile", path(&database.passfile)),
        ("sslmode", database.sslmode.map(|mode| mode.as_str().to_owned())),
        ("sslrootcert", path(&database.sslrootcert)),
        ("sslcert", path(&database.sslcert)),
        ("sslkey", path(&database.sslkey)),
        (
            "target_session_attrs",
            database.target_session_attrs.map(|wanted| wanted.as_str().to_owned()),
        ),
    ];
    let mut target = Target::builder();
    if let Some(url) = &database.url {
        target = target.dsn(url.expose())?;
    }
    for (name, value) in parts.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        target = target.set(name, &value)?;
    }
    target.build()
}
