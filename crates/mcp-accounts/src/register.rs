//! Strangers who make accounts for themselves.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_auth::LoginRejection;
use mcp_identity::{AuditAction, AuditOutcome, Caller, Password, RoleName, Subject, UserName};
use mcp_store::UserRecord;
use mcp_throttle::AddressKey;

use crate::login::LoggedIn;
use crate::new_password::NewPasswordRejection;
use crate::service::AccountService;
use crate::wanted::{CreateRejection, Wanted};

/// The role of who registers: reads, and never writes.
const VIEWER: &str = "viewer";

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
    /// Nobody could make it, were he an admin. Whether the name or the address is taken, nobody is
    /// told.
    #[error(transparent)]
    Create(#[from] CreateRejection),
    /// Too many tried from this address.
    #[error("too many registrations")]
    TooMany {
        /// When to ask again.
        retry_after: Duration,
    },
    /// There is an account now, and logging in to it did not work.
    #[error("the account was made, and nobody is logged in: {0}")]
    NotIn(LoginRejection),
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
        let Registration { name, email, password, full_name } = registration;
        let wanted = Wanted::of(name.as_deref(), email, full_name.as_deref())?;
        self.check_wanted(password, &wanted)?;
        self.count_registration(caller)?;
        let hash = self.hash(password, wanted.first(), caller).await;
        let hash = hash.map_err(CreateRejection::Password)?;
        let record = |record| UserRecord {
            roles: RoleName::parse(VIEWER).into_iter().collect(),
            databases: Some(BTreeSet::new()),
            ..record
        };
        Ok(self.add_wanted(wanted, &hash, record).await?)
    }

    fn count_registration(&self, caller: &Caller) -> Result<(), RegisterRejection> {
        let counted = self.registrations.count(AddressKey::from(caller.address), self.now());
        counted.map_err(|refusal| RegisterRejection::TooMany { retry_after: refusal.retry_after })
    }
}

/// What stands in the audit log. `None`: a mistake, which is told to whoever made it.
fn told(made: &Result<UserName, RegisterRejection>) -> Option<(AuditOutcome, Subject)> {
    let rejection = match made {
        Ok(name) => return Some((AuditOutcome::Done, Subject::User(name.clone()))),
        Err(rejection) => rejection,
    };
    let outcome = match rejection {
        RegisterRejection::Off => AuditOutcome::Refused("off"),
        RegisterRejection::TooMany { .. } => AuditOutcome::Refused("too_many_registrations"),
        RegisterRejection::Create(CreateRejection::Taken) => AuditOutcome::Refused("taken"),
        RegisterRejection::Create(CreateRejection::Password(rejection)) => match rejection {
            NewPasswordRejection::Busy { .. } => AuditOutcome::Failed("busy"),
            NewPasswordRejection::Policy(_)
            | NewPasswordRejection::SameAsBefore
            | NewPasswordRejection::Ended(_) => AuditOutcome::Refused("policy"),
        },
        RegisterRejection::Create(CreateRejection::Store(_)) => AuditOutcome::Failed("store"),
        RegisterRejection::Create(
            CreateRejection::Name | CreateRejection::Email | CreateRejection::FullName,
        )
        | RegisterRejection::NotIn(_) => return None,
    };
    Some((outcome, Subject::None))
}
