//! `tokens`: made, listed, shown, rotated, removed.

mod rotate;
mod show;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::SystemTime;

use mcp_config::UserStore;
use mcp_identity::{
    AuditAction, DatabaseName, DbRole, PlainToken, RoleName, Subject, SystemEntropy, TokenHash,
    TokenId, ToolName,
};
use mcp_store::{
    InsertRejection, RemoveRejection, StoreErrorKind, TokenRecord, TokenSelector, TokenStore,
};
use mcp_store_file::TokenFile;
use serde_json::{Value, json};

use crate::cli::{AddTokenArgs, TokensCommand};
use crate::desk::Desk;
use crate::dsn;
use crate::expiry::{Expiry, distance};
use crate::grants;
use crate::output::{Fault, labelled};
use crate::{prompt, when};

/// How many ids are tried within one second.
const MOST_IN_A_SECOND: u32 = 1_000;

/// Where the tokens are, and who stands before them.
pub(crate) struct Tokens<'d> {
    store: Box<dyn TokenStore>,
    desk: &'d Desk,
}

impl<'d> Tokens<'d> {
    /// Finds the tokens: the file of the flag, else where the configuration says.
    pub(crate) fn open(desk: &'d Desk, flag: Option<&str>) -> Result<Self, Fault> {
        // A broken configuration must not stand in the way of removing a stolen token.
        let path = match flag {
            Some(path) => path.into(),
            None if desk.config()?.users.store == UserStore::Postgres => {
                return Ok(Self { store: Box::new(dsn::open(desk)?), desk });
            }
            None => desk.config()?.http.auth.token_file.clone(),
        };
        Ok(Self { store: Box::new(TokenFile::open(path).for_its_owner()), desk })
    }

    pub(crate) fn run(&self, command: TokensCommand) -> Result<(), Fault> {
        match command {
            TokensCommand::Add(arguments) => self.add(&arguments),
            TokensCommand::List => self.list(),
            TokensCommand::Show { token } => self.show(&token),
            TokensCommand::Rotate(arguments) => self.rotate(&arguments),
            TokensCommand::Remove { token } => self.remove(&token),
        }
    }

    fn add(&self, arguments: &AddTokenArgs) -> Result<(), Fault> {
        let databases = grants::configured(self.desk)?;
        let wanted = Wanted::decide(arguments, &databases)?;
        let end = wanted.expiry.end(self.desk.now).map_err(|error| expiry_fault(&error))?;
        let token = PlainToken::generate(&SystemEntropy).map_err(Fault::from_failure)?;
        let record = TokenRecord {
            note: wanted.note,
            database: wanted.database,
            expires_at: end,
            roles: grants::roles(&arguments.roles)?,
            db_role: grants::db_role(arguments.db_role.as_deref())?,
            tools: match arguments.tools.as_slice() {
                [] => None,
                tools => Some(grants::each(tools, ToolName::parse)?),
            },
            read_only: arguments.read_only,
            ..TokenRecord::new(self.id(1)?, TokenHash::of(&token), self.desk.now)
        };
        let kept = self.keep(record)?;
        // Nothing stands between a token that was made and its owner, the audit log neither.
        let revealed = self.reveal(&token, &kept, None);
        self.desk.record(AuditAction::AddToken, Subject::Token(kept.id));
        revealed
    }

    /// The id of the token that is made now; of the first, second… one that is tried.
    fn id(&self, attempt: u32) -> Result<TokenId, Fault> {
        let suffix = if attempt > 1 { format!("-{attempt}") } else { String::new() };
        let id = format!("token-{}{suffix}", when::unix_seconds(self.desk.now));
        TokenId::parse(&id).map_err(Fault::from_failure)
    }

    /// Keeps the record; another one of the same second gives it a longer id.
    fn keep(&self, mut record: TokenRecord) -> Result<TokenRecord, Fault> {
        for attempt in 2..=MOST_IN_A_SECOND {
            match self.desk.wait(self.store.insert(record.clone())) {
                Ok(()) => return Ok(record),
                Err(InsertRejection::IdTaken) => record.id = self.id(attempt)?,
                Err(InsertRejection::HashTaken) => return Err(repeated()),
                Err(InsertRejection::Store(error)) => {
                    let undo = (error.kind == StoreErrorKind::NotDurable)
                        .then(|| undo(&record.id, "the token is not shown"));
                    return Err(Fault::from(error).maybe_hint(undo));
                }
            }
        }
        Err(too_many())
    }

