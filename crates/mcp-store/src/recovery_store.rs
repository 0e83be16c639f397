//! Where lost passwords are found again: the letters to be sent, and the links in them.

use std::time::{Duration, SystemTime};

use mcp_identity::{SessionId, TokenHash, UserName};

use crate::account::{StoredHash, UserRecord};
use crate::account_store::AccountStore;
use crate::token_store::{BoxFuture, StoreError};

/// As many letters may wait. Whoever asks for one more is told that the store is down, whoever it
/// would be for.
pub const MOST_LETTERS: usize = 10_000;

/// So long a link that is over is told from one that never was.
pub const REMEMBERED: Duration = Duration::from_hours(24);

/// A letter that is due later than this from now is due: a clock went back.
pub const FARTHEST: Duration = Duration::from_hours(24);

/// A place that keeps letters to be sent and links for a new password, beside the accounts. Each
/// method happens as a whole or not at all.
///
/// Of a link only the SHA-256 of its secret is kept. It holds for the account as it was when it
/// was minted: another password or another address voids it, whoever changed them, and so does
/// being disabled.
pub trait RecoveryStore: AccountStore {
    /// Keeps word of a letter that is to be sent: one row, whoever it is for, and whether or not
    /// there is anybody.
    ///
    /// # Errors
    /// [`StoreError`]; with [`MOST_LETTERS`] waiting, too.
    fn ask_letter(
        &self,
        matter: LetterMatter,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>>;

    /// Takes the letter that has been due for longest. Until `until` nobody else is given it; then
    /// it is due again.
    ///
    /// # Errors
    /// [`StoreError`]; none is taken then.
    fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> BoxFuture<'_, Result<Option<QueuedLetter>, StoreError>>;

    /// Has a letter that was taken wait until `due`. `false`: somebody else has taken it since.
    ///
    /// # Errors
    /// [`StoreError`]; it is due again when its time is over.
    fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Forgets a letter that was taken: it is sent, or never will be. `false`: somebody else has
    /// taken it since.
    ///
    /// # Errors
    /// [`StoreError`]; it is due again when its time is over.
    fn finish_letter(&self, claim: LetterClaim) -> BoxFuture<'_, Result<bool, StoreError>>;

    /// Keeps a new link for an account, and voids those that it had. `None`: there is no such
    /// account, or it is disabled; nothing is changed then.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is changed then.
    fn mint_reset(&self, minting: Minting)
    -> BoxFuture<'_, Result<Option<UserRecord>, StoreError>>;

    /// What a link is worth. Looking changes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be known.
    fn look_at_reset(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<ResetLook, StoreError>>;

    /// Spends a link: sets the password, which need not be changed then, remembers the one that
    /// goes if that is asked for, lifts a lock and forgets failures, ends the sessions if that is
    /// asked for, and keeps word of a letter that says so if that is. Of all who spend the same
    /// link, one does.
    ///
    /// # Errors
    /// [`SpendRejection`]; nothing is changed then.
    fn spend_reset(&self, spending: Spending) -> BoxFuture<'_, Result<Spent, SpendRejection>>;
}

/// What a letter is about. Whom it goes to, and what stands in it, is found out when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LetterMatter {
    /// A link for a new password, for whoever has this address, if anybody has.
    ResetLink(String),
    /// Word to that account that its password was set by a link.
    PasswordReset(UserName),
    /// Word to that account that it was locked.
    Locked(UserName),
}

/// A letter that was taken, to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedLetter {
    /// What names it from now on.
    pub claim: LetterClaim,
    /// What it is about.
    pub matter: LetterMatter,
    /// When it was asked for.
    pub asked_at: SystemTime,
}

/// A letter, and which attempt at it this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterClaim {
    /// Its number.
    pub letter: i64,
    /// The attempt; the first is 1.
    pub attempt: u32,
}

/// A link that is to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Minting {
    /// Whose it is.
    pub whom: Whom,
    /// SHA-256 of its secret.
    pub hash: TokenHash,
    /// When it is made.
    pub now: SystemTime,
    /// The first instant at which it no longer holds.
    pub expires_at: SystemTime,
}

/// Which account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// The one of that address, upper and lower case alike.
    Address(String),
    /// The one of that name.
    User(UserName),
}

/// What a link is worth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResetLook {
    /// It sets the password of this account.
    Valid {
        /// Whose password.
        user: UserName,
        /// The first instant at which it no longer does.
        expires_at: SystemTime,
    },
    /// Nothing: it never was one, was spent, or is void.
    Invalid,
    /// Nothing any more: its time is over.
    Expired,
}

/// A link that is to be spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spending {
    /// SHA-256 of its secret.
    pub hash: TokenHash,
    /// The hash that the account must still have, if it must: the new password was compared with
    /// that and with those before it.
    pub checked: Option<StoredHash>,
    /// What the new password is checked against.
    pub password: StoredHash,
    /// Of the passwords before it, so many are remembered: [`UserEdit::past`](crate::UserEdit::past).
    pub past: usize,
    /// When.
    pub now: SystemTime,
    /// Whether all sessions of the account end.
    pub end_sessions: bool,
    /// Whether a letter is to say so.
    pub confirm: bool,
}

/// A link that was spent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// The account, as it is now.
    pub record: UserRecord,
    /// The sessions that ended.
    pub ended: Vec<SessionId>,
}

/// Why a link was not spent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpendRejection {
    /// It never was one, was spent, or is void.
    #[error("the link is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the link has expired")]
    Expired,
    /// It holds, and the account has another password than the one that was looked at.
    #[error("the account has another password by now")]
    Changed,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl LetterMatter {
    /// A word that never changes, for stores.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ResetLink(_) => "reset_link",
            Self::PasswordReset(_) => "password_reset",
            Self::Locked(_) => "locked",
        }
    }

    /// The address, or the name of the account.
    #[must_use]
    pub fn whom(&self) -> &str {
        match self {
            Self::ResetLink(address) => address,
            Self::PasswordReset(user) | Self::Locked(user) => user.as_str(),
        }
    }

    /// Made of what a store kept; `None`: it was not kept by this or an older release.
    #[must_use]
    pub fn of(kind: &str, whom: &str) -> Option<Self> {
        match kind {
            "reset_link" => Some(Self::ResetLink(whom.to_owned())),
            "password_reset" => UserName::parse(whom).ok().map(Self::PasswordReset),
            "locked" => UserName::parse(whom).ok().map(Self::Locked),
            _ => None,
        }
    }
}

impl Whom {
    /// Is it this account?
    #[must_use]
    pub fn is(&self, record: &UserRecord) -> bool {
        match self {
            Self::User(name) => record.name == *name,
            Self::Address(address) => {
                let email = record.email.as_deref().map(str::to_lowercase);
                email.as_deref() == Some(address.to_lowercase().as_str())
            }
        }
    }
}

/// What a link is tied to: the password and the address of its account, as they were when it was
/// minted.
#[must_use]
pub fn reset_seal(record: &UserRecord) -> TokenHash {
    let email = record.email.as_deref().unwrap_or_default();
    TokenHash::of_presented(format!("{}\n{email}", record.password.expose()).as_bytes())
}
