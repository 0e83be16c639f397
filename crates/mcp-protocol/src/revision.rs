//! The revisions of the protocol, and the two eras they fall into.

/// A released revision, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revision {
    /// 2024-11-05.
    V2024_11_05,
    /// 2025-03-26.
    V2025_03_26,
    /// 2025-06-18.
    V2025_06_18,
    /// 2025-11-25, the newest that begins with a handshake.
    V2025_11_25,
    /// 2026-07-28, without handshake and session.
    V2026_07_28,
}

impl Revision {
    /// Every revision, oldest first.
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];

    /// What a legacy request without a version header counts as (2025-03-26, transports).
    pub const ASSUMED: Self = Self::V2025_03_26;

    /// The newest one that `initialize` can agree on.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;

    /// Those of the modern era, oldest first.
    pub(crate) fn modern() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|revision| revision.era() == Era::Modern)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    /// The revision of that name.
    #[must_use]
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|revision| revision.as_str() == name)
    }

    /// The era it belongs to.
    #[must_use]
    pub fn era(self) -> Era {
        match self {
            Self::V2026_07_28 => Era::Modern,
            Self::V2024_11_05 | Self::V2025_03_26 | Self::V2025_06_18 | Self::V2025_11_25 => {
                Era::Legacy
            }
        }
    }
}

/// How a client and this server speak to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// `initialize` first; later requests say nothing about themselves.
    Legacy,
    /// Each request says its revision and the client's capabilities.
    Modern,
}
