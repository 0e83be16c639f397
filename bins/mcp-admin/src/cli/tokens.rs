//! `tokens …`, as it is typed.

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token and print it, once
    #[command(after_help = "\
Examples:
  mcp-admin tokens add
  mcp-admin tokens add --note \"Staging API\" --database staging --expiry 30d
  mcp-admin tokens add --note \"CI/CD Pipeline\" --expiry never --tool query_database --read-only")]
    Add(AddTokenArgs),
    /// List the tokens
    List,
    /// Show everything about one token but the token itself
    Show {
        /// The id, or the first 8 or more digits of the hash
        #[arg(value_name = "ID|HASH")]
        token: String,
    },
    /// Remove a token; its requests, streams and queries end at once
    #[command(after_help = "\
Examples:
  mcp-admin tokens remove token-1234567890
  mcp-admin tokens remove b3f805a4")]
    Remove {
        /// The id, or the first 8 or more digits of the hash
        #[arg(value_name = "ID|HASH")]
        token: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct AddTokenArgs {
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// How long it lasts: 12h, 30d, 2w, 1y or never [default: 1y]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) expiry: Option<String>,
    /// The only configured database it reaches [default: the first in the configuration]
    #[arg(long, value_name = "NAME")]
    pub(crate) database: Option<String>,
    /// An application role (repeatable)
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// The PostgreSQL role that its connections run as
    #[arg(long, value_name = "ROLE")]
    pub(crate) db_role: Option<String>,
    /// The only tool it may call (repeatable) [default: every tool]
    #[arg(long = "tool", value_name = "TOOL")]
    pub(crate) tools: Vec<String>,
    /// Never writes, whatever the database allows
    #[arg(long)]
    pub(crate) read_only: bool,
}
