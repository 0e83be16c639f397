//! A password that somebody chose, checked and hashed.

use std::time::Duration;

use mcp_identity::{Caller, EndReason, Password, UserName};
use mcp_password::{
    Asker, HashError, Hasher, HasherError, Owner, PasswordHash, PasswordRejection, Policy, Verdict,
};
use mcp_store::{AccountStore, StoreError, StoredHash};
use unicode_normalization::UnicodeNormalization as _;

use crate::service::{AccountService, Requester};

/// Why a password was not taken.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NewPasswordRejection {
    /// It breaks rules of the policy.
    #[error(transparent)]
    Policy(#[from] PasswordRejection),
    /// It is the one of before.
    #[error("the new password is the old one")]
    SameAsBefore,
    /// The credential of whoever chose it for an account ended while it was hashed.
    #[error("the credential has ended")]
    Ended(EndReason),
    /// Too many passwords are waiting. Says nothing about this one.
    #[error("too many passwords are waiting to be hashed")]
    Busy {
        /// When to ask again.
        retry_after: Duration,
    },
}

impl NewPasswordRejection {
    /// What is demanded of a password and was not kept, in words for whoever chose it.
    #[must_use]
    pub fn failed_rules(&self) -> Vec<String> {
        match self {
            Self::Policy(rejection) => rejection.broken().iter().map(ToString::to_string).collect(),
            Self::SameAsBefore => vec!["Different from the old password".to_owned()],
            Self::Ended(_) | Self::Busy { .. } => Vec::new(),
        }
    }
}

impl AccountService {
    /// May this become the password of that account?
    pub(crate) fn check_new(
        &self,
        password: &Password,
        name: &UserName,
        email: Option<&str>,
    ) -> Result<(), NewPasswordRejection> {
        let owner = Owner { user_name: name.as_str(), email };
        Ok(self.settings.policy.check(password, &owner)?)
    }

    /// Its hash, made in turn with all others.
    pub(crate) async fn hash(
        &self,
        password: &Password,
        name: &UserName,
        caller: &Caller,
    ) -> Result<StoredHash, NewPasswordRejection> {
        let asker = Asker::new(name.key(), caller.address);
        match self.hasher.hash(&asker, password).await {
            Ok(hash) => Ok(StoredHash::new(hash.expose())),
            Err(HashError::Hasher(error)) => Err(busy(&error)),
            // The policy was asked before and knows the same rule: that a password cannot be hashed
            // is told there.
            Err(HashError::Rejected(_) | HashError::Entropy(_)) => {
                Err(NewPasswordRejection::Busy { retry_after: SOON })
            }
        }
    }

    /// As [`hash`](Self::hash), for whoever has a credential, and has it still when it is made: a
    /// password may wait for long.
    pub(crate) async fn hash_for(
        &self,
        by: &Requester,
        password: &Password,
        name: &UserName,
    ) -> Result<StoredHash, NewPasswordRejection> {
        let hash = self.hash(password, name, &by.caller).await?;
        by.ended().map_or(Ok(hash), |why| Err(NewPasswordRejection::Ended(why)))
    }

    /// May this become the password of that account, which has the hash `current`, as far as its
    /// last ones matter?
    pub(crate) async fn is_not_used_before<E>(
        &self,
        password: &Password,
        name: &UserName,
        caller: &Caller,
        current: &StoredHash,
    ) -> Result<(), E>
    where
        E: From<NewPasswordRejection> + From<StoreError>,
    {
        let policy = &self.settings.policy;
        let asker = Asker::new(name.key(), caller.address);
        let last = last_passwords(&*self.store, policy, name, current).await?;
        match is_among(&self.hasher, &asker, password, &last).await {
            Ok(false) => Ok(()),
            Ok(true) => {
                let used = PasswordRejection::used_before(policy);
                Err(NewPasswordRejection::from(used).into())
            }
            Err(error) => Err(busy(&error).into()),
        }
    }
}

/// The hashes of the last passwords of an account, as many as the policy remembers, first the one
/// that it has: `current`, which was read before, so that whoever writes only over that misses none
/// that came between.
pub(crate) async fn last_passwords<S: AccountStore + ?Sized>(
    store: &S,
    policy: &Policy,
    name: &UserName,
    current: &StoredHash,
) -> Result<Vec<StoredHash>, StoreError> {
    if policy.history() == 0 {
        return Ok(Vec::new());
    }
    let past = store.past_passwords(name, policy.past()).await?;
    Ok([current.clone()].into_iter().chain(past).collect())
}

/// Is the password of one of these hashes this one? Each is verified in turn with all others, so
/// that this takes as long as that many logins.
pub(crate) async fn is_among(
    hasher: &Hasher,
    asker: &Asker,
    password: &Password,
    last: &[StoredHash],
) -> Result<bool, HasherError> {
    // One that cannot be verified is nobody's password.
    for hash in last.iter().filter_map(|hash| PasswordHash::parse(hash.expose()).ok()) {
        match hasher.verify(asker, password, Some(&hash)).await? {
            Verdict::Right => return Ok(true),
            Verdict::Wrong => {}
        }
    }
    Ok(false)
}

/// When to ask again what could not be done now.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// Are they one password, however each was typed?
pub(crate) fn same(one: &Password, other: &Password) -> bool {
    one.expose().nfkc().eq(other.expose().nfkc())
}

fn busy(error: &HasherError) -> NewPasswordRejection {
    match error {
        HasherError::Busy { retry_after } => {
            NewPasswordRejection::Busy { retry_after: *retry_after }
        }
        HasherError::Stopped | HasherError::Failed => {
            NewPasswordRejection::Busy { retry_after: SOON }
        }
    }
}
