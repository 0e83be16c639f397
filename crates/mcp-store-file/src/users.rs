//! What the users file says.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use mcp_identity::{DatabaseName, DbRole, RoleName, UserName};
use mcp_store::{StoredHash, UserRecord};
use serde::de::MapAccess;

use crate::document::Layout;
use crate::fault::{is_escaped, quoted};
use crate::kind::{Kind, Said, Words};
use crate::scalar::{Many, Nullable, Scalar, database, db_role, role, text, truth};
use crate::yaml::Context;

/// One account as a users file keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptUser {
    /// What its operator says of it.
    pub record: UserRecord,
    /// When somebody logged in last, as pgEdge's server wrote it. Kept through every rewrite and
    /// never written here: ours is in the state database.
    pub last_login: Option<SystemTime>,
    /// How often somebody failed to in a row, as pgEdge's server wrote it; as above.
    pub failed_attempts: u32,
}

impl KeptUser {
    pub(crate) fn new(record: UserRecord) -> Self {
        Self { record, last_login: None, failed_attempts: 0 }
    }
}

/// User accounts.
pub(crate) enum Users {}

/// What an entry said so far.
#[derive(Default)]
pub(crate) struct Fields {
    name: Option<UserName>,
    password: Option<StoredHash>,
    created_at: Option<SystemTime>,
    enabled: Option<bool>,
    note: Option<String>,
    email: Option<String>,
    full_name: Option<String>,
    must_change_password: bool,
    roles: Option<BTreeSet<RoleName>>,
    databases: Option<BTreeSet<DatabaseName>>,
    db_role: Option<DbRole>,
    read_only: bool,
    last_login: Option<SystemTime>,
    failed_attempts: Option<u32>,
}

#[derive(Default)]
pub(crate) struct Seen {
    names: HashSet<UserName>,
    emails: HashSet<String>,
}

impl Kind for Users {
    type Record = KeptUser;
    type Id = UserName;
    type Key = UserName;
    type Seen = Seen;
    type Fields = Fields;

    const WORDS: Words = Words {
        root: "users",
        file: "users file",
        nothing: "users: {}\n",
        entries: "a map from name to user, or a list of users",
        entry: "a user: a map with `password_hash` and more",
        empty: "a file without users says so: `users: {}`",
        shape: "every user has a username, a password_hash, created_at, and enabled: true or false",
        missing: "create it with the first user: mcp-admin users add",
        unable: "write one key a line under `users:`, as `mcp-admin users add` does in a new file",
        too_large: "remove users who are gone",
        ownership: "whoever owns it makes users",
    };
    const LAYOUT: Layout = Layout::Map;

    fn id(kept: &KeptUser) -> &UserName {
        &kept.record.name
    }

    fn key(kept: &KeptUser) -> UserName {
        kept.record.name.clone()
    }

    fn named(context: &Context<Seen>, name: &str) -> Result<Fields, String> {
        Ok(Fields { name: Some(new_name(context, name)?), ..Fields::default() })
    }

    fn take<'de, A: MapAccess<'de>>(
        fields: &mut Fields,
        context: &Context<Seen>,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        let time = |text: &str| context.time(text);
        match key {
            "username" => {
                let name = |text: &str| match &fields.name {
                    Some(name) => same_name(context, name, text),
                    None => new_name(context, text),
                };
                fields.name = Some(map.next_value_seed(Scalar(name))?);
            }
            "password_hash" => {
                let hash = |hash: &str| stored_hash(context, hash);
                fields.password = Some(map.next_value_seed(Scalar(hash))?);
            }
            "created_at" => fields.created_at = Some(map.next_value_seed(Scalar(time))?),
            // Nothing is no answer here: what restricts an account must not get lost with a word.
            "enabled" => fields.enabled = Some(map.next_value_seed(Scalar(truth))?),
            "read_only" => fields.read_only = map.next_value_seed(Scalar(truth))?,
            "databases" => fields.databases = Some(databases(context, map)?),
            "note" => fields.note = map.next_value_seed(Nullable(text))?,
            "email" => {
                let email = |text: &str| new_email(context, text);
                fields.email = map.next_value_seed(Nullable(email))?.flatten();
            }
            "full_name" => fields.full_name = map.next_value_seed(Nullable(text))?,
            "password_change_required" => {
                fields.must_change_password = map.next_value_seed(Scalar(truth))?;
            }
            "roles" => fields.roles = map.next_value_seed(Many(role))?,
            "db_role" => fields.db_role = map.next_value_seed(Nullable(db_role))?,
            "last_login" => fields.last_login = map.next_value_seed(Nullable(time))?,
            "failed_attempts" => fields.failed_attempts = map.next_value_seed(Nullable(count))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(fields: Fields) -> Result<KeptUser, &'static str> {
        let record = UserRecord {
            email: fields.email,
            full_name: fields.full_name,
            must_change_password: fields.must_change_password,
            note: fields.note.unwrap_or_default(),
            enabled: fields.enabled.ok_or("enabled")?,
            roles: fields.roles.unwrap_or_default(),
            databases: fields.databases,
            db_role: fields.db_role,
            read_only: fields.read_only,
            ..UserRecord::new(
                fields.name.ok_or("username")?,
                fields.password.ok_or("password_hash")?,
                fields.created_at.ok_or("created_at")?,
            )
        };
        let failed_attempts = fields.failed_attempts.unwrap_or_default();
        Ok(KeptUser { record, last_login: fields.last_login, failed_attempts })
    }

    fn said(kept: &KeptUser, _: Layout) -> Vec<(&'static str, Option<Said>)> {
        let record = &kept.record;
        let roles = || Said::names(record.roles.iter().map(RoleName::as_str));
        let databases = |names: &BTreeSet<_>| Said::names(names.iter().map(DatabaseName::as_str));
        vec![
            ("username", Some(Said::text(record.name.as_str()))),
            ("password_hash", Some(Said::text(record.password.expose()))),
            ("created_at", Some(Said::Time(record.created_at))),
            ("annotation", Some(Said::text(&record.note))),
            ("email", record.email.as_ref().map(Said::text)),
            ("full_name", record.full_name.as_ref().map(Said::text)),
            ("password_change_required", record.must_change_password.then_some(Said::Truth(true))),
            ("roles", (!record.roles.is_empty()).then(roles)),
            ("databases", record.databases.as_ref().map(databases)),
            ("db_role", record.db_role.as_ref().map(|role| Said::text(role.as_str()))),
            ("read_only", record.read_only.then_some(Said::Truth(true))),
            // Last: a new entry that was cut short lacks it and is refused, so that it never
            // stands there without what restricts it.
            ("enabled", Some(Said::Truth(record.enabled))),
        ]
    }
}

/// What addresses are compared by.
pub(crate) fn email_key(email: &str) -> String {
    email.to_lowercase()
}

/// What a file cannot keep of a record, in words for whoever made it.
pub(crate) fn unkeepable(record: &UserRecord) -> Option<&'static str> {
    if record.email.as_deref().is_some_and(|email| !is_email(email)) {
        return Some(EMAIL);
    }
    if !is_hash(record.password.expose()) {
        return Some(HASH);
    }
    (record.name.as_str() == "<<").then_some("`<<` cannot be a user name in a YAML file")
}

