//! What a user or a token may do, as an operator types it.

use std::collections::BTreeSet;

use mcp_identity::{DatabaseName, DbRole, NameError, RoleName};

use crate::desk::Desk;
use crate::output::Fault;

/// The names of the configured databases, in their order.
pub(crate) fn configured(desk: &Desk) -> Result<Vec<DatabaseName>, Fault> {
    Ok(desk.config()?.databases.iter().map(|one| one.name.clone()).collect())
}

/// One of the configured databases.
pub(crate) fn database(name: &str, databases: &[DatabaseName]) -> Result<DatabaseName, Fault> {
    let found = databases.iter().find(|known| known.as_str() == name).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = databases.iter().map(DatabaseName::as_str).collect();
        Fault::refused(format!("there is no database {name}"))
            .hint(format!("configured: {}", names.join(", ")))
    })
}

pub(crate) fn roles(texts: &[String]) -> Result<BTreeSet<RoleName>, Fault> {
    let role = |text: &String| {
        RoleName::parse(text)
            .ok_or_else(|| Fault::refused("a role has 1 to 63 letters, digits, `_` or `-`"))
    };
    texts.iter().map(role).collect()
}

pub(crate) fn db_role(text: Option<&str>) -> Result<Option<DbRole>, Fault> {
    text.map(DbRole::parse).transpose().map_err(Fault::from_fault)
}

pub(crate) fn each<T: Ord>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, NameError>,
) -> Result<BTreeSet<T>, Fault> {
    texts.iter().map(|text| parse(text)).collect::<Result<_, _>>().map_err(Fault::from_fault)
}
