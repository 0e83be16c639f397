//! Can the databases be reached?

use std::path::PathBuf;

use mcp_config::{Config, DatabaseConfig};
use mcp_connect::{Connection, DsnError, SessionSettings, Target};

use super::Finding;
use crate::output::Fault;

const WHAT: &str = "database";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    // The desk's own runtime knows no sockets: nothing else here needs them.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime {
        Ok(runtime) => {
            config.databases.iter().map(|database| runtime.block_on(reach(database))).collect()
        }
        Err(error) => vec![Finding::failed(WHAT, &Fault::from_failure(error))],
    }
}

async fn reach(database: &DatabaseConfig) -> Finding {
    let name = &database.name;
    let target = match target(database) {
        Ok(target) => target,
        Err(error) => return Finding::fail(WHAT, format!("{name}: {error}")),
    };
    let session = SessionSettings {
        application_name: "mcp-admin check".to_owned(),
        role: database.db_role.as_ref().map(|role| role.as_str().to_owned()),
        ..SessionSettings::default()
    };
    match Connection::connect(&target, &session).await {
        // The address has its password masked.
        Ok(_) => Finding::ok(WHAT, format!("{name}: {target} answers")),
        Err(error) => Finding::fail(WHAT, format!("{name}: {error}")),
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
