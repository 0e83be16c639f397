//! Who types, and the record of what was changed.

use std::future::ready;
use std::num::NonZeroU32;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use mcp_config::Config;
use mcp_identity::{AuditEvent, AuditLog as _, SystemClock, SystemEntropy};
use mcp_store::StoreError;
use mcp_store_file::{AuditFile, AuditFileSettings};
use rustix::process::getuid;

use crate::desk::Desk;
use crate::dsn;
use crate::output::{Fault, warn};

/// Records changes that were made. A log that cannot be written is said and undoes nothing: on a
/// full disk a stolen token must still be removed.
pub(crate) fn record(desk: &Desk, events: impl IntoIterator<Item = AuditEvent>) {
    let written = desk.config().and_then(|config| {
        if config.records_in_database() {
            return write_rows(config, desk, events);
        }
        // std panics where a folder cannot be closed, and the log looks into its folder.
        match catch_unwind(AssertUnwindSafe(|| write(config, events))) {
            Ok(written) => written.map_err(Fault::from),
            Err(_) => Err(Fault::ours("it could not be written")),
        }
    });
    if let Err(why) = written {
        warn(&format!("this is not in the audit log: {}", why.message()));
    }
}

fn write(config: &Config, events: impl IntoIterator<Item = AuditEvent>) -> Result<(), StoreError> {
    let settings = AuditFileSettings {
        path: config.audit.file.clone().unwrap_or_else(|| config.state.directory.clone()),
        retention_days: NonZeroU32::new(config.audit.retention_days),
        for_its_owner: true,
    };
    let (log, writer) = AuditFile::open(settings, Arc::new(SystemClock))?;
    events.into_iter().for_each(|event| log.record(event));
    writer.finish_now()
}

fn write_rows(
    config: &Config,
    desk: &Desk,
    events: impl IntoIterator<Item = AuditEvent>,
) -> Result<(), Fault> {
    let days = NonZeroU32::new(config.audit.retention_days);
    let opened = dsn::open(desk)?.audit(days, Arc::new(SystemClock), &SystemEntropy);
    let (log, writer) = opened.map_err(Fault::from_failure)?;
    events.into_iter().for_each(|event| log.record(event));
    Ok(desk.wait(writer.run(ready(())))?)
}

/// The name of who runs this, as the system knows it; behind `sudo`, also of who typed that.
pub(crate) fn name(sudo_user: Option<&str>) -> String {
    let user = getuid();
    let name = user_name(user.as_raw());
    match sudo_user {
        // Anybody may set the variable; only root was let through by sudo.
        Some(typist) if user.is_root() && !typist.is_empty() => format!("{typist} as {name}"),
        _ => name,
    }
}

/// The name of a user, or its number where no account has it.
pub(crate) fn user_name(user: u32) -> String {
    let number = user.to_string();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let named = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| format!("#{number}"))
}
