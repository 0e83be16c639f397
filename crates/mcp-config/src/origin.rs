//! Where each value came from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use crate::table::{self, Place};
use crate::value::Value;

/// Where a value came from, as `config show` and every error say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// The configuration file.
    File {
        /// The path as it was given.
        path: PathBuf,
        /// Counted from 1. `None` where it is not known: no line is better than a wrong one.
        line: Option<usize>,
    },
    /// The environment variable of that name.
    Environment(String),
    /// The flag of the command line, with its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(flag) => write!(f, "flag {flag}"),
        }
    }
}

/// Who wins where several speak: the later variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Layer {
    Default,
    /// What the surroundings happen to say (`PG*`, systemd's `STATE_DIRECTORY`): names that are
    /// not ours, and so weaker than what the operator wrote for this server.
    Ambient,
    File,
    Environment,
    Flag,
}

/// One value in force.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
    pub(crate) layer: Layer,
}

/// The origin of each value in force, by key path.
#[derive(Clone, Debug, Default)]
pub struct Origins(pub(crate) BTreeMap<Place, Setting>);

impl Origins {
    /// Where the value of a key came from: `origins.get("databases[0].host")`. `None`: the key has
    /// no value, or there is no such key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Origin> {
        self.setting(key).map(|setting| &setting.origin)
    }

    pub(crate) fn setting(&self, key: &str) -> Option<&Setting> {
        self.0.get(&table::find(key)?.place)
    }

    /// How many databases there are. Never 0 once loaded.
    pub(crate) fn databases(&self) -> usize {
        let indexed = self.0.keys().filter(|place| place.is_indexed());
        indexed.map(|place| place.index + 1).max().unwrap_or(0)
    }
}
