//! `db harden`: the SQL that makes the wall solid. It is printed, not run: it takes a superuser,
//! and somebody who reads it first.

use std::fmt::Write as _;

use mcp_config::DatabaseConfig;
use mcp_identity::DbRole;
use mcp_sql::quote_identifier;
use serde_json::json;

use super::wall::Wall;
use crate::databases::Asked;
use crate::desk::Desk;
use crate::output::{Fault, escaped};

/// What a new role is called if nobody says.
const NEW_ROLE: &str = "mcp_reader";
const WHO: &str = "SELECT current_user";

pub(super) fn run(database: Option<&str>, role: Option<&str>, desk: &Desk) -> Result<(), Fault> {
    let configured = choose(&desk.config()?.databases, database)?;
    if let Some(role) = role {
        DbRole::parse(role).map_err(Fault::from_fault)?;
    }
    let plan = super::wait(plan(configured, role))??;
    let document = json!({
        "database": configured.name.as_str(), "role": plan.role, "statements": plan.statements(),
        "notes": plan.notes(),
    });
    desk.output.show(&plan.text(configured), &document)
}

fn choose<'c>(
    databases: &'c [DatabaseConfig],
    asked: Option<&str>,
) -> Result<&'c DatabaseConfig, Fault> {
    let found = match asked {
        None => databases.first(),
        Some(asked) => databases.iter().find(|database| database.name.as_str() == asked),
    };
    found.ok_or_else(|| {
        let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
        Fault::refused("there is no such database in the configuration")
            .hint(format!("databases: {}", names.join(", ")))
    })
}

async fn plan(database: &DatabaseConfig, role: Option<&str>) -> Result<Plan, Fault> {
    let told = |error| Fault::refused(format!("{}: {error}", database.name));
    let mut asked = Asked::connect(database).await.map_err(told)?;
    let current = asked.column(WHO, &[]).await?.into_iter().next().unwrap_or_default();
    let wanted = role.unwrap_or(&current);
    let wall = Wall::look(&mut asked, wanted).await?;
    if !wall.is_superuser {
        return Ok(Plan::new(wanted, &wall, database.allow_writes));
    }
    if role.is_some() {
        return Err(Fault::refused(format!("{wanted} is a superuser: nothing is refused to it"))
            .hint(
                "name a role of its own for the agent, one that is yet to be made: --role NAME",
            ));
    }
    let wall = Wall::look(&mut asked, NEW_ROLE).await?;
    Ok(Plan::new(NEW_ROLE, &wall, database.allow_writes))
}

/// What is to be done, in parts that each have a reason.
struct Plan {
    role: String,
    exists: bool,
    parts: Vec<Part>,
}

#[derive(Default)]
struct Part {
    why: Vec<String>,
    statements: Vec<String>,
}

impl Part {
    fn new(why: &str) -> Self {
        Self { why: vec![why.to_owned()], statements: Vec::new() }
    }

    /// A thing to know, of which a part may consist.
    fn note(mut self, line: impl Into<String>) -> Self {
        self.why.push(line.into());
        self
    }

    fn statement(mut self, sql: String) -> Self {
        self.statements.push(sql);
        self
    }

    fn maybe(self, sql: Option<String>) -> Self {
        match sql {
            Some(sql) => self.statement(sql),
            None => self,
        }
    }
}

impl Plan {
    fn new(role: &str, wall: &Wall, writes: bool) -> Self {
        let quoted = quote_identifier(role);
        let parts = [
            if wall.exists {
                role_part(&quoted, wall)
            } else {
                Some(new_role(&quoted, wall, writes))
            },
            objects(&quoted, wall, writes),
            credentials(&quoted, wall),
            functions(&quoted, wall),
            definers(&quoted, wall),
            inherited(wall),
            policies(&quoted, wall),
        ];
        let parts = parts.into_iter().flatten().collect();
        Self { role: role.to_owned(), exists: wall.exists, parts }
    }

    fn statements(&self) -> Vec<&String> {
        self.parts.iter().flat_map(|part| &part.statements).collect()
    }

    fn notes(&self) -> Vec<String> {
        self.parts.iter().map(|part| part.why.join("\n")).collect()
    }

    /// A script for psql: everything, or nothing of it.
    fn text(&self, database: &DatabaseConfig) -> String {
        let mut text = format!(
            "-- What the role {} needs to be a wall, in the database {}. Read it, then run it there\n\
             -- with psql as a superuser. What is not printed is as it should be.\n",
            escaped(&self.role),
            database.name
        );
        if self.statements().is_empty() {
            text.push_str("-- There is nothing to do.\n");
        } else {
            text.push_str("\\set ON_ERROR_STOP on\nBEGIN;\n");
        }
        for part in &self.parts {
            text.push('\n');
            for line in &part.why {
                let _ = writeln!(text, "-- {}", escaped(line));
            }
            for statement in &part.statements {
                let _ = writeln!(text, "{statement};");
            }
        }
        if !self.statements().is_empty() {
            text.push_str("\nCOMMIT;\n");
        }
        if !self.exists {
            let _ = write!(
                text,
                "\n-- Then give it a password, and name it as `user` of this database in the \
                 configuration:\n-- \\password {}\n",
                escaped(&quote_identifier(&self.role))
            );
        }
        text
    }
}

