//! The sections of the file: one file each, with its types and its rows of the table.

pub(crate) mod audit;
pub(crate) mod databases;
pub(crate) mod http;
pub(crate) mod log;
pub(crate) mod mail;
pub(crate) mod password_reset;
pub(crate) mod passwords;
pub(crate) mod smtp;
pub(crate) mod state;
pub(crate) mod users;

use schemars::JsonSchema;
use serde::Deserialize;

use audit::AuditConfig;
use databases::DatabaseConfig;
use http::HttpConfig;
use log::LogConfig;
use mail::MailConfig;
use password_reset::PasswordResetConfig;
use passwords::PasswordsConfig;
use smtp::SmtpConfig;
use state::StateConfig;
use users::UsersConfig;

/// The configuration of mcp-server and mcp-admin.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "mcp-server configuration")]
pub struct Config {
    /// The HTTP transport, and who may use it.
    pub http: HttpConfig,
    /// The databases behind the server, in order: the first is the default.
    ///
    /// Never empty.
    pub databases: Vec<DatabaseConfig>,
    /// Where credentials are kept, and what holds while that place cannot be asked.
    pub users: UsersConfig,
    /// Which passwords may be chosen, and how they are hashed.
    pub passwords: PasswordsConfig,
    /// A lost password, found again by mail.
    pub password_reset: PasswordResetConfig,
    /// The server that letters are handed to.
    pub smtp: SmtpConfig,
    /// Where letters go.
    pub mail: MailConfig,
    /// The record of what happened to credentials.
    pub audit: AuditConfig,
    /// What the server keeps for itself.
    pub state: StateConfig,
    /// What it says while it runs.
    pub log: LogConfig,
}

impl Config {
    /// Is the record of what happened kept in the database of the users? With many servers, there
    /// is one of it, unless a file for it was named.
    #[must_use]
    pub fn records_in_database(&self) -> bool {
        self.users.store == users::UserStore::Postgres && self.audit.file.is_none()
    }
}
