//! What the token file says.

use std::collections::{BTreeSet, HashSet};
use std::time::SystemTime;

use mcp_identity::{DatabaseName, DbRole, RoleName, TokenHash, TokenId, ToolName};
use mcp_store::TokenRecord;
use serde::de::MapAccess;

use crate::document::Layout;
use crate::fault::quoted;
use crate::kind::{Kind, Said, Words};
use crate::scalar::{Many, Nullable, Scalar, database, db_role, role, text, tool, truth};
use crate::yaml::Context;

/// API tokens.
pub(crate) enum Tokens {}

/// What an entry said so far.
#[derive(Default)]
pub(crate) struct Fields {
    id: Option<TokenId>,
    hash: Option<TokenHash>,
    created_at: Option<SystemTime>,
    note: Option<String>,
    database: Option<DatabaseName>,
    expires_at: Option<SystemTime>,
    roles: Option<BTreeSet<RoleName>>,
    db_role: Option<DbRole>,
    tools: Option<BTreeSet<ToolName>>,
    read_only: Option<bool>,
}

#[derive(Default)]
pub(crate) struct Seen {
    ids: HashSet<TokenId>,
    hashes: HashSet<TokenHash>,
}

impl Kind for Tokens {
    type Record = TokenRecord;
    type Id = TokenId;
    type Key = TokenHash;
    type Seen = Seen;
    type Fields = Fields;

    const WORDS: Words = Words {
        root: "tokens",
        file: "token file",
        nothing: "tokens: []\n",
        entries: "a list of tokens, or a map from id to token",
        entry: "a token: a map with `hash` and more",
        empty: "a file without tokens says so: `tokens: []`",
        shape: "see the layout of the token file: every entry has an id, a hash and created_at",
        missing: "create it with the first token: mcp-admin tokens add",
        unable: "write one key a line under `tokens:`, as `mcp-admin tokens add` does in a new file",
        too_large: "remove tokens that nobody uses",
        ownership: "whoever owns it makes tokens",
    };
    const LAYOUT: Layout = Layout::List;

    fn id(record: &TokenRecord) -> &TokenId {
        &record.id
    }

    fn key(record: &TokenRecord) -> TokenHash {
        record.hash
    }

    fn named(context: &Context<Seen>, name: &str) -> Result<Fields, String> {
        Ok(Fields { id: Some(new_id(context, name)?), ..Fields::default() })
    }

    fn take<'de, A: MapAccess<'de>>(
        fields: &mut Fields,
        context: &Context<Seen>,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        let time = |text: &str| context.time(text);
        match key {
            "id" => {
                // In the map layout the id stands in front; another one would contradict it.
                let known = fields.id.is_some();
                let id =
                    |id: &str| if known { Err(context.twice("`id`")) } else { new_id(context, id) };
                fields.id = Some(map.next_value_seed(Scalar(id))?);
            }
            "hash" => {
                let hash = |hash: &str| new_hash(context, hash);
                fields.hash = Some(map.next_value_seed(Scalar(hash))?);
            }
            "created_at" => fields.created_at = Some(map.next_value_seed(Scalar(time))?),
            "expires_at" => fields.expires_at = map.next_value_seed(Nullable(time))?,
            "note" => fields.note = map.next_value_seed(Nullable(text))?,
            "database" => fields.database = map.next_value_seed(Nullable(database))?,
            "roles" => fields.roles = map.next_value_seed(Many(role))?,
            "db_role" => fields.db_role = map.next_value_seed(Nullable(db_role))?,
            "tools" => fields.tools = map.next_value_seed(Many(tool))?,
            "read_only" => fields.read_only = map.next_value_seed(Nullable(truth))?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn finish(fields: Fields) -> Result<TokenRecord, &'static str> {
        Ok(TokenRecord {
            note: fields.note.unwrap_or_default(),
            database: fields.database,
            expires_at: fields.expires_at,
            roles: fields.roles.unwrap_or_default(),
            db_role: fields.db_role,
            tools: fields.tools,
            read_only: fields.read_only.unwrap_or(false),
            ..TokenRecord::new(
                fields.id.ok_or("id")?,
                fields.hash.ok_or("hash")?,
                fields.created_at.ok_or("created_at")?,
            )
        })
    }

    fn said(record: &TokenRecord, layout: Layout) -> Vec<(&'static str, Option<Said>)> {
        let (id, note) = match layout {
            Layout::List => (Some(Said::text(record.id.as_str())), "note"),
            Layout::Map => (None, "annotation"),
        };
        let roles = || Said::names(record.roles.iter().map(RoleName::as_str));
        let tools = |tools: &BTreeSet<_>| Said::names(tools.iter().map(ToolName::as_str));
        vec![
            ("id", id),
            ("hash", Some(Said::Text(record.hash.to_hex()))),
            (note, Some(Said::text(&record.note))),
            ("database", record.database.as_ref().map(|name| Said::text(name.as_str()))),
            ("created_at", Some(Said::Time(record.created_at))),
            ("expires_at", Some(record.expires_at.map_or(Said::Nothing, Said::Time))),
            ("roles", (!record.roles.is_empty()).then(roles)),
            ("db_role", record.db_role.as_ref().map(|role| Said::text(role.as_str()))),
            ("tools", record.tools.as_ref().map(tools)),
            ("read_only", record.read_only.then_some(Said::Truth(true))),
        ]
    }
}

fn new_id(context: &Context<Seen>, text: &str) -> Result<TokenId, String> {
    let id = TokenId::parse(text).map_err(|fault| {
        context.fault(fault, "an id is plain ASCII without spaces, as in token-1730283330")
    })?;
    if context.seen().ids.insert(id.clone()) {
        return Ok(id);
    }
    Err(context.twice(format_args!("the id {}", quoted(text))))
}

fn new_hash(context: &Context<Seen>, text: &str) -> Result<TokenHash, String> {
    let hash = TokenHash::parse_hex(text).map_err(|fault| {
        context.fault(fault, "the file holds hashes only; make a new token: mcp-admin tokens add")
    })?;
    if context.seen().hashes.insert(hash) {
        return Ok(hash);
    }
    Err(context.twice("this hash"))
}
