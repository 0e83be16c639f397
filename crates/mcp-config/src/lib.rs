//! One configuration out of file, environment and flags, with the origin of each value.
//!
//! [`load`] takes [`Sources`] and gives a [`Config`] in which everything is decided, or a
//! [`ConfigError`] that names the file, the line and the key, and a way out. A flag wins over the
//! environment, the environment over the file, the file over the default; `PG*` is weaker than
//! the file, as what libpq programs find lying about.
//!
//! One table of keys stands behind it all: what [`show`] prints, what a reload reports
//! ([`changes`]), the JSON schema ([`schema_json`]) and the reference page
//! ([`reference_markdown`]).
//!
//! With the feature `mail`, a configuration says where letters go in the words of `mcp-mail`: the
//! programs that send need no translation of their own.
//!
//! The crate never reads the environment or the command line: both are handed in. It reads the
//! configuration file and the files of secrets that it names, writes nothing, and shows no secret.
//!
//! ```
//! use mcp_config::{Origin, Sources, load};
//!
//! let sources = Sources {
//!     environment: [("PGEDGE_AUTH_RATE_LIMIT_MAX_ATTEMPTS".into(), "3".into())].into(),
//!     flags: vec![("http.address", ":8080".into())],
//!     beside: "/usr/bin".into(),
//!     ..Sources::default()
//! };
//! let loaded = load(&sources)?;
//! assert_eq!(loaded.config.http.auth.rate_limit_max_attempts, 3);
//! assert!(loaded.config.http.auth.enabled, "nobody turned it off");
//! assert_eq!(loaded.origins.get("http.address"), Some(&Origin::Flag("--addr")));
//! # Ok::<(), mcp_config::ConfigError>(())
//! ```

mod address;
mod complete;
mod document;
mod environment;
mod error;
mod file;
mod layer;
#[cfg(feature = "mail")]
mod letters;
mod load;
mod origin;
mod reference;
mod secret;
mod section;
mod show;
mod syntax;
mod table;
mod value;

pub use address::{ListenAddress, Network};
pub use error::{ConfigError, Fault};
#[cfg(feature = "mail")]
pub use letters::{Letters, LettersError};
pub use load::{Loaded, Sources, load, locate};
pub use origin::{Origin, Origins};
pub use reference::{reference_markdown, schema_json};
pub use secret::Secret;
pub use section::Config;
pub use section::audit::AuditConfig;
pub use section::databases::{DatabaseConfig, SslMode, TargetSessionAttrs};
pub use section::http::{HttpAuthConfig, HttpConfig, HttpLimits, TlsConfig};
pub use section::log::{LogConfig, LogFormat, LogLevel};
pub use section::mail::{MailConfig, MailOutbox};
pub use section::password_reset::PasswordResetConfig;
pub use section::passwords::{PasswordAlgorithm, PasswordPolicy, PasswordsConfig};
pub use section::smtp::SmtpConfig;
pub use section::state::StateConfig;
pub use section::users::{UserStore, UsersBootstrap, UsersConfig, UsersFallback, UsersPool};
pub use show::{Changed, Shown, changes, show};
