//! `tokens show`: all that is known of one token.

use std::fmt::Write as _;
use std::iter;
use std::time::{Duration, SystemTime};

use mcp_identity::{AuditAction, DatabaseName, DbRole, RoleName, TokenId, ToolName};
use mcp_store_file::{AuditFilter, AuditLine};

use super::{Tokens, ambiguous, not_found, selectors};
use crate::audit::Lines;
use crate::output::{Fault, labelled, warn};
use crate::when;

/// How far back the log is read before it is read as a whole: most tokens are in use.
const LATELY: Duration = Duration::from_hours(24);

/// The log may be younger than the token: nobody can say `Never`.
const UNUSED: &str = "not in the audit log";

impl Tokens<'_> {
    pub(super) fn show(&self, named: &str) -> Result<(), Fault> {
        let records = self.desk.wait(self.store.all())?;
        let found = selectors(named).into_iter().find_map(|selector| {
            let found: Vec<_> = records.iter().filter(|one| selector.names(one)).collect();
            (!found.is_empty()).then_some(found)
        });
        let record = match found.as_deref() {
            Some([record]) => record,
            Some(several) => return Err(ambiguous(several.len())),
            None => return Err(not_found()),
        };
        let last_used = self.last_used(&record.id);
        let mut text = self.block(record);
        let roles: Vec<_> = record.roles.iter().map(RoleName::as_str).collect();
        let tools = record
            .tools
            .as_ref()
            .map(|tools| tools.iter().map(ToolName::as_str).collect::<Vec<_>>().join(", "));
        let database =
            record.database.as_ref().map_or("the first configured", DatabaseName::as_str);
        for (label, value) in [
            ("Reaches", database),
            ("Roles", &roles.join(", ")),
            ("Database role", record.db_role.as_ref().map_or("the login's own", DbRole::as_str)),
            ("Tools", tools.as_deref().unwrap_or("every tool")),
            ("Read-only", if record.read_only { "yes" } else { "no" }),
            ("Last used", &last_used.map_or(UNUSED.to_owned(), when::second)),
        ] {
            let _ = writeln!(text, "{}", labelled(label, value));
        }
        let mut document = self.document(record);
        document["last_used"] = last_used.map(when::rfc3339).into();
        self.desk.output.show(&text, &document)
    }

    /// The last use that was recorded: the first of its hour and address, as a server records
    /// them. What cannot be read of the log is said, and hides nothing else.
    fn last_used(&self, id: &TokenId) -> Option<SystemTime> {
        let lately = self.desk.now.checked_sub(LATELY);
        [lately, None].into_iter().find_map(|since| self.newest_use(since, id))
    }

    fn newest_use(&self, since: Option<SystemTime>, id: &TokenId) -> Option<SystemTime> {
        let lines = Lines::of(AuditFilter { since, user: None }, self.desk);
        let mut lines = lines.inspect_err(|fault| warn(fault.message())).ok()?;
        let all = iter::from_fn(|| lines.next(self.desk));
        let uses = all.filter_map(Result::ok).filter(|line| is_use(line, id));
        uses.map(|line| line.time).max()
    }
}

fn is_use(line: &AuditLine, id: &TokenId) -> bool {
    line.action == AuditAction::Bearer.as_str()
        && line.outcome == "done"
        && line.token.as_deref() == Some(id.as_str())
}
