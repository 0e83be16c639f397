//! `tokens`: made, listed, shown, removed.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_config::Sources;
use mcp_identity::{
    DatabaseName, DbRole, PlainToken, RoleName, SystemEntropy, TokenHash, TokenId, ToolName,
};
use mcp_store::{
    InsertRejection, RemoveRejection, StoreErrorKind, TokenRecord, TokenSelector, TokenStore as _,
};
use mcp_store_file::TokenFile;
use serde_json::{Value, json};

use crate::cli::{AddArgs, Global, TokensCommand};
use crate::configuration;
use crate::expiry::Expiry;
use crate::output::{Fault, Output, escaped};
use crate::prompt;

/// How many ids are tried within one second.
const MOST_IN_A_SECOND: u32 = 1_000;

/// Where the operator stands: the file, the time, and where answers go.
pub(crate) struct Desk {
    store: TokenFile,
    sources: Sources,
    now: SystemTime,
    output: Output,
}

impl Desk {
    /// Finds the token file: the flag, else the configuration, which has a default.
    pub(crate) fn open(
        sources: Sources,
        global: &Global,
        now: SystemTime,
        output: Output,
    ) -> Result<Self, Fault> {
        // A broken configuration must not stand in the way of removing a stolen token.
        let path = match &global.token_file {
            Some(path) => path.into(),
            None => configuration(&sources)?.config.http.auth.token_file,
        };
        // Whole seconds: what lists and files show.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(unix_seconds(now));
        Ok(Self { store: TokenFile::open(path).for_its_owner(), sources, now, output })
    }

    pub(crate) async fn run(&self, command: TokensCommand) -> Result<(), Fault> {
        match command {
            TokensCommand::Add(arguments) => self.add(&arguments).await,
            TokensCommand::List => self.list(),
            TokensCommand::Show { token } => self.show(&token),
            TokensCommand::Remove { token } => self.remove(&token).await,
        }
    }

    async fn add(&self, arguments: &AddArgs) -> Result<(), Fault> {
        let databases = configuration(&self.sources)?.config.databases;
        let databases: Vec<DatabaseName> = databases.into_iter().map(|one| one.name).collect();
        let wanted = Wanted::decide(arguments, &databases)?;
        let end = wanted.expiry.end(self.now).map_err(|error| expiry_fault(&error))?;
        let token =
            PlainToken::generate(&SystemEntropy).map_err(|error| Fault::ours(error.to_string()))?;
        let id = TokenId::parse(&format!("token-{}", unix_seconds(self.now)));
        let id = id.map_err(|error| Fault::ours(error.to_string()))?;
        let record = TokenRecord {
            note: wanted.note,
            database: wanted.database,
            expires_at: end,
            roles: each(&arguments.roles, role)?,
            db_role: arguments.db_role.as_deref().map(DbRole::parse).transpose().map_err(named)?,
            tools: match arguments.tools.as_slice() {
                [] => None,
                tools => Some(each(tools, |tool| ToolName::parse(tool).map_err(named))?),
            },
            read_only: arguments.read_only,
            ..TokenRecord::new(id, TokenHash::of(&token), self.now)
        };
        let kept = self.keep(record).await?;
        self.reveal(&token, &kept, wanted.expiry)
    }

    /// Keeps the record; another one of the same second gives it a longer id.
    async fn keep(&self, first: TokenRecord) -> Result<TokenRecord, Fault> {
        let mut record = first.clone();
        for suffix in 2..=MOST_IN_A_SECOND {
            match self.store.insert(record.clone()).await {
                Ok(()) => return Ok(record),
                Err(InsertRejection::IdTaken) => {
                    let id = TokenId::parse(&format!("{}-{suffix}", first.id));
                    record.id = id.map_err(|error| Fault::ours(error.to_string()))?;
                }
                Err(InsertRejection::HashTaken) => {
                    return Err(Fault::ours("the random source repeats itself; no token was made"));
                }
                Err(InsertRejection::Store(error)) => {
                    let undo = (error.kind == StoreErrorKind::NotDurable)
                        .then(|| undo(&record, "the token is not shown"));
                    return Err(Fault::from(error).maybe_hint(undo));
                }
            }
        }
        Err(Fault::ours("too many tokens were made this second; no token was made"))
    }

    /// Prints the token, for the only time.
    fn reveal(
        &self,
        token: &PlainToken,
        record: &TokenRecord,
        expiry: Expiry,
    ) -> Result<(), Fault> {
        let mut text = String::from("Token created successfully:\n");
        let _ = writeln!(text, "Token: {}", token.expose());
        let _ = writeln!(text, "ID: {}", record.id);
        let _ = writeln!(text, "{}", labelled("Note", &record.note));
        if let Some(database) = &record.database {
            let _ = writeln!(text, "Database: {database}");
        }
        let _ = match (record.expires_at, expiry.distance()) {
            (Some(end), Some(from_now)) => {
                writeln!(text, "Expiry: {} ({from_now})", date(end, "%Y-%m-%d"))
            }
            _ => writeln!(text, "Expiry: Never"),
        };
        let _ = writeln!(text, "Hash (first 12 chars): {}", short(record.hash));
        text.push_str("\nStore this token securely. It cannot be retrieved later.\n");
        let mut document = self.document(record);
        document["token"] = token.expose().into();
        self.output.print(&text, &document).map_err(|error| {
            Fault::ours(format!("the token was made but could not be shown: {error}"))
                .hint(undo(record, "nobody has it"))
        })
    }

