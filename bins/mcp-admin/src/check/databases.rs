//! Can the databases be reached, and what may the role do there?

use mcp_config::{Config, DatabaseConfig};
use mcp_pool::{TooMuch, inspect};

use super::Finding;
use crate::databases::Asked;
use crate::db::{self, wall::Wall};
use crate::output::Fault;

const WHAT: &str = "database";
const WALL: &str = "database role";
const HARDEN: &str = "mcp-admin db harden prints the SQL that takes it away";
const WHO: &str = "SELECT current_user, session_user";

pub(super) fn check(config: &Config) -> Vec<Finding> {
    let looked = db::wait(async {
        let mut findings = Vec::new();
        for database in &config.databases {
            findings.extend(reach(database, config).await);
        }
        findings
    });
    looked.unwrap_or_else(|fault| vec![Finding::failed(WHAT, &fault)])
}

async fn reach(database: &DatabaseConfig, config: &Config) -> Vec<Finding> {
    let name = &database.name;
    let mut asked = match Asked::connect(database).await {
        Ok(asked) => asked,
        Err(error) => return vec![Finding::fail(WHAT, format!("{name}: {error}"))],
    };
    // The address has its password masked.
    let mut findings = vec![Finding::ok(WHAT, format!("{name}: {} answers", asked.target))];
    match inspect(&asked.target, database.db_role.as_ref()).await {
        Ok(found) => {
            findings.extend(found.into_iter().map(|what| too_much(database, config, what)));
        }
        Err(error) => findings.push(Finding::fail(WHAT, format!("{name}: {error}"))),
    }
    match judge(database, &mut asked).await {
        Ok(judged) => findings.extend(judged),
        Err(fault) => findings.push(Finding::failed(WALL, &fault)),
    }
    findings
}

/// What stops the server, unless it is meant.
fn too_much(database: &DatabaseConfig, config: &Config, what: TooMuch) -> Finding {
    let allowed = match what {
        TooMuch::Privileged => database.allow_superuser,
        TooMuch::ReadsAccounts => config.users.allow_shared_auth_database,
    };
    let finding = if allowed { Finding::warn } else { Finding::fail };
    finding(WALL, format!("{}: {what}", database.name))
        .hint(format!("{}; mcp-admin db harden prints the SQL", what.way_out()))
}

/// What stands in PostgreSQL behind the server's own checks.
async fn judge(database: &DatabaseConfig, asked: &mut Asked) -> Result<Vec<Finding>, Fault> {
    let who = asked.rows(WHO, &[]).await?.into_iter().next().unwrap_or_default();
    let [role, login] = <[String; 2]>::try_from(who).unwrap_or_default();
    // SET ROLE can be taken back: what the login may do, a statement may come to do.
    let wall = Wall::look(asked, &login).await?;
    let mut findings = Vec::from_iter(power(database, &login, &wall));
    if role != login {
        let detail = format!("{}: {login} becomes {role} by SET ROLE", database.name);
        findings
            .push(Finding::warn(WALL, detail).hint(
                "where callers must not see each other's rows, give each a login of its own",
            ));
    }
    if !wall.is_superuser {
        findings.extend(rights(database, &login, &wall));
    }
    Ok(findings)
}

/// Nothing of a superuser: that was said.
fn power(database: &DatabaseConfig, login: &str, wall: &Wall) -> Option<Finding> {
    let name = &database.name;
    let powers: Vec<_> = wall.attributes.iter().chain(&wall.powers).map(String::as_str).collect();
    if wall.is_superuser {
        return None;
    }
    if powers.is_empty() {
        return Some(Finding::ok(WALL, format!("{name}: {login} is an ordinary role")));
    }
    let detail = format!("{name}: {login} has {}", powers.join(", "));
    Some(Finding::warn(WALL, detail).hint(HARDEN))
}

fn rights(database: &DatabaseConfig, login: &str, wall: &Wall) -> Vec<Finding> {
    let name = &database.name;
    let mut findings = Vec::new();
    let mut tell = |list: &[String], what: &str| {
        if let Some(example) = list.first() {
            let more = match list.len() {
                1 => String::new(),
                several => format!(" and {} more", several - 1),
            };
            findings.push(
                Finding::warn(WALL, format!("{name}: {login} {what} {example}{more}")).hint(HARDEN),
            );
        }
    };
    if !database.allow_writes {
        tell(&wall.writable, "may write to");
        tell(&wall.creates_in, "may make things in the schema");
    }
    tell(&wall.owned, "owns");
    tell(&wall.open_functions, "may execute, as everybody,");
    tell(&wall.given_functions, "may execute");
    tell(&wall.definers, "may execute with its owner's rights");
    tell(&wall.credentials, "reads password hashes or sessions in");
    findings
}
