//! What is wrong with a configuration, where, and what would mend it.

use std::fmt;
use std::path::PathBuf;

use crate::origin::Origin;

/// A configuration that cannot be used. `Display` names file, line and key
/// (`mcp-server.yaml:14: http.auht: unknown key`) and never a secret; [`hint`](Self::hint) says
/// what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    origin: Origin,
    key: Option<String>,
    fault: Fault,
    hint: Option<String>,
}

/// What is wrong. A new variant must stop the build where faults are told apart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The configuration file that was asked for is not there.
    #[error("there is no such file")]
    NotFound,
    /// The file is there and cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The machine failed while it was read: no mistake of anybody's.
    #[error("cannot be read: {0}")]
    Broken(String),
    /// Over the limit, which is given in bytes.
    #[error("is larger than {0} bytes")]
    TooLarge(u64),
    /// Neither YAML nor JSON.
    #[error("{0}")]
    Syntax(String),
    /// YAML that would make a reader guess: an anchor, an alias, a tag, a merge key, a directive.
    #[error("{0} is not accepted here")]
    Refused(&'static str),
    /// The same key twice in one mapping.
    #[error("appears twice")]
    DuplicateKey,
    /// No such key, or no such environment variable.
    #[error("unknown key")]
    UnknownKey,
    /// A value of another kind, or out of its bounds.
    #[error("expected {accepted}{}", found.as_ref().map(|text| format!(", not {text}")).unwrap_or_default())]
    BadValue {
        /// What is accepted.
        accepted: String,
        /// What was found, shortened; `None` for secrets.
        found: Option<String>,
    },
    /// Two names of one key, and they disagree.
    #[error("says something else than {other}")]
    Conflict {
        /// Where the other value stands.
        other: Origin,
    },
    /// Two keys of which only one can hold.
    #[error("cannot stand beside {other}")]
    Excludes {
        /// The other key.
        other: String,
    },
    /// Another key must be given too.
    #[error("needs {0}")]
    Needs(String),
    /// Two databases of one name.
    #[error("{name:?} is already the name of {other}")]
    NameTaken {
        /// The name.
        name: String,
        /// The database that has it, as a key path.
        other: String,
    },
    /// The file that holds a secret cannot be used.
    #[error("cannot use {path}: {reason}", path = path.display())]
    SecretFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A path is not UTF-8.
    #[error("the path is not UTF-8")]
    PathNotUtf8,
    /// The table of keys and the typed sections disagree: a fault of this build.
    #[error("this build's table of keys and its types disagree")]
    Mismatch,
}

impl ConfigError {
    pub(crate) fn new(origin: Origin, key: Option<String>, fault: Fault) -> Self {
        Self(Box::new(Details { origin, key, fault, hint: None }))
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// The way out, where there is one: `did you mean http.auth?`
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// The key path that is at fault, if it is one key.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.0.key.as_deref()
    }

    /// Where the fault stands.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        &self.0.origin
    }

    /// What is wrong.
    #[must_use]
    pub fn fault(&self) -> &Fault {
        &self.0.fault
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Details { origin, key, fault, .. } = &*self.0;
        match origin {
            Origin::Default => {}
            Origin::Flag(flag) => write!(f, "{flag}: ")?,
            Origin::File { .. } | Origin::Environment(_) => write!(f, "{origin}: ")?,
        }
        if let Some(key) = key {
            write!(f, "{key}: ")?;
        }
        write!(f, "{fault}")
    }
}

impl std::error::Error for ConfigError {}

/// A text for an error message: on one line, in quotes, and not longer than an eye takes in.
pub(crate) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
