//! Accounts of others: listed, made, changed, unlocked and deleted by an admin.

use std::collections::BTreeSet;

use mcp_identity::{AuditAction, Password, RoleName, UserName};
use mcp_store::{
    ADMIN_ROLE, Account, AdminsLeft, EditRejection, StoreError, StoredHash, UserEdit, UserRecord,
};

use crate::contact;
use crate::guard::Guard;
use crate::new_password::{NewPasswordRejection, SOON};
use crate::person::Person;
use crate::service::{AccountService, Requester};
use crate::wanted::{CreateRejection, Wanted};

/// So often an edit is made that others are in the way of.
const ROUNDS: usize = 3;

/// A part of the list of accounts, in the order of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The accounts.
    pub people: Vec<Person>,
    /// Where the list goes on, if it does. Good for whoever asked, and nobody else.
    pub next: Option<String>,
}

/// An account that an admin makes.
#[derive(Debug)]
pub struct NewAccount {
    /// The name to log in with; without one, it is made from the address.
    pub name: Option<String>,
    /// Where letters go.
    pub email: String,
    /// The password.
    pub password: Password,
    /// What its owner is called.
    pub full_name: Option<String>,
    /// Whether he is an admin.
    pub is_admin: bool,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether the password must be changed first.
    pub must_change_password: bool,
}

/// What an admin changes; what is `None` stays.
#[derive(Debug, Default)]
pub struct AccountEdit {
    /// The password. Ends every session of the account.
    pub password: Option<Password>,
    /// Whether the password must be changed first.
    pub must_change_password: Option<bool>,
    /// What its owner is called.
    pub full_name: Option<String>,
    /// Whether he is an admin.
    pub is_admin: Option<bool>,
    /// Whether it may be used. Disabling ends every session of the account.
    pub is_active: Option<bool>,
}

