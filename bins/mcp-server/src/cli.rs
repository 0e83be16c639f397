//! The command line: what an operator types, in the form of today and in the single-dash form of
//! the documents that this server keeps working.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// PostgreSQL for AI agents, behind real authentication (Model Context Protocol).
#[derive(Debug, Parser)]
#[command(
    name = "mcp-server",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = false
)]
#[command(after_help = "\
Examples:
  mcp-server demo                                  try it: a throwaway database and a token
  mcp-server --http --config mcp-server.yaml       serve over HTTP, with authentication
  mcp-server --db-url postgres://localhost/shop    serve one desktop client on stdin and stdout
  mcp-admin tokens add                             make a token (works while the server runs)")]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve (the default): MCP on stdin and stdout, or over HTTP with --http
    Serve,
    /// Start a throwaway PostgreSQL with a small shop in it, make a token, and serve on loopback
    Demo,
}

#[derive(Debug, Default, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct ServeArgs {
    /// Configuration file [default: /etc/mcp-server/mcp-server.yaml, else mcp-server.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// Serve over HTTP
    #[arg(long, global = true)]
    pub(crate) http: bool,
    /// Serve on stdin and stdout even if the configuration file enables HTTP
    #[arg(long, global = true, conflicts_with = "http")]
    pub(crate) stdio: bool,
    /// Where to listen [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", global = true)]
    pub(crate) addr: Option<String>,
    /// Serve HTTPS; needs --cert and --key, and is implied by them
    #[arg(long, global = true)]
    pub(crate) tls: bool,
    /// Certificate, PEM
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) cert: Option<String>,
    /// Private key, PEM
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) key: Option<String>,
    /// Intermediate certificates, PEM
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) chain: Option<String>,
    /// Turn authentication OFF: everybody who can connect can read every configured database
    #[arg(long, global = true)]
    pub(crate) no_auth: bool,
    /// With --no-auth, allow an address that is not loopback
    #[arg(long, global = true, requires = "no_auth")]
    pub(crate) i_know_this_is_open: bool,
    /// API tokens [default: mcp-server-tokens.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) token_file: Option<String>,
    /// User accounts [default: mcp-server-users.yaml beside the binary]
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) user_file: Option<String>,
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    /// Log format
    #[arg(long, value_name = "text|json", global = true)]
    pub(crate) log_format: Option<String>,
    /// Log level: error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL", global = true)]
    pub(crate) log_level: Option<String>,
}

/// The first database.
#[derive(Debug, Default, Args)]
#[expect(clippy::struct_field_names, reason = "a field is named like its flag")]
pub(crate) struct DatabaseArgs {
    /// Database: a connection URL or key/value string
    #[arg(long, value_name = "URL", global = true, conflicts_with_all = ["db_host", "db_port", "db_name"])]
    pub(crate) db_url: Option<String>,
    /// Database: host name, address or socket directory
    #[arg(long, value_name = "HOST", global = true)]
    pub(crate) db_host: Option<String>,
    /// Database: port
    #[arg(long, value_name = "PORT", global = true)]
    pub(crate) db_port: Option<String>,
    /// Database: name
    #[arg(long, value_name = "NAME", global = true)]
    pub(crate) db_name: Option<String>,
    /// Database: who logs in
    #[arg(long, value_name = "USER", global = true)]
    pub(crate) db_user: Option<String>,
    /// Database: password (seen by every user of this machine; prefer .pgpass or `password_file`)
    #[arg(long, value_name = "PASSWORD", global = true)]
    pub(crate) db_password: Option<String>,
    /// Database: disable, prefer, require, verify-ca or verify-full
    #[arg(long, value_name = "MODE", global = true)]
    pub(crate) db_sslmode: Option<String>,
}