fn new_role(role: &str, wall: &Wall, writes: bool) -> Part {
    let (read_only, rights) =
        if writes { ("off", "SELECT, INSERT, UPDATE, DELETE") } else { ("on", "SELECT") };
    let mut part = Part::new(
        "A role that may log in, read what it is given, and nothing else. Grant less where you can.",
    )
    .statement(format!(
        "CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS"
    ))
    .statement(format!("ALTER ROLE {role} SET default_transaction_read_only = {read_only}"))
    .statement(format!("ALTER ROLE {role} SET temp_file_limit = '1GB'"))
    .statement(format!("GRANT CONNECT ON DATABASE {} TO {role}", wall.database));
    for schema in &wall.schemas {
        part = part
            .statement(format!("GRANT USAGE ON SCHEMA {schema} TO {role}"))
            .statement(format!("GRANT {rights} ON ALL TABLES IN SCHEMA {schema} TO {role}"));
        if writes {
            part = part
                .statement(format!("GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}"));
        }
    }
    part
}

fn role_part(role: &str, wall: &Wall) -> Option<Part> {
    if wall.attributes.is_empty() && wall.powers.is_empty() {
        return None;
    }
    let without: Vec<_> = wall.attributes.iter().map(|name| format!("NO{name}")).collect();
    let attributes =
        (!without.is_empty()).then(|| format!("ALTER ROLE {role} {}", without.join(" ")));
    let powers =
        (!wall.powers.is_empty()).then(|| format!("REVOKE {} FROM {role}", wall.powers.join(", ")));
    Some(
        Part::new(
            "It is more than a reader: these reach other roles, files, programs or all data.",
        )
        .maybe(attributes)
        .maybe(powers),
    )
}

fn objects(role: &str, wall: &Wall, writes: bool) -> Option<Part> {
    let from = format!("FROM PUBLIC, {role}");
    let mut part = Part::new("What can be written or made by whom should only read.");
    if !writes {
        for table in &wall.writable {
            part = part.statement(format!(
                "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON {table} {from}"
            ));
        }
        for sequence in &wall.sequences {
            part = part.statement(format!("REVOKE USAGE, UPDATE ON SEQUENCE {sequence} {from}"));
        }
        for schema in &wall.creates_in {
            part = part.statement(format!("REVOKE CREATE ON SCHEMA {schema} {from}"));
        }
        if !wall.makes.is_empty() {
            let (rights, database) = (wall.makes.join(", "), &wall.database);
            part = part.statement(format!("REVOKE {rights} ON DATABASE {database} {from}"));
        }
    }
    if !wall.owned.is_empty() {
        let owned = wall.owned.join(", ");
        part = part.note(format!(
            "It owns {owned}: an owner may do everything. Give them away with ALTER … OWNER TO."
        ));
    }
    (part.why.len() > 1 || !part.statements.is_empty()).then_some(part)
}

fn credentials(role: &str, wall: &Wall) -> Option<Part> {
    if wall.credentials.is_empty() {
        return None;
    }
    let part = Part::new("It reads the tables of a user store: password hashes and sessions.");
    let revoke = |table| format!("REVOKE ALL ON {table} FROM PUBLIC, {role}");
    Some(wall.credentials.iter().map(revoke).fold(part, Part::statement))
}

fn functions(role: &str, wall: &Wall) -> Option<Part> {
    let (open, given) = (&wall.open_functions, &wall.given_functions);
    if open.is_empty() && given.is_empty() {
        return None;
    }
    let listed = |functions: &[String]| functions.join(",\n  ");
    let mut part = Part::new(
        "Functions that reach files, sessions, locks or the network, or run SQL in a text.",
    );
    if !open.is_empty() {
        let open = listed(open);
        if !wall.others.is_empty() {
            let others = wall.others.join(", ");
            part = part
                .note("Everybody could execute them. The other roles keep that by a right of their own.")
                .statement(format!("GRANT EXECUTE ON ROUTINE\n  {open}\n  TO {others}"));
        }
        part =
            part.statement(format!("REVOKE EXECUTE ON ROUTINE\n  {open}\n  FROM PUBLIC, {role}"));
    }
    if !given.is_empty() {
        let given = listed(given);
        part = part.statement(format!("REVOKE EXECUTE ON ROUTINE\n  {given}\n  FROM {role}"));
    }
    Some(part)
}

fn definers(role: &str, wall: &Wall) -> Option<Part> {
    if wall.definers.is_empty() {
        return None;
    }
    let part =
        Part::new("Functions that run with the rights of their owner. Judge each; to refuse:");
    let line = |signature| format!("REVOKE EXECUTE ON ROUTINE {signature} FROM PUBLIC, {role};");
    Some(wall.definers.iter().map(line).fold(part, Part::note))
}

fn inherited(wall: &Wall) -> Option<Part> {
    let roles = wall.memberships.join(", ");
    (!roles.is_empty()).then(|| {
        Part::new(&format!(
            "It is a member of {roles}, and has their rights, which stay as they are."
        ))
    })
}

/// Principals that must not see each other's rows.
fn policies(role: &str, wall: &Wall) -> Option<Part> {
    let table = wall.example.as_ref()?;
    Some(
        Part::new(
            "Callers that must not see each other's rows need a login each, an entry of their own",
        )
        .note("under `databases`, and policies by role; settings such as mcp.username can be")
        .note("changed inside a statement. For example:")
        .note(format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;"))
        .note(format!("CREATE POLICY own_rows ON {table} TO {role} USING (owner = current_user);")),
    )
}
