//! A password that its owner changes.

use std::time::Duration;

use mcp_auth::{Attempt, LoginRejection};
use mcp_identity::{AuditAction, Password, PrincipalId, UserName};
use mcp_store::{EditRejection, StoreError, StoredHash, UserEdit};

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
        // A second round for those whose hash was made stronger meanwhile, by a login beside them.
        for _ in 0..2 {
            let checked = self.auth.confirm(&attempt).await.map_err(of_login)?;
            self.is_not_used_before::<ChangeRejection>(&new, name, &by.caller, &checked).await?;
            let hash = self.hash_for(by, &new, name).await?;
            if self.set_own(by, name, checked, hash).await? {
                self.record(by, AuditAction::SetPassword, name);
                self.put_in_force().await;
                return Ok(());
            }
        }
        Err(ChangeRejection::WrongPassword)
    }

    /// `false`: the password is not the one any more that was checked. A reset by mail, or an
    /// admin, was quicker: what they set stays.
    async fn set_own(
        &self,
        by: &Requester,
        name: &UserName,
        checked: StoredHash,
        hash: StoredHash,
    ) -> Result<bool, StoreError> {
        let stays = match &by.principal.id {
            PrincipalId::Session(id) => Some(id.clone()),
            PrincipalId::PasswordChange(_) | PrincipalId::Token(_) | PrincipalId::Local => None,
        };
        let edit = UserEdit {
            checked: Some(checked),
            password: Some(hash),
            past: self.settings.policy.past(),
            must_change_password: Some(false),
            end_sessions: Some(stays),
            ..UserEdit::default()
        };
        match self.store.edit_account(name, edit).await {
            Ok(_) => Ok(true),
            // The address is not touched.
            Err(EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin) => {
                Ok(false)
            }
            Err(EditRejection::Store(fault)) => Err(fault),
        }
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
