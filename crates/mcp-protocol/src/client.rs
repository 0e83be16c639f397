//! What a client says that it can do.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::revision::Revision;

/// Something that a server may ask a client to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// Ask its user, with a form.
    Elicitation,
    /// Ask its model.
    Sampling,
    /// Name the places that it works in.
    Roots,
}

impl Capability {
    /// The member of `ClientCapabilities`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Sampling => "sampling",
            Self::Roots => "roots",
        }
    }
}

impl Capability {
    /// The revision that has it first.
    fn since(self) -> Revision {
        match self {
            Self::Elicitation => Revision::V2025_06_18,
            Self::Sampling | Self::Roots => Revision::V2024_11_05,
        }
    }
}

/// The capabilities that a client declared. Nothing may rely on one that is not here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClientCapabilities {
    elicitation: bool,
    sampling: bool,
    roots: bool,
}

#[derive(Deserialize)]
struct Declared {
    elicitation: Option<IgnoredAny>,
    sampling: Option<IgnoredAny>,
    roots: Option<IgnoredAny>,
}

impl ClientCapabilities {
    /// Reads what the client declared; `None` if that is no object.
    #[must_use]
    pub fn read(raw: &RawValue) -> Option<Self> {
        if !raw.get().starts_with('{') {
            return None;
        }
        let declared: Declared = serde_json::from_str(raw.get()).ok()?;
        Some(Self {
            elicitation: declared.elicitation.is_some(),
            sampling: declared.sampling.is_some(),
            roots: declared.roots.is_some(),
        })
    }

    /// Whether the client declared it, and `revision` knows it: what a revision does not know is
    /// not asked for in it, whatever a client says.
    #[must_use]
    pub fn has(self, capability: Capability, revision: Revision) -> bool {
        let declared = match capability {
            Capability::Elicitation => self.elicitation,
            Capability::Sampling => self.sampling,
            Capability::Roots => self.roots,
        };
        declared && revision >= capability.since()
    }
}

/// How the legacy era begins: what `initialize` agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handshake {
    /// The revision that both speak from now on.
    pub revision: Revision,
    /// What the client can do.
    pub capabilities: ClientCapabilities,
}

/// The `ClientCapabilities` object that names `capability` alone.
pub(crate) fn required(capability: Capability) -> Value {
    json!({ capability.as_str(): {} })
}

/// How grave a log message is (RFC 5424 §6.2.1), least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For debugging.
    Debug,
    /// What normally happens.
    Info,
    /// Normal, and worth a look.
    Notice,
    /// Something is not as it should be.
    Warning,
    /// Something failed.
    Error,
    /// A part failed.
    Critical,
    /// Someone must act now.
    Alert,
    /// Nothing works.
    Emergency,
}

impl LogLevel {
    const ALL: [Self; 8] = [
        Self::Debug,
        Self::Info,
        Self::Notice,
        Self::Warning,
        Self::Error,
        Self::Critical,
        Self::Alert,
        Self::Emergency,
    ];

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
            Self::Alert => "alert",
            Self::Emergency => "emergency",
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}
