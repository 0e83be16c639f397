//! `users …`, as it is typed.

use std::fmt;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Make an account; asks for what is missing
    #[command(after_help = "\
Examples:
  mcp-admin users add
  mcp-admin users add alice --note \"Alice Smith - Developer\" --role operator
  mcp-admin users add reports --read-only --database staging --password-stdin < password.txt")]
    Add(AddUserArgs),
    /// List the accounts
    List,
    /// Show everything about one account but its password
    Show {
        /// Who
        name: String,
    },
    /// Change an account; asks for a new password when nothing else is given
    #[command(after_help = "\
Examples:
  mcp-admin users update alice                              asks for a new password
  mcp-admin users update alice --note \"Alice Smith - Senior Developer\"
  mcp-admin users update alice --password-stdin --revoke-sessions < password.txt")]
    Update(UpdateUserArgs),
    /// Let somebody log in again; lifts a lock, too
    Enable {
        /// Who
        name: String,
    },
    /// Keep somebody out; sessions end at once
    Disable {
        /// Who
        name: String,
    },
    /// Lift the lock that failed logins have set
    Unlock {
        /// Who
        name: String,
    },
    /// Print a link that sets a new password, once
    #[command(name = "reset-link")]
    ResetLink {
        /// Who
        name: String,
    },
    /// Delete an account; sessions end at once
    Delete {
        /// Who
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Add the accounts of a users file, with their passwords
    Import {
        /// A users file: a map from name to account, or a list
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Print a users file with every account, password hashes included
    Export,
}

#[derive(Debug, Args)]
pub(crate) struct AddUserArgs {
    /// The name to log in with
    pub(crate) name: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Where its letters go
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// An application role (repeatable)
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// The only configured database it reaches (repeatable) [default: every one open to users]
    #[arg(long = "database", value_name = "NAME")]
    pub(crate) databases: Vec<String>,
    /// The PostgreSQL role that its connections run as
    #[arg(long, value_name = "ROLE")]
    pub(crate) db_role: Option<String>,
    /// Never writes, whatever the database allows
    #[arg(long)]
    pub(crate) read_only: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

#[derive(Debug, Args)]
pub(crate) struct UpdateUserArgs {
    /// Who
    pub(crate) name: String,
    /// What it is for; "" for nothing
    #[arg(long, value_name = "TEXT")]
    pub(crate) note: Option<String>,
    /// Where its letters go; "" for nowhere
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) email: Option<String>,
    /// An application role, instead of those of before (repeatable); "" for none
    #[arg(long = "role", value_name = "ROLE")]
    pub(crate) roles: Vec<String>,
    /// End the sessions, too
    #[arg(long)]
    pub(crate) revoke_sessions: bool,
    #[command(flatten)]
    pub(crate) password: PasswordArgs,
}

/// A password that is not asked for.
#[derive(Args)]
pub(crate) struct PasswordArgs {
    /// Read the password from the first line of standard input
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// The form of before: everybody on the machine can see it.
    #[arg(long, hide = true, allow_hyphen_values = true, conflicts_with = "password_stdin")]
    pub(crate) password: Option<String>,
}

impl PasswordArgs {
    pub(crate) fn is_given(&self) -> bool {
        self.password_stdin || self.password.is_some()
    }
}

impl fmt::Debug for PasswordArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordArgs")
            .field("password_stdin", &self.password_stdin)
            .finish_non_exhaustive()
    }
}