impl ServeArgs {
    /// The flags as values of configuration keys, highest layer of all.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        let on = |set: bool, value: &str| set.then(|| value.to_owned());
        let database = &self.database;
        [
            ("http.enabled", on(self.http, "true").or_else(|| on(self.stdio, "false"))),
            ("http.address", self.addr.clone()),
            // A certificate that is named and not used would serve in the clear without a word.
            ("http.tls.enabled", on(self.tls || self.cert.is_some() || self.key.is_some(), "true")),
            ("http.tls.cert_file", self.cert.clone()),
            ("http.tls.key_file", self.key.clone()),
            ("http.tls.chain_file", self.chain.clone()),
            ("http.auth.enabled", on(self.no_auth, "false")),
            ("http.auth.token_file", self.token_file.clone()),
            ("http.auth.user_file", self.user_file.clone()),
            ("databases[0].url", database.db_url.clone()),
            ("databases[0].host", database.db_host.clone()),
            ("databases[0].port", database.db_port.clone()),
            ("databases[0].database", database.db_name.clone()),
            ("databases[0].user", database.db_user.clone()),
            ("databases[0].password", database.db_password.clone()),
            ("databases[0].sslmode", database.db_sslmode.clone()),
            ("log.format", self.log_format.clone()),
            ("log.level", self.log_level.clone()),
        ]
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| (key, value)))
        .collect()
    }
}

/// Flags that the sources write with one dash.
const SINGLE_DASH: [&str; 13] = [
    "config",
    "http",
    "addr",
    "tls",
    "cert",
    "key",
    "chain",
    "no-auth",
    "token-file",
    "user-file",
    "db-host",
    "db-port",
    "db-name",
];

/// Gives each single-dash flag of the sources its second dash. Everything else stays as it is.
pub(crate) fn with_two_dashes(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mend = |argument: OsString| {
        let known = argument.to_str().and_then(|text| text.strip_prefix('-')).filter(|flag| {
            let name = flag.split('=').next().unwrap_or_default();
            SINGLE_DASH.contains(&name)
        });
        match known {
            Some(flag) => format!("--{flag}").into(),
            None => argument,
        }
    };
    arguments.map(mend).collect()
}

/// The commands of operators that the sources gave to the server: now `mcp-admin` takes them.
const OPERATOR_COMMANDS: [&str; 10] = [
    "add-token",
    "list-tokens",
    "remove-token",
    "add-user",
    "list-users",
    "update-user",
    "enable-user",
    "disable-user",
    "unlock-user",
    "delete-user",
];

/// If this is a command for `mcp-admin`: the line to type instead. The arguments are repeated, but
/// for the value behind `-password`, which has no business on a screen.
pub(crate) fn operator_command(arguments: &[OsString]) -> Option<String> {
    let arguments: Vec<_> =
        arguments.iter().map(|argument| argument.to_string_lossy().into_owned()).collect();
    let is_command = |argument: &String| {
        let flag = argument.trim_start_matches('-');
        argument.starts_with('-') && OPERATOR_COMMANDS.contains(&flag)
    };
    arguments.iter().skip(1).find(|argument| is_command(argument))?;
    let mut line = String::from("mcp-admin");
    let mut hide = false;
    for argument in arguments.iter().skip(1) {
        line.push(' ');
        let flag = argument.trim_start_matches('-');
        line.push_str(&if std::mem::take(&mut hide) {
            "PASSWORD".into()
        } else if flag.starts_with("password=") {
            "-password=PASSWORD".into()
        } else {
            quoted(argument)
        });
        hide = flag == "password";
    }
    Some(line)
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_of_the_sources_work_with_one_dash() {
        let line = "mcp-server -http -addr localhost:8080 -no-auth -token-file=a.yaml";
        let cli = Cli::parse_from(with_two_dashes(words(line).into_iter()));
        assert!(cli.serve.http && cli.serve.no_auth);
        assert_eq!(cli.serve.addr.as_deref(), Some("localhost:8080"));
        assert_eq!(cli.serve.token_file.as_deref(), Some("a.yaml"));
    }

    #[test]
    fn a_command_for_the_other_binary_is_answered_with_the_line_to_type() {
        let line = operator_command(&words("mcp-server -add-token -token-expiry 30d"));
        assert_eq!(line.as_deref(), Some("mcp-admin -add-token -token-expiry 30d"));
        let line = operator_command(&words("mcp-server -add-user -username a -password Secret1"));
        assert_eq!(line.as_deref(), Some("mcp-admin -add-user -username a -password PASSWORD"));
        let line = operator_command(&words("mcp-server -update-user -password=Secret1"));
        assert_eq!(line.as_deref(), Some("mcp-admin -update-user -password=PASSWORD"));
        let line = operator_command(&words("mcp-server -unlock-user -username a"));
        assert_eq!(line.as_deref(), Some("mcp-admin -unlock-user -username a"));
        assert_eq!(operator_command(&words("mcp-server --http")), None);
    }
}