    /// Prints the token, for the only time; with the one that it replaces, if there is one.
    fn reveal(
        &self,
        token: &PlainToken,
        record: &TokenRecord,
        old: Option<&TokenRecord>,
    ) -> Result<(), Fault> {
        let done = if old.is_some() { "rotated" } else { "created" };
        let mut text = format!("Token {done} successfully:\n");
        let _ = writeln!(text, "Token: {}", token.expose());
        let _ = writeln!(text, "ID: {}", record.id);
        let _ = writeln!(text, "{}", labelled("Note", &record.note));
        if let Some(database) = &record.database {
            let _ = writeln!(text, "Database: {database}");
        }
        let _ = match record.expires_at {
            Some(end) => writeln!(text, "Expiry: {} ({})", when::day(end), self.distance(end)),
            None => writeln!(text, "Expiry: Never"),
        };
        let _ = writeln!(text, "Hash (first 12 chars): {}", short(record.hash));
        if let Some(old) = old {
            let _ = writeln!(text, "Replaces: {}, {}", old.id, self.ending(old));
        }
        text.push_str("\nStore this token securely. It cannot be retrieved later.\n");
        let mut document = self.document(record);
        document["token"] = token.expose().into();
        if let Some(old) = old {
            document["replaces"] = self.document(old);
        }
        self.desk.output.print(&text, &document).map_err(|error| {
            Fault::ours(format!("the token was made but could not be shown: {error}"))
                .hint(undo(&record.id, "nobody has it"))
        })
    }

    fn distance(&self, end: SystemTime) -> String {
        distance(end.duration_since(self.desk.now).unwrap_or_default())
    }

    fn list(&self) -> Result<(), Fault> {
        let records = self.desk.wait(self.store.all())?;
        let mut text = String::from("API Tokens:\n===========\n\n");
        for record in &records {
            text.push_str(&self.block(record));
            text.push('\n');
        }
        let _ = writeln!(text, "Total tokens: {}", records.len());
        let tokens: Vec<Value> = records.iter().map(|record| self.document(record)).collect();
        self.desk.output.show(&text, &json!({ "tokens": tokens, "total": records.len() }))
    }

    fn remove(&self, named: &str) -> Result<(), Fault> {
        for selector in selectors(named) {
            match self.desk.wait(self.store.remove(selector)) {
                Ok(removed) => return self.removed(&removed),
                Err(RemoveRejection::NotFound) => {}
                Err(RemoveRejection::Ambiguous(several)) => return Err(ambiguous(several)),
                Err(RemoveRejection::Store(error)) => {
                    return Err(Fault::from(error).about(format_args!("token {named}")));
                }
            }
        }
        Err(not_found())
    }

    fn removed(&self, removed: &TokenRecord) -> Result<(), Fault> {
        self.desk.record(AuditAction::RemoveToken, Subject::Token(removed.id.clone()));
        let text = format!("Token removed: {}\n", removed.id);
        self.desk.output.tell(&text, &json!({ "removed": self.document(removed) }))
    }

    /// One token of the list.
    fn block(&self, record: &TokenRecord) -> String {
        let mut lines = vec![format!("ID: {}", record.id), labelled("Note", &record.note)];
        lines.extend(record.database.as_ref().map(|name| format!("Database: {name}")));
        let end = record.expires_at.map_or_else(|| "Never".to_owned(), when::second);
        lines.extend([
            format!("Hash (first 12 chars): {}", short(record.hash)),
            format!("Created: {}", when::second(record.created_at)),
            format!("Expires: {end}"),
            format!(
                "Status: {}",
                if record.is_expired(self.desk.now) { "Expired" } else { "Valid" }
            ),
        ]);
        lines.join("\n") + "\n"
    }

