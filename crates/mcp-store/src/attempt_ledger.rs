//! What an attempt to log in takes before it is made, and gives back when it is over.

use std::num::NonZeroUsize;
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};
use mcp_throttle::{AddressKey, Failure, LockoutPolicy, Quota, Refusal, Ticket};

use crate::account::{LoginSession, UserRecord};
use crate::account_store::{Account, OpenRejection, Opened, Opening};
use crate::token_store::{BoxFuture, StoreError};

/// The book of attempts: of the address that each came from, and of the account or the name of
/// nobody that it was about.
///
/// ```text
///            ┌─▶ Refused: failures fill the quota of the address; nothing is looked at
///   begin ───┼─▶ Wait: places of others fill the one or the other; nothing is held
///            └─▶ Admitted ──▶ fail:     both count it
///                         ├─▶ open:     the place of the address is free; a session, if it may be
///                         ├─▶ withdraw: nothing was looked at, nothing is counted
///                         └─▶ abandon:  the client left in the middle; a failure of the address
/// ```
///
/// Whoever shares this book shares the limits: a server alone has [`LocalAttempts`]; servers that
/// share a store of accounts must share the book that lies beside them, or each of them would
/// allow as many guesses as all of them may.
///
/// [`LocalAttempts`]: crate::LocalAttempts
pub trait AttemptLedger: Send + Sync {
    /// Takes a place of the address, finds the account, and takes a place there, or of the name
    /// that nobody has: all of it or nothing.
    ///
    /// Dropped before it is done, it is a failure of the address: whoever could take a place of an
    /// account and leave would lock its owner out for nothing.
    ///
    /// # Errors
    /// [`StoreError`]; nothing is held then, or only until it is void.
    fn begin<'a>(&'a self, attempt: Beginning<'a>) -> BoxFuture<'a, Result<Begun, StoreError>>;

    /// The password was wrong, or there was none to compare it with. What that did to the account;
    /// of a name of nobody it is no event.
    ///
    /// # Errors
    /// [`StoreError`]; the places stay held then, until they are void.
    fn fail<'a>(
        &'a self,
        held: Held<'a>,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>>;

    /// Nothing was looked at, or nothing shall come of it: all places are free.
    ///
    /// # Errors
    /// As [`fail`](Self::fail).
    fn withdraw<'a>(&'a self, held: Held<'a>) -> BoxFuture<'a, Result<(), StoreError>>;

    /// The password was right: [`AccountStore::open_session`], and the place of the address is
    /// free, whatever becomes of the session. Of those who share a check, one held a place.
    ///
    /// # Errors
    /// As [`AccountStore::open_session`].
    ///
    /// [`AccountStore::open_session`]: crate::AccountStore::open_session
    fn open(
        &self,
        opening: Opening,
        place: Option<AddressPlace>,
    ) -> BoxFuture<'_, Result<Entered, OpenRejection>>;

    /// Is an address over its quota? It takes no place: whoever shares a check of another holds
    /// none.
    ///
    /// # Errors
    /// [`StoreError`].
    fn look(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>>;

    /// Counts a failure that was found out by another. What stood against it: the quota was full
    /// already, and nothing is counted.
    ///
    /// # Errors
    /// [`StoreError`]; nothing may be counted then.
    fn count(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>>;

    /// For whoever cannot wait, because he is dropped: the attempt was cut off, and is a failure
    /// of its address. What else it held is void by itself.
    fn abandon(&self, place: AddressPlace, now: SystemTime);

    /// The same where the password was right: the place of the address is free.
    fn release(&self, place: AddressPlace);
}

/// What holds for all attempts. Comes from `http.auth` in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptLimits {
    /// Failures of one address.
    pub quota: Quota,
    /// When a name locks that nobody has; and for how long a place is held of which nothing more
    /// is heard.
    pub lockout: LockoutPolicy,
    /// Addresses, and names of nobody, that are remembered.
    pub keys: NonZeroUsize,
}

/// An attempt that is about to be made.
#[derive(Clone, Copy, Debug)]
pub struct Beginning<'a> {
    /// Where it comes from.
    pub address: AddressKey,
    /// Whose account it is about.
    pub sought: Sought<'a>,
    /// Stands for what was typed, where that is nobody's; on all servers the same. Who keeps it
    /// keeps it keyed: people type their passwords there.
    pub digest: [u8; 32],
    /// By what the account is judged.
    pub policy: LockoutPolicy,
    /// The time now.
    pub now: SystemTime,
}

/// By what somebody says whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought<'a> {
    /// The name.
    Name(&'a UserName),
    /// The address of mail, in upper and lower case alike. Which account has it is found with its
    /// place, in one: it costs what a name does.
    Email(&'a str),
    /// Something that no account can have.
    Nobody,
}

/// What [`AttemptLedger::begin`] says.
#[derive(Debug, PartialEq, Eq)]
pub enum Begun {
    /// Go ahead.
    Admitted(Box<Admitted>),
    /// Attempts in flight fill a limit, and they may all turn out good. Nothing is held: ask
    /// again when one has ended.
    Wait,
    /// Failures fill the quota of the address.
    Refused(Refusal),
}

/// An attempt that may be made.
#[derive(Debug, PartialEq, Eq)]
pub struct Admitted {
    /// The place of the address.
    pub place: AddressPlace,
    /// The account, as it was before a place was taken; `None`: nobody has this name.
    pub account: Option<Account>,
    /// The place of the account, or of the name that nobody has. `None`: it is locked, and nothing
    /// is to be compared.
    pub ticket: Option<Ticket>,
}

/// A place of an address. It is settled once; else it is void after the policy's `hold`.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a place that is not settled is held until it is void"]
pub struct AddressPlace {
    /// Whose it is.
    pub address: AddressKey,
    /// Its name among those of the address.
    pub number: u64,
}

/// A session that was opened, and what the store knows of it already.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Entered {
    /// The sessions that ended for it.
    pub ended: Vec<SessionId>,
    /// `None`: to be asked for.
    pub seen: Option<Box<Seen>>,
}

impl From<Opened> for Entered {
    fn from(Opened { ended }: Opened) -> Self {
        Self { ended, seen: None }
    }
}

/// An account and a session of it. Both are as they were after the ledger was asked to open the
/// session, if not at one moment: whatever was changed before that shows in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Whose it is. Enabled, and the account that was to be logged in to.
    pub record: UserRecord,
    /// As it is kept.
    pub session: LoginSession,
}

/// What an attempt holds.
#[derive(Debug)]
pub struct Held<'a> {
    /// Of its address.
    pub place: AddressPlace,
    /// What it was about.
    pub about: About<'a>,
    /// Of what it was about, if that was not locked.
    pub ticket: Option<Ticket>,
}

/// What an attempt was about.
#[derive(Clone, Copy, Debug)]
pub enum About<'a> {
    /// An account, by its name and its time of making.
    Account(&'a UserName, SystemTime),
    /// A name that nobody has, by its digest.
    Nobody([u8; 32]),
}
