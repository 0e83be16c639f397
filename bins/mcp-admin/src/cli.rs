//! The command line: what an operator types.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Manage the API tokens of mcp-server; changes take effect while the server runs.
#[derive(Debug, Parser)]
#[command(name = "mcp-admin", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  mcp-admin tokens add                                      asks for what it needs
  mcp-admin tokens add --note \"Production API\" --expiry 90d
  mcp-admin tokens list
  mcp-admin tokens remove b3f805a4                          first 8 digits of the hash, or the id
  mcp-admin config show                                     what is in force, and who said so")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Configuration file [default: /etc/mcp-server/mcp-server.yaml, else mcp-server.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// API tokens [default: as configured, else mcp-server-tokens.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<String>,
    /// User accounts [default: as configured, else mcp-server-users.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) user_file: Option<String>,
    /// Where credentials are kept
    #[arg(long, value_enum, default_value_t = Store::File, hide_default_value = true, global = true)]
    pub(crate) store: Store,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// The flags as values of configuration keys, highest layer of all.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let given =
            [("http.auth.token_file", &self.token_file), ("http.auth.user_file", &self.user_file)];
        given.into_iter().filter_map(|(key, value)| Some((key, value.clone()?))).collect()
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Store {
    /// In files
    File,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, list and remove API tokens
    Tokens {
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// Show the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    // Its forms are understood so that they can be answered in a sentence.
    #[command(hide = true)]
    Users {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        _rest: Vec<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokensCommand {
    /// Make a token and print it, once
    #[command(after_help = "\
Examples:
  mcp-admin tokens add
  mcp-admin tokens add --note \"Staging API\" --database staging --expiry 30d
  mcp-admin tokens add --note \"CI/CD Pipeline\" --expiry never --tool query_database --read-only")]
    Add(AddArgs),
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
pub(crate) struct AddArgs {
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

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print the JSON schema of the configuration file
    Schema,
    /// Print the configuration in force, with the origin of each value and secrets masked
    Show,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
