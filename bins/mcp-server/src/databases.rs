//! The configured databases, as the pools and the queries need them.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use mcp_config::{Config, DatabaseConfig};
use mcp_connect::{DsnError, Target};
use mcp_identity::UserName;
use mcp_pool::{DatabaseSettings, PoolKeeper, Pools};
use mcp_query::{Databases, Limits};

use crate::fault::StartFault;

/// How long a request waits for a connection that others use.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long the start waits for a database to say what its login may do.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Pools over the configured databases. A login that may do what it must not stops the start; a
/// database that is down does not.
pub(crate) async fn open(config: &Config) -> Result<(Databases, PoolKeeper), StartFault> {
    let settings = config.databases.iter().map(|database| settings(database, config));
    let (pools, keeper) = Pools::new(settings.collect::<Result<_, _>>()?);
    pools.inspect(INSPECT_TIMEOUT).await.map_err(|(name, reason)| {
        StartFault::mendable(format!("database {name}: {reason}"), reason.way_out().to_owned())
    })?;
    let limits = config.databases.iter().map(limits).collect();
    Ok((Databases::new(pools, limits), keeper))
}

fn limits(database: &DatabaseConfig) -> Limits {
    Limits {
        max_rows: database.max_rows,
        max_result_bytes: database.max_result_bytes,
        statement_timeout: database.statement_timeout,
    }
}

fn settings(database: &DatabaseConfig, config: &Config) -> Result<DatabaseSettings, StartFault> {
    let at_least_one = |count| NonZeroUsize::new(count).unwrap_or(NonZeroUsize::MIN);
    Ok(DatabaseSettings {
        name: database.name.clone(),
        target: target(database)?,
        available_to_users: admitted(database)?,
        db_role: database.db_role.clone(),
        allow_writes: database.allow_writes,
        allow_superuser: database.allow_superuser,
        allow_shared_auth_database: config.users.allow_shared_auth_database,
        statement_timeout: database.statement_timeout,
        lock_timeout: database.lock_timeout,
        connections_per_principal: at_least_one(database.connections_per_principal),
        connections_per_user: at_least_one(database.connections_per_user),
        connections_total: at_least_one(database.connections_total),
        pool_idle: database.pool_idle,
        acquire_timeout: ACQUIRE_TIMEOUT,
    })
}

/// The users who are named as those that may reach it.
fn admitted(database: &DatabaseConfig) -> Result<Option<BTreeSet<UserName>>, StartFault> {
    let parse = |name: &String| {
        UserName::parse(name).map_err(|fault| {
            let key = format!("database {}: available_to_users: {fault}", database.name);
            StartFault::mendable(key, None)
        })
    };
    let named = database.available_to_users.as_ref();
    named.map(|names| names.iter().map(parse).collect()).transpose()
}

/// Where the database is and who logs in: what its `url` says, with the single keys on top.
fn target(database: &DatabaseConfig) -> Result<Target, StartFault> {
    let refuse = |fault: DsnError| {
        StartFault::mendable(format!("database {}: {fault}", database.name), None)
    };
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
        target = target.dsn(url.expose()).map_err(refuse)?;
    }
    for (name, value) in parts {
        if let Some(value) = value {
            target = target.set(name, &value).map_err(refuse)?;
        }
    }
    target.build().map_err(refuse)
}
