//! A password that its owner changes.

use std::time::Duration;

use mcp_auth::{Attempt, LoginRejection};
use mcp_identity::{AuditAction, Password, PrincipalId};
use mcp_store::{EditRejection, StoreError, UserEdit};

use crate::new_password::{NewPasswordRejection, same};
use crate::person::Person;
use crate::service::{AccountService, Requester};

/// Why a password is as it was.
///
/// Matched exhaustively on purpose: each variant has an answer of its own at the edge.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeRejection {
    /// It is no session that asks, or its account is no more.
    #[error("only the owner of an account changes its password")]
    NotAnOwner,
    /// The password of before is another one; or the account is locked or disabled, which looks
    /// the same.
    #[error("the old password is wrong")]
    WrongPassword,
    /// The new one was not taken.
    #[error(transparent)]
    Password(#[from] NewPasswordRejection),
    /// Too many failures from this address.
    #[error("too many failed attempts")]
    TooManyAttempts {
        /// When to ask again.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountService {
    /// The account of whoever asks. `None`: no session asks, or its account is no more.
    pub async fn me(&self, by: &Requester) -> Result<Option<Person>, StoreError> {
        let Some((user, _)) = by.session() else { return Ok(None) };
        let account = self.store.find_account(user).await?;
        Ok(account.map(|account| Person::of(account, self.now())))
    }

    /// Gives the account of whoever asks another password. A wrong old one counts as a failed
    /// login. Every other session of the account ends, and that one, too, which was good for this
    /// alone.
    ///
    /// To be awaited to its end.
    pub async fn change_password(
        &self,
        by: &Requester,
        old: Password,
        new: Password,
    ) -> Result<(), ChangeRejection> {
        let person = self.me(by).await?.ok_or(ChangeRejection::NotAnOwner)?;
        let name = &person.name;
        self.check_new(&new, name, person.email.as_deref())?;
        if same(&old, &new) {
            return Err(NewPasswordRejection::SameAsBefore.into());
        }
        let attempt =
            Attempt { name: name.as_str().to_owned(), password: old, caller: by.caller.clone() };
        let before = self.auth.confirm(&attempt).await.map_err(of_login)?;
        self.is_not_used_before(&new, name, &by.caller, &before).await?;
        let hash = self.hash(&new, name, &by.caller).await?;
        let stays = match &by.principal.id {
            PrincipalId::Session(id) => Some(id.clone()),
            PrincipalId::PasswordChange(_) | PrincipalId::Token(_) | PrincipalId::Local => None,
        };
        let edit = UserEdit {
            password: Some(hash),
            must_change_password: Some(false),
            end_sessions: Some(stays),
            ..UserEdit::default()
        };
        self.store.edit_account(name, edit).await.map_err(of_edit)?;
        self.record(by, AuditAction::SetPassword, name);
        self.put_in_force().await;
        Ok(())
    }
}

fn of_login(rejection: LoginRejection) -> ChangeRejection {
    match rejection {
        LoginRejection::Refused(_) | LoginRejection::Disabled => ChangeRejection::WrongPassword,
        LoginRejection::TooManyAttempts { retry_after } => {
            ChangeRejection::TooManyAttempts { retry_after }
        }
        LoginRejection::Busy { retry_after } => NewPasswordRejection::Busy { retry_after }.into(),
        LoginRejection::Store(fault) => fault.into(),
    }
}

fn of_edit(rejection: EditRejection) -> ChangeRejection {
    match rejection {
        // The address is not touched.
        EditRejection::NotFound | EditRejection::EmailTaken => ChangeRejection::NotAnOwner,
        EditRejection::Store(fault) => fault.into(),
    }
}