const EMAIL: &str = "expected an address: at most 254 bytes with an @ and no spaces";
const HASH: &str = "expected a bcrypt or Argon2id hash";
const NO_DATABASES: &str =
    "write `databases: []` for none of them, or leave the key out for every one";

fn new_name(context: &Context<Seen>, text: &str) -> Result<UserName, String> {
    let name = a_name(context, text)?;
    if context.seen().names.insert(name.clone()) {
        return Ok(name);
    }
    Err(context.twice(format_args!("the name {}", quoted(text))))
}

/// The name once more, in the entry that stands under it.
fn same_name(context: &Context<Seen>, name: &UserName, text: &str) -> Result<UserName, String> {
    if a_name(context, text)? == *name {
        return Ok(name.clone());
    }
    let stands = quoted(name.as_str());
    let fault = format_args!("{} stands under the name {stands}", quoted(text));
    Err(context.fault(fault, "write the same name twice, or leave `username` out"))
}

fn a_name(context: &Context<Seen>, text: &str) -> Result<UserName, String> {
    UserName::parse(text).map_err(|fault| {
        context.fault(fault, "a name has no `@`, no `:` and no characters that cannot be seen")
    })
}

fn stored_hash(context: &Context<Seen>, text: &str) -> Result<StoredHash, String> {
    if is_hash(text) {
        return Ok(StoredHash::new(text));
    }
    let hint = "the file holds hashes only; set the password anew: mcp-admin users update";
    Err(context.fault(HASH, hint))
}

/// Nothing, in so many words, is no address.
fn new_email(context: &Context<Seen>, text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !is_email(text) {
        return Err(context.fault(EMAIL, "write it as name@example.com, or leave it out"));
    }
    if context.seen().emails.insert(email_key(text)) {
        return Ok(Some(text.to_owned()));
    }
    Err(context.twice(format_args!("the email {}", quoted(text))))
}

/// Nothing would be every one: an answer that must be given by leaving the key out.
fn databases<'de, A: MapAccess<'de>>(
    context: &Context<Seen>,
    map: &mut A,
) -> Result<BTreeSet<DatabaseName>, A::Error> {
    let named = map.next_value_seed(Many(database))?;
    named.ok_or_else(|| context.fail("`databases` has no value", NO_DATABASES))
}

fn count(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "expected a count".to_owned())
}

/// No more than what a file must be sure of: whether letters arrive is for others to find out.
fn is_email(text: &str) -> bool {
    let whole = |part: &str| !part.is_empty();
    let halves = text.rsplit_once('@');
    text.len() <= 254
        && halves.is_some_and(|(name, host)| whole(name) && whole(host))
        && !text.chars().any(|c| c.is_whitespace() || is_escaped(c))
}

/// Does it look like a hash? What it means is for `mcp-password` to say; what looks like none
/// may be a password that somebody wrote in its place.
fn is_hash(text: &str) -> bool {
    const LONGEST: usize = 512;
    let of_bcrypt = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'/');
    let of_phc = |c: u8| of_bcrypt(c) || matches!(c, b'$' | b'+' | b'=' | b',' | b'-');
    if let Some(rest) = ["$2a$", "$2b$", "$2y$"].iter().find_map(|begins| text.strip_prefix(begins))
    {
        let cost_and_hash = rest.split_once('$');
        return text.len() == 60
            && cost_and_hash.is_some_and(|(cost, hash)| {
                cost.len() == 2
                    && cost.bytes().all(|c| c.is_ascii_digit())
                    && hash.bytes().all(of_bcrypt)
            });
    }
    let fields = text.strip_prefix("$argon2id$").map(|rest| rest.split('$').count());
    text.len() <= LONGEST && fields.is_some_and(|count| count >= 3) && text.bytes().all(of_phc)
}