/// Why there is no list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ListRejection {
    /// The cursor is none of ours, or another's.
    #[error("the cursor cannot be read")]
    Cursor,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindRejection {
    /// There is no such account.
    #[error("user not found")]
    NotFound,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account is as it was.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpdateRejection {
    /// There is no such account.
    #[error("user not found")]
    NotFound,
    /// It must not be done.
    #[error(transparent)]
    Guard(#[from] Guard),
    /// It cannot be what somebody is called.
    #[error("the full name cannot be one")]
    FullName,
    /// The password was not taken.
    #[error(transparent)]
    Password(#[from] NewPasswordRejection),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an account is still there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeleteRejection {
    /// There is no such account.
    #[error("user not found")]
    NotFound,
    /// It must not be done.
    #[error(transparent)]
    Guard(#[from] Guard),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountService {
    /// Accounts in the order of their names, from the beginning or behind a cursor, at most
    /// `limit` of them.
    pub async fn list(
        &self,
        by: &Requester,
        limit: usize,
        cursor: Option<&str>,
    ) -> Result<Page, ListRejection> {
        let opened = |text| self.cursors.open(&by.principal.id, text).ok_or(ListRejection::Cursor);
        let after = cursor.map(opened).transpose()?;
        let now = self.now();
        // One more says whether the list goes on.
        let most = limit.saturating_add(1);
        let mut people = self.store.accounts_after(after.as_deref(), most).await?;
        let goes_on = people.len() > limit;
        people.truncate(limit);
        let last = people.last().filter(|_| goes_on);
        let next = last.map(|it| self.cursors.seal(&by.principal.id, it.record.name.key()));
        Ok(Page { people: people.into_iter().map(|it| Person::of(it, now)).collect(), next })
    }

    /// The account of that name or address.
    pub async fn look_at(&self, who: &str) -> Result<Person, FindRejection> {
        self.find(who).await?.ok_or(FindRejection::NotFound)
    }

    /// Makes an account that reaches every database that is open to accounts.
    ///
    /// To be awaited to its end.
    pub async fn create(&self, by: &Requester, new: NewAccount) -> Result<Person, CreateRejection> {
        let NewAccount { name, email, password, full_name, .. } = &new;
        let wanted = Wanted::of(name.as_deref(), email, full_name.as_deref())?;
        self.check_wanted(password, &wanted)?;
        let hash = self.hash_for(by, password, wanted.first()).await?;
        let record = |record| UserRecord {
            enabled: new.is_active,
            must_change_password: new.must_change_password,
            roles: admin_role().into_iter().filter(|_| new.is_admin).collect(),
            ..record
        };
        let name = self.add_wanted(wanted, &hash, record).await?;
        self.created(by, &name).await
    }

    async fn created(&self, by: &Requester, name: &UserName) -> Result<Person, CreateRejection> {
        self.record(by, AuditAction::AddUser, name);
        self.put_in_force().await;
        let account = self.store.find_account(name).await?.ok_or(CreateRejection::Taken)?;
        Ok(Person::of(account, self.now()))
    }

    /// Changes an account. A new password, and disabling, end every session of it.
    ///
    /// To be awaited to its end.
    pub async fn update(
        &self,
        by: &Requester,
        who: &str,
        edit: AccountEdit,
    ) -> Result<Person, UpdateRejection> {
        let person = self.find(who).await?.ok_or(UpdateRejection::NotFound)?;
        let takes_rights = (person.is_admin && edit.is_admin == Some(false))
            || (person.is_active && edit.is_active == Some(false));
        if takes_rights && by.is(&person.name) {
            return Err(self.guarded(by, AuditAction::EditUser, &person, Guard::OwnRights).into());
        }
        let account = self.edited(by, &person, &edit).await?;
        for action in actions(&person, &edit) {
            self.record(by, action, &person.name);
        }
        self.put_in_force().await;
        Ok(Person::of(account, self.now()))
    }

    async fn edited(
        &self,
        by: &Requester,
        person: &Person,
        edit: &AccountEdit,
    ) -> Result<Account, UpdateRejection> {
        // Further rounds for a password that was compared with those of before, while somebody set
        // another one.
        for _ in 0..ROUNDS {
            let change = self.change_of(by, person, edit).await?;
            let compared = change.checked.is_some();
            match self.store.edit_account(&person.name, change).await {
                Ok(account) => return Ok(account),
                Err(EditRejection::NotFound) if compared => {}
                // The address is not touched.
                Err(EditRejection::NotFound | EditRejection::EmailTaken) => {
                    return Err(UpdateRejection::NotFound);
                }
                Err(EditRejection::LastAdmin) => {
                    let last = Guard::LastAdmin;
                    return Err(self.guarded(by, AuditAction::EditUser, person, last).into());
                }
                Err(EditRejection::Store(fault)) => return Err(fault.into()),
            }
        }
        Err(NewPasswordRejection::Busy { retry_after: SOON }.into())
    }

    async fn change_of(
        &self,
        by: &Requester,
        person: &Person,
        edit: &AccountEdit,
    ) -> Result<UserEdit, UpdateRejection> {
        let full_name = match &edit.full_name {
            // Nothing, in so many words, takes away what was there.
            Some(text) if text.is_empty() => Some(None),
            Some(text) => Some(Some(contact::full_name(text).ok_or(UpdateRejection::FullName)?)),
            None => None,
        };
        let (password, checked) = match &edit.password {
            Some(password) => {
                self.check_new(password, &person.name, person.email.as_deref())?;
                let compared = self.compared(by, person, password).await?;
                (Some(self.hash_for(by, password, &person.name).await?), compared)
            }
            None => (None, None),
        };
        Ok(UserEdit {
            checked,
            end_sessions: password.is_some().then_some(None),
            password,
            past: self.settings.policy.past(),
            must_change_password: edit.must_change_password,
            full_name,
            enabled: edit.is_active.filter(|active| *active != person.is_active),
            roles: self.roles_of(person, edit.is_admin).await?,
            admins: AdminsLeft::AtLeastOne,
            ..UserEdit::default()
        })
    }

    /// The hash that the account must still have when this becomes its password, because this was
    /// compared with it and those before it. `None`: the policy remembers none.
    async fn compared(
        &self,
        by: &Requester,
        person: &Person,
        password: &Password,
    ) -> Result<Option<StoredHash>, UpdateRejection> {
        if self.settings.policy.history() == 0 {
            return Ok(None);
        }
        let account = self.store.find_account(&person.name).await?;
        let current = account.ok_or(UpdateRejection::NotFound)?.record.password;
        let (name, caller) = (&person.name, &by.caller);
        self.is_not_used_before::<UpdateRejection>(password, name, caller, &current).await?;
        Ok(Some(current))
    }

    /// The roles as they are, with that of an admin or without it.
    async fn roles_of(
        &self,
        person: &Person,
        is_admin: Option<bool>,
    ) -> Result<Option<BTreeSet<RoleName>>, UpdateRejection> {
        let Some(is_admin) = is_admin.filter(|is_admin| *is_admin != person.is_admin) else {
            return Ok(None);
        };
        let account = self.store.find_account(&person.name).await?;
        let mut roles = account.ok_or(UpdateRejection::NotFound)?.record.roles;
        roles.retain(|role| role.as_str() != ADMIN_ROLE);
        roles.extend(admin_role().filter(|_| is_admin));
        Ok(Some(roles))
    }

    /// Deletes an account, with its sessions.
    ///
    /// To be awaited to its end.
    pub async fn delete(&self, by: &Requester, who: &str) -> Result<Person, DeleteRejection> {
        let person = self.find(who).await?.ok_or(DeleteRejection::NotFound)?;
        if by.is(&person.name) {
            let own = Guard::OwnAccount;
            return Err(self.guarded(by, AuditAction::DeleteUser, &person, own).into());
        }
        match self.store.delete_account(&person.name, AdminsLeft::AtLeastOne).await {
            Ok(_) => {}
            Err(EditRejection::NotFound | EditRejection::EmailTaken) => {
                return Err(DeleteRejection::NotFound);
            }
            Err(EditRejection::LastAdmin) => {
                let last = Guard::LastAdmin;
                return Err(self.guarded(by, AuditAction::DeleteUser, &person, last).into());
            }
            Err(EditRejection::Store(fault)) => return Err(fault.into()),
        }
        self.record(by, AuditAction::DeleteUser, &person.name);
        self.put_in_force().await;
        Ok(person)
    }

    /// What must not be done is recorded, too.
    fn guarded(&self, by: &Requester, action: AuditAction, person: &Person, guard: Guard) -> Guard {
        self.record_refused(by, action, &person.name, guard.code());
        guard
    }

    /// Lifts the lock of an account and forgets its failures.
    ///
    /// To be awaited to its end.
    pub async fn unlock(&self, by: &Requester, who: &str) -> Result<Person, FindRejection> {
        let person = self.find(who).await?.ok_or(FindRejection::NotFound)?;
        match self.store.unlock_account(&person.name).await {
            Ok(had_something) if had_something => {
                self.record(by, AuditAction::Unlock, &person.name);
            }
            Ok(_) => {}
            Err(EditRejection::NotFound | EditRejection::EmailTaken | EditRejection::LastAdmin) => {
                return Err(FindRejection::NotFound);
            }
            Err(EditRejection::Store(fault)) => return Err(fault.into()),
        }
        Ok(Person { failures: 0, lock: None, ..person })
    }
}

fn admin_role() -> Option<RoleName> {
    RoleName::parse(ADMIN_ROLE)
}

/// What an edit is in the audit log.
fn actions(person: &Person, edit: &AccountEdit) -> impl Iterator<Item = AuditAction> {
    let AccountEdit { password, must_change_password, full_name, is_admin, is_active } = edit;
    let fields = must_change_password.is_some() || full_name.is_some() || is_admin.is_some();
    let done = [
        fields.then_some(AuditAction::EditUser),
        password.as_ref().map(|_| AuditAction::SetPassword),
        is_active
            .filter(|is| *is != person.is_active)
            .map(|is| if is { AuditAction::EnableUser } else { AuditAction::DisableUser }),
    ];
    done.into_iter().flatten()
}
