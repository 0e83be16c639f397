//! An account that is to be made, by whomever: what may be one, and the first name that is free.

use mcp_identity::{Password, UserName};
use mcp_store::{AddRejection, StoreError, StoredHash, UserRecord};

use crate::contact;
use crate::new_password::NewPasswordRejection;
use crate::service::AccountService;

/// So many names are tried for who gives none.
const NAMES: u32 = 9;

/// Why no account was made.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateRejection {
    /// It cannot be a name.
    #[error("the name cannot be one")]
    Name,
    /// It cannot be an address.
    #[error("the email cannot be one")]
    Email,
    /// It cannot be what somebody is called.
    #[error("the full name cannot be one")]
    FullName,
    /// The password was not taken.
    #[error(transparent)]
    Password(#[from] NewPasswordRejection),
    /// Somebody has the name or the address.
    #[error("the name or the email is taken")]
    Taken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An account that could be one.
pub(crate) struct Wanted {
    first: UserName,
    /// Further ones, where any will do.
    others: Vec<UserName>,
    email: String,
    full_name: Option<String>,
}

impl Wanted {
    /// Without a name, it is what stands before the `@`, or that with a number behind it.
    pub(crate) fn of(
        name: Option<&str>,
        email: &str,
        full_name: Option<&str>,
    ) -> Result<Self, CreateRejection> {
        let email = contact::email(email).ok_or(CreateRejection::Email)?;
        let full_name = match full_name {
            Some(text) => Some(contact::full_name(text).ok_or(CreateRejection::FullName)?),
            None => None,
        };
        if let Some(name) = name {
            let first = UserName::parse(name).map_err(|_| CreateRejection::Name)?;
            return Ok(Self { first, others: Vec::new(), email, full_name });
        }
        let (local, _) = email.rsplit_once('@').ok_or(CreateRejection::Email)?;
        let first = UserName::parse(local).map_err(|_| CreateRejection::Email)?;
        let numbered = (2..=NAMES).filter_map(|n| UserName::parse(&format!("{local}-{n}")).ok());
        Ok(Self { first, others: numbered.collect(), email, full_name })
    }

    /// The name that is tried first.
    pub(crate) fn first(&self) -> &UserName {
        &self.first
    }
}

impl AccountService {
    /// May this be the password of that account?
    pub(crate) fn check_wanted(
        &self,
        password: &Password,
        wanted: &Wanted,
    ) -> Result<(), CreateRejection> {
        Ok(self.check_new(password, &wanted.first, Some(&wanted.email))?)
    }

    /// Takes the first of the names that is free. `complete` says what else the account is.
    pub(crate) async fn add_wanted(
        &self,
        wanted: Wanted,
        hash: &StoredHash,
        complete: impl Fn(UserRecord) -> UserRecord,
    ) -> Result<UserName, CreateRejection> {
        let Wanted { first, others, email, full_name } = wanted;
        for name in [first].into_iter().chain(others) {
            let record = complete(UserRecord {
                email: Some(email.clone()),
                full_name: full_name.clone(),
                ..UserRecord::new(name.clone(), hash.clone(), self.now())
            });
            match self.store.add_account(record).await {
                Ok(()) => return Ok(name),
                Err(AddRejection::NameTaken) => {}
                Err(AddRejection::EmailTaken) => break,
                Err(AddRejection::Store(fault)) => return Err(fault.into()),
            }
        }
        Err(CreateRejection::Taken)
    }
}