    fn document(&self, record: &TokenRecord) -> Value {
        let names = |names: &BTreeSet<ToolName>| {
            names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        json!({
            "id": record.id.as_str(),
            "note": record.note,
            "database": record.database.as_ref().map(DatabaseName::as_str),
            "hash_prefix": &record.hash.to_hex()[..12],
            "created_at": when::rfc3339(record.created_at),
            "expires_at": record.expires_at.map(when::rfc3339),
            "status": if record.is_expired(self.desk.now) { "expired" } else { "valid" },
            "roles": record.roles.iter().map(RoleName::as_str).collect::<Vec<_>>(),
            "db_role": record.db_role.as_ref().map(DbRole::as_str),
            "tools": record.tools.as_ref().map(names),
            "read_only": record.read_only,
        })
    }
}

/// What was asked for, on the command line or at the prompt.
struct Wanted {
    note: String,
    database: Option<DatabaseName>,
    expiry: Expiry,
}

impl Wanted {
    fn decide(arguments: &AddTokenArgs, databases: &[DatabaseName]) -> Result<Self, Fault> {
        // What is wrong on the command line is said before anything is asked.
        let database = match &arguments.database {
            Some(name) => Some(Some(grants::database(name, databases)?)),
            None => None,
        };
        let expiry = arguments.expiry.as_deref().map(Expiry::parse).transpose();
        let expiry = expiry.map_err(|error| expiry_fault(&error))?;
        let asked = prompt::is_possible();
        let note = match &arguments.note {
            Some(note) => note.clone(),
            None if asked => prompt::ask("Note (what the token is for): ")?,
            None => String::new(),
        };
        let database = match database {
            Some(database) => database,
            None if asked && databases.len() > 1 => ask_for_database(databases)?,
            None => None,
        };
        let expiry = match expiry {
            Some(expiry) => expiry,
            None if asked => ask_for_expiry()?,
            None => Expiry::DEFAULT,
        };
        Ok(Self { note, database, expiry })
    }
}

fn ask_for_database(databases: &[DatabaseName]) -> Result<Option<DatabaseName>, Fault> {
    let mut list = String::from("Databases:\n");
    for (place, name) in databases.iter().enumerate() {
        let _ = writeln!(list, "  {}. {name}", place + 1);
    }
    let question = "Database (number or name, blank for the first): ";
    prompt::ask_until(&format!("{list}{question}"), |answer| {
        if answer.is_empty() {
            return Ok(None);
        }
        let numbered = answer.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        // A name wins over a number: a database may be called 2.
        let named = databases.iter().find(|name| name.as_str() == answer);
        let found = named.or_else(|| databases.get(numbered?));
        found.cloned().map(Some).ok_or_else(|| format!("there is no database {answer}"))
    })
}

fn ask_for_expiry() -> Result<Expiry, Fault> {
    prompt::ask_until("Expiry (12h, 30d, 2w, 1y or never; blank for 1y): ", |answer| match answer {
        "" => Ok(Expiry::DEFAULT),
        text => Expiry::parse(text).map_err(|error| format!("{error}: {}", error.hint())),
    })
}

/// How `named` may be meant. An id comes first: it may look like the beginning of a hash.
fn selectors(named: &str) -> Vec<TokenSelector> {
    let id = TokenId::parse(named).ok().map(TokenSelector::Id);
    let is_prefix = (TokenSelector::MIN_PREFIX..=64).contains(&named.len())
        && named.bytes().all(|byte| byte.is_ascii_hexdigit());
    let prefix = is_prefix.then(|| TokenSelector::HashPrefix(named.to_ascii_lowercase()));
    id.into_iter().chain(prefix).collect()
}

/// Does not repeat what was typed: people paste the token itself.
fn not_found() -> Fault {
    Fault::refused("Token not found")
        .hint("use at least 8 characters of the hash, or the id: mcp-admin tokens list")
}

fn ambiguous(several: usize) -> Fault {
    Fault::refused("Token not found")
        .hint(format!("{several} tokens begin like this: use more characters of the hash"))
}

fn expiry_fault(error: &crate::expiry::ExpiryError) -> Fault {
    Fault::refused(error.to_string()).hint(error.hint())
}

fn undo(id: &TokenId, why: &str) -> String {
    format!("{why}; remove it: mcp-admin tokens remove {id}")
}

fn repeated() -> Fault {
    Fault::ours("the random source repeats itself; no token was made")
}

fn too_many() -> Fault {
    Fault::ours("too many tokens were made this second; no token was made")
}

/// Nine digits and three dots, as the source prints it.
fn short(hash: TokenHash) -> String {
    format!("{}...", &hash.to_hex()[..9])
}
