//! Strangers who make accounts for themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_auth::LoginRejection;
use mcp_identity::{AuditAction, AuditOutcome, Caller, Password, RoleName, Subject, UserName};
use mcp_store::{AddRejection, StoreError, StoredHash, UserRecord};
use mcp_throttle::AddressKey;

use crate::contact;
use crate::login::LoggedIn;
use crate::new_password::NewPasswordRejection;
use crate::service::AccountService;

/// The role of who registers: reads, and never writes.
const VIEWER: &str = "viewer";

/// So many names are tried for who gives none.
const NAMES: u32 = 9;

/// What a stranger says of himself.
#[derive(Debug)]
pub struct Registration {
    /// The name to log in with; without one, it is made from the address.
    pub name: Option<String>,
    /// Where letters go.
    pub email: String,
    /// The password.
    pub password: Password,
    /// What he is called.
    pub full_name: Option<String>,
}

/// Why there is no new account.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterRejection {
    /// Strangers may not register.
    #[error("registration is off")]
    Off,
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
    /// Somebody has the name or the address. Which of them, nobody is told.
    #[error("the name or the email is taken")]
    Taken,
    /// Too many tried from this address.
    #[error("too many registrations")]
    TooMany {
        /// When to ask again.
        retry_after: Duration,
    },
    /// There is an account now, and logging in to it did not work.
    #[error("the account was made, and nobody is logged in: {0}")]
    NotIn(LoginRejection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A registration that could be one.
struct Wanted {
    /// Several, where any will do.
    names: Vec<UserName>,
    email: String,
    full_name: Option<String>,
}

impl AccountService {
    /// Makes an account that reads and reaches no database, and logs in to it. The same hashing
    /// work is done whether or not the name and the address are free.
    ///
    /// To be awaited to its end.
    pub async fn register(
        &self,
        registration: Registration,
        caller: &Caller,
    ) -> Result<LoggedIn, RegisterRejection> {
        let made = self.make(&registration, caller).await;
        if let Some((outcome, subject)) = told(&made) {
            self.record_stranger(caller, AuditAction::AddUser, outcome, subject);
        }
        let name = made?;
        self.put_in_force().await;
        let entering = self.log_in(name.as_str().to_owned(), registration.password, caller);
        entering.await.map_err(RegisterRejection::NotIn)
    }

    async fn make(
        &self,
        registration: &Registration,
        caller: &Caller,
    ) -> Result<UserName, RegisterRejection> {
        if !self.settings.registration {
            return Err(RegisterRejection::Off);
        }
        let wanted = Wanted::of(registration)?;
        let (name, email) = (&wanted.names[0], wanted.email.as_str());
        self.check_new(&registration.password, name, Some(email))?;
        self.count_registration(caller)?;
        let hash = self.hash(&registration.password, name, caller).await?;
        self.add_wanted(wanted, &hash).await
    }

    fn count_registration(&self, caller: &Caller) -> Result<(), RegisterRejection> {
        let counted = self.registrations.count(AddressKey::from(caller.address), self.now());
        counted.map_err(|refusal| RegisterRejection::TooMany { retry_after: refusal.retry_after })
    }

    /// Takes the first of the names that is free.
    async fn add_wanted(
        &self,
        wanted: Wanted,
        hash: &StoredHash,
    ) -> Result<UserName, RegisterRejection> {
        for name in wanted.names {
            let record = UserRecord {
                email: Some(wanted.email.clone()),
                full_name: wanted.full_name.clone(),
                roles: RoleName::parse(VIEWER).into_iter().collect(),
                databases: Some(BTreeSet::new()),
                ..UserRecord::new(name.clone(), hash.clone(), self.now())
            };
            match self.store.add_account(record).await {
                Ok(()) => return Ok(name),
                Err(AddRejection::NameTaken) => {}
                Err(AddRejection::EmailTaken) => break,
                Err(AddRejection::Store(fault)) => return Err(fault.into()),
            }
        }
        Err(RegisterRejection::Taken)
    }
}

/// What stands in the audit log. `None`: a mistake, which is told to whoever made it.
fn told(made: &Result<UserName, RegisterRejection>) -> Option<(AuditOutcome, Subject)> {
    let outcome = match made {
        Ok(name) => return Some((AuditOutcome::Done, Subject::User(name.clone()))),
        Err(RegisterRejection::Off) => AuditOutcome::Refused("off"),
        Err(RegisterRejection::Password(NewPasswordRejection::Busy { .. })) => {
            AuditOutcome::Failed("busy")
        }
        Err(RegisterRejection::Password(_)) => AuditOutcome::Refused("policy"),
        Err(RegisterRejection::Taken) => AuditOutcome::Refused("taken"),
        Err(RegisterRejection::TooMany { .. }) => AuditOutcome::Refused("too_many_registrations"),
        Err(RegisterRejection::Store(_)) => AuditOutcome::Failed("store"),
        Err(
            RegisterRejection::Name
            | RegisterRejection::Email
            | RegisterRejection::FullName
            | RegisterRejection::NotIn(_),
        ) => return None,
    };
    Some((outcome, Subject::None))
}

impl Wanted {
    fn of(registration: &Registration) -> Result<Self, RegisterRejection> {
        let email = contact::email(&registration.email).ok_or(RegisterRejection::Email)?;
        let full_name = match &registration.full_name {
            Some(text) => Some(contact::full_name(text).ok_or(RegisterRejection::FullName)?),
            None => None,
        };
        let names = match &registration.name {
            Some(name) => vec![UserName::parse(name).map_err(|_| RegisterRejection::Name)?],
            None => names_from(&email).ok_or(RegisterRejection::Email)?,
        };
        Ok(Self { names, email, full_name })
    }
}

/// What stands before the `@`, and then with a number behind it. `None`: it is no name.
pub(crate) fn names_from(email: &str) -> Option<Vec<UserName>> {
    let (local, _) = email.rsplit_once('@')?;
    let plain = UserName::parse(local).ok()?;
    let numbered = (2..=NAMES).filter_map(|n| UserName::parse(&format!("{local}-{n}")).ok());
    Some([plain].into_iter().chain(numbered).collect())
}