    fn list(&self) -> Result<(), Fault> {
        let records = self.store.read()?;
        let mut text = String::from("API Tokens:\n===========\n\n");
        for record in &records {
            text.push_str(&self.block(record));
            text.push('\n');
        }
        let _ = writeln!(text, "Total tokens: {}", records.len());
        let tokens: Vec<Value> = records.iter().map(|record| self.document(record)).collect();
        self.output.show(&text, &json!({ "tokens": tokens, "total": records.len() }))
    }

    fn show(&self, named: &str) -> Result<(), Fault> {
        let records = self.store.read()?;
        let found = selectors(named).into_iter().find_map(|selector| {
            let found: Vec<_> = records.iter().filter(|one| selector.names(one)).collect();
            (!found.is_empty()).then_some(found)
        });
        let record = match found.as_deref() {
            Some([record]) => record,
            Some(several) => return Err(ambiguous(several.len())),
            None => return Err(not_found()),
        };
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
        ] {
            let _ = writeln!(text, "{}", labelled(label, value));
        }
        self.output.show(&text, &self.document(record))
    }

    async fn remove(&self, named: &str) -> Result<(), Fault> {
        for selector in selectors(named) {
            match self.store.remove(selector).await {
                Ok(removed) => {
                    let text = format!("Token removed: {}\n", removed.id);
                    return self.output.show(&text, &json!({ "removed": self.document(&removed) }));
                }
                Err(RemoveRejection::NotFound) => {}
                Err(RemoveRejection::Ambiguous(several)) => return Err(ambiguous(several)),
                Err(RemoveRejection::Store(error)) => return Err(error.into()),
            }
        }
        Err(not_found())
    }

    /// One token of the list.
    fn block(&self, record: &TokenRecord) -> String {
        let mut lines = vec![format!("ID: {}", record.id), labelled("Note", &record.note)];
        lines.extend(record.database.as_ref().map(|name| format!("Database: {name}")));
        let end = record.expires_at.map_or_else(|| "Never".to_owned(), time);
        lines.extend([
            format!("Hash (first 12 chars): {}", short(record.hash)),
            format!("Created: {}", time(record.created_at)),
            format!("Expires: {end}"),
            format!("Status: {}", if record.is_expired(self.now) { "Expired" } else { "Valid" }),
        ]);
        lines.join("\n") + "\n"
    }

    fn document(&self, record: &TokenRecord) -> Value {
        let stamp = |time: SystemTime| date(time, "%Y-%m-%dT%H:%M:%SZ");
        let names = |names: &BTreeSet<ToolName>| {
            names.iter().map(|name| name.as_str().to_owned()).collect::<Vec<_>>()
        };
        json!({
            "id": record.id.as_str(),
            "note": record.note,
            "database": record.database.as_ref().map(DatabaseName::as_str),
            "hash_prefix": &record.hash.to_hex()[..12],
            "created_at": stamp(record.created_at),
            "expires_at": record.expires_at.map(stamp),
            "status": if record.is_expired(self.now) { "expired" } else { "valid" },
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
    fn decide(arguments: &AddArgs, databases: &[DatabaseName]) -> Result<Self, Fault> {
        // What is wrong on the command line is said before anything is asked.
        let database = match &arguments.database {
            Some(name) => Some(Some(find_database(name, databases)?)),
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

fn find_database(name: &str, databases: &[DatabaseName]) -> Result<DatabaseName, Fault> {
    let found = databases.iter().find(|known| known.as_str() == name).cloned();
    found.ok_or_else(|| {
        let names: Vec<_> = databases.iter().map(DatabaseName::as_str).collect();
        Fault::refused(format!("there is no database {name}"))
            .hint(format!("configured: {}", names.join(", ")))
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

fn undo(record: &TokenRecord, why: &str) -> String {
    format!("{why}; remove it: mcp-admin tokens remove {}", record.id)
}

fn each<T: Ord>(
    texts: &[String],
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Result<BTreeSet<T>, Fault> {
    texts.iter().map(|text| parse(text)).collect()
}

fn role(text: &str) -> Result<RoleName, Fault> {
    RoleName::parse(text)
        .ok_or_else(|| Fault::refused("a role has 1 to 63 letters, digits, `_` or `-`"))
}

#[expect(clippy::needless_pass_by_value, reason = "an error is handed over")]
fn named(error: mcp_identity::NameError) -> Fault {
    Fault::refused(error.to_string())
}

/// Nine digits and three dots, as the source prints it.
fn short(hash: TokenHash) -> String {
    format!("{}...", &hash.to_hex()[..9])
}

fn labelled(label: &str, value: &str) -> String {
    if value.is_empty() { format!("{label}:") } else { format!("{label}: {}", escaped(value)) }
}

fn time(time: SystemTime) -> String {
    date(time, "%Y-%m-%d %H:%M:%S")
}

/// In UTC. A time beyond the calendar came from no file of ours.
fn date(time: SystemTime, format: &str) -> String {
    match Timestamp::try_from(time) {
        Ok(time) => time.to_zoned(TimeZone::UTC).strftime(format).to_string(),
        Err(_) => "beyond the calendar".to_owned(),
    }
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
