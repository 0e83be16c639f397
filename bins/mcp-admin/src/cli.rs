//! The command line: what an operator types.

mod tokens;
mod users;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub(crate) use self::tokens::{AddTokenArgs, RotateTokenArgs, TokensCommand};
pub(crate) use self::users::{AddUserArgs, PasswordArgs, UpdateUserArgs, UsersCommand};

/// Manage the users and API tokens of mcp-server; changes take effect while the server runs.
#[derive(Debug, Parser)]
#[command(name = "mcp-admin", version, max_term_width = 100)]
#[command(after_help = "\
Examples:
  mcp-admin users add alice                                 asks for what it needs
  mcp-admin users list
  mcp-admin tokens add --note \"Production API\" --expiry 90d
  mcp-admin tokens remove b3f805a4                          first 8 digits of the hash, or the id
  mcp-admin audit --user alice --since 1h
  mcp-admin check                                           is all as it should be?")]
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
    /// Where credentials are kept [default: as configured; `file` where one is named here]
    #[arg(long, value_enum, global = true)]
    pub(crate) store: Option<Store>,
    /// Print one JSON document instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// The flags as values of configuration keys, highest layer of all.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let store = match self.store {
            Some(Store::Postgres) => Some("postgres"),
            Some(Store::File) => Some("file"),
            None => self.names_a_file().then_some("file"),
        };
        let given = [
            ("http.auth.token_file", self.token_file.clone()),
            ("http.auth.user_file", self.user_file.clone()),
            ("users.store", store.map(str::to_owned)),
        ];
        given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// Is one of the files of credentials named?
    pub(crate) fn names_a_file(&self) -> bool {
        self.token_file.is_some() || self.user_file.is_some()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Store {
    // In files, for one server.
    File,
    // In the database of `users.database_dsn`, for any number of servers.
    Postgres,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, list, change and delete user accounts
    Users {
        #[command(subcommand)]
        command: UsersCommand,
    },
    /// Make, list, rotate and remove API tokens
    Tokens {
        #[command(subcommand)]
        command: TokensCommand,
    },
    /// List and end login sessions
    Sessions {
        #[command(subcommand)]
        command: SessionsCommand,
    },
    /// Show what happened to credentials and accounts
    Audit(AuditArgs),
    /// Hash a password, for a database that nobody can log in to any more
    #[command(after_help = "\
Examples:
  mcp-admin hash-password                                   asks, hidden and twice
  mcp-admin hash-password --algorithm argon2id < password.txt")]
    HashPassword {
        /// How it is hashed [default: as configured, else bcrypt]
        #[arg(long, value_enum)]
        algorithm: Option<HashAlgorithm>,
    },
    /// Make the tables of users and tokens, and look at the databases
    Db {
        #[command(subcommand)]
        command: DbCommand,
    },
    /// Find out whether letters get out
    Mail {
        #[command(subcommand)]
        command: MailCommand,
    },
    /// Check configuration, files, modes and owners; exit 1 if something must be mended
    Check {
        /// Connect to each database, too, and look at what its role may do there
        #[arg(long)]
        databases: bool,
    },
    /// Show the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print completions for a shell
    #[command(after_help = "\
Examples:
  mcp-admin completions bash > /etc/bash_completion.d/mcp-admin
  mcp-admin completions zsh > /usr/local/share/zsh/site-functions/_mcp-admin")]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print a manual page
    #[command(after_help = "\
Examples:
  mcp-admin man | man -l -
  mcp-admin man users add > mcp-admin-users-add.1")]
    Man {
        /// The command it is about [default: all of mcp-admin]
        command: Vec<String>,
        /// As Markdown, every command on one page
        #[arg(long, hide = true, conflicts_with = "command")]
        markdown: bool,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Make the tables of users and tokens, or bring them up to date; on a terminal, with a first
    /// admin where there is no user
    #[command(after_help = "\
Examples:
  mcp-admin db init
  mcp-admin db init --as-superuser postgres://postgres@localhost/users    grants what is missing")]
    Init {
        /// Grant the login what it needs first, through this connection
        #[arg(long, value_name = "DSN")]
        as_superuser: Option<String>,
    },
    /// Say whether the tables of users and tokens are there, and what is missing; changes nothing
    Status,
    /// Print the SQL that takes from a role what an agent does not need; runs none of it
    #[command(after_help = "\
Examples:
  mcp-admin db harden                                       the role that the server has now
  mcp-admin db harden --role mcp_reader > harden.sql        a new one; read it, then: psql -f
  mcp-admin db harden --database sales --json")]
    Harden {
        /// The configured database [default: the first one]
        #[arg(long, value_name = "NAME")]
        database: Option<String>,
        /// The role, which need not exist yet [default: the one that the server has; where that is
        /// a superuser, `mcp_reader`]
        #[arg(long, value_name = "NAME")]
        role: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum SessionsCommand {
    /// List the sessions that are open
    List {
        /// Of this user only
        name: Option<String>,
    },
    /// End sessions at once, with the requests, streams and queries that run in them
    #[command(after_help = "\
Examples:
  mcp-admin sessions revoke 8f14e45fceea167a
  mcp-admin sessions revoke --user alice
  mcp-admin sessions revoke --all")]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct RevokeArgs {
    /// The id, as `sessions list` shows it
    pub(crate) id: Option<String>,
    /// All sessions of this user
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// All sessions of all users
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  mcp-admin audit --since 1h
  mcp-admin audit --user alice --follow
  mcp-admin audit --since 2026-01-31T08:00:00Z --json")]
pub(crate) struct AuditArgs {
    /// What concerns this user only
    #[arg(long, value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// From then on: how long ago (30m, 1h, 7d, 2w), or a time in RFC 3339
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(crate) since: Option<String>,
    /// Go on with what is recorded from now on, until Ctrl-C; with --json, one document a line
    #[arg(long)]
    pub(crate) follow: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MailCommand {
    /// Send one letter as configured, and say each step
    #[command(after_help = "\
Examples:
  mcp-admin mail test you@example.com
  mcp-admin mail test you@example.com --json")]
    Test {
        /// Whom it goes to
        address: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum HashAlgorithm {
    Bcrypt,
    Argon2id,
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
