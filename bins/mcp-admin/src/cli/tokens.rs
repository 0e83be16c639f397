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
    /// Show everything about one token but the token itself; its last use to the hour
    Show {
        /// The id, or the first 8 or more digits of the hash
        #[arg(value_name = "ID|HASH")]
        token: String,
    },
    /// Replace the secret of a token; the old one ends after the overlap
    #[command(after_help = "\
Examples:
  mcp-admin tokens rotate token-1234567890
  mcp-admin tokens rotate b3f805a4 --overlap 7d
  mcp-admin tokens rotate token-1234567890 --overlap 0      end the old one at once")]
    Rotate(RotateTokenArgs),
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

/// The new token has the rights of the old one, lasts as long, and has an id of its own.
#[derive(Debug, Args)]
pub(crate) struct RotateTokenArgs {
    /// The id, or the first 8 or more digits of the hash
    #[arg(value_name = "ID|HASH")]
    pub(crate) token: String,
    /// How long the old one stays good: 1h, 7d or 2w, or 0 to end it at once [default: 24h]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) overlap: Option<String>,
}
