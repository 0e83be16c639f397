//! The accounts in memory, with one fault.

mod past;
mod recovery;

use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use mcp_identity::{SessionId, UserName};
use mcp_store::{
    Account, AccountStore, AddRejection, AdminsLeft, BoxFuture, ChangeSender, Changes,
    EditRejection, Login, LoginSession, MemoryAccounts, OpenRejection, Opened, Opening,
    SessionSelector, StoreError, StoredHash, UserEdit, UserRecord,
};
use mcp_throttle::{Failure, Lock, LockoutPolicy, Ticket, Verdict};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    Shuffles,
    ForgetsNotes,
    ComparesNamesWithCase,
    ComparesAddressesWithCase,
    PassesHistoryOn,
    EditsTooMuch,
    EditsChangedPasswords,
    ForgetsThePast,
    RemembersTooMuch,
    RemembersOldestFirst,
    RemembersUnasked,
    RemembersWhatIsRefused,
    RemembersWeakerHashes,
    PassesThePastOn,
    RepeatsItselfInLists,
    TakesTheLastAdmin,
    LooksBeforeItTakesAdmins,
    DisablesWithoutEndingSessions,
    EnablesWithoutUnlocking,
    KeepsPlaces,
    ProlongsLocks,
    LocksForEver,
    LetsChangedPasswordsIn,
    LetsOtherAccountsIn,
    CountsLateFailures,
    GivesForeignPlacesBack,
    IgnoresTheLimit,
    ForgetsUses,
    FindsNoSession,
    FindsEndedSessions,
    FindsSessionsOfNobody,
    EndsTheCurrentSession,
    SweepsLate,
    SaysNothing,
    GivesPlacesWithoutEnd,
    LooksBeforeItTakes,
    SharesNoPlaces,
    LosesLetters,
    GivesOneLetterToAll,
    KeepsLettersOfTomorrow,
    LetsTheLatePutOff,
    LetsTheLateFinish,
    FindsAddressesWithCase,
    MintsForTheDisabled,
    SpendsByLooking,
    KeepsOlderLinks,
    KeepsLinksOfChanged,
    ExpiresLinksLate,
    TellsNoEnd,
    RemembersForEver,
    AsksForAnother,
    SpendsAgain,
    SpendsWithoutMemory,
    SpendsOverOthers,
    LooksBeforeItSpends,
    KeepsLocks,
    EndsNoSessions,
    EndsSessionsAnyway,
    ConfirmsNothing,
    ConfirmsAnyway,
}

pub(crate) struct BrokenAccounts {
    kept: MemoryAccounts,
    fault: Fault,
    /// Tells nothing.
    silent: ChangeSender,
    /// Sessions that should have ended.
    ghosts: Mutex<Vec<LoginSession>>,
    /// Sessions that were found by their id.
    found: Mutex<Vec<LoginSession>>,
    /// Accounts as they were before they were deleted, or their passwords set by a link.
    deleted: Mutex<Vec<Account>>,
    /// Passwords that should not be remembered.
    remembered: Mutex<Vec<StoredHash>>,
    /// What is known of links.
    links: Mutex<recovery::Links>,
}

impl BrokenAccounts {
    pub(crate) fn new(fault: Fault) -> Self {
        let (kept, silent) = (MemoryAccounts::new(), ChangeSender::new());
        let (ghosts, found, deleted) = (Mutex::default(), Mutex::default(), Mutex::default());
        let (remembered, links) = (Mutex::default(), Mutex::default());
        Self { kept, fault, silent, ghosts, found, deleted, remembered, links }
    }

    /// A session that is no more, but was found before.
    async fn find_ghost(&self, id: &SessionId) -> Result<Option<LoginSession>, StoreError> {
        let found = self.found.lock().unwrap().iter().find(|session| session.id == *id).cloned();
        let Some(session) = found else { return Ok(None) };
        let haunts = match self.fault {
            Fault::FindsEndedSessions => true,
            Fault::FindsSessionsOfNobody => self.kept.find_account(&session.user).await?.is_none(),
            _ => false,
        };
        Ok(haunts.then_some(session))
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// The account as this store shows it.
    fn shown(&self, mut account: Account) -> Account {
        if self.has(Fault::ForgetsNotes) {
            account.record.note.clear();
        }
        if self.has(Fault::PassesHistoryOn) || self.has(Fault::KeepsLocks) {
            let deleted = self.deleted.lock().unwrap();
            let before = deleted.iter().find(|old| old.record.name == account.record.name);
            if let Some(before) = before {
                account.lockout = before.lockout.clone();
            }
        }
        account
    }

    async fn read(&self) -> Result<Vec<Account>, StoreError> {
        let mut accounts = self.kept.accounts().await?;
        if self.has(Fault::Shuffles) {
            accounts.sort_by(|one, other| one.record.name.cmp(&other.record.name));
        }
        Ok(accounts.into_iter().map(|account| self.shown(account)).collect())
    }

    async fn add(&self, record: UserRecord) -> Result<(), AddRejection> {
        let spelled = record.name.as_str().to_owned();
        let email = record.email.clone();
        let taken = self.kept.find_account(&record.name).await?;
        let accounts = self.kept.accounts().await?;
        match self.kept.add_account(record).await {
            Err(AddRejection::NameTaken)
                if self.has(Fault::ComparesNamesWithCase)
                    && taken.is_some_and(|kept| kept.record.name.as_str() != spelled) =>
            {
                Ok(())
            }
            Err(AddRejection::EmailTaken)
                if self.has(Fault::ComparesAddressesWithCase)
                    && accounts.iter().all(|kept| kept.record.email != email) =>
            {
                Ok(())
            }
            answer => answer,
        }
    }

    async fn edit(&self, name: &UserName, mut edit: UserEdit) -> Result<Account, EditRejection> {
        if self.has(Fault::EditsTooMuch) && edit.roles.is_some() {
            edit.read_only = edit.read_only.or(Some(true));
        }
        if self.has(Fault::EditsChangedPasswords) {
            edit.checked = None;
        }
        let account = self.kept.find_account(name).await?;
        let is_enabled = account.is_some_and(|kept| kept.record.enabled);
        if self.has(Fault::EnablesWithoutUnlocking) && edit.enabled == Some(is_enabled) {
            edit.enabled = None;
        }
        edit.admins = self.looked(name, edit.admins).await?;
        edit.past = self.past_of(edit.past);
        let before = self.kept.sessions().await?;
        let disables = edit.enabled == Some(false);
        let edited = self.kept.edit_account(name, edit).await;
        let edited = self.remembering(name, edited).await?;
        if self.has(Fault::DisablesWithoutEndingSessions) && disables {
            self.ghosts.lock().unwrap().extend(before);
        }
        Ok(edited)
    }

    async fn delete(
        &self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<UserRecord, EditRejection> {
        let admins = self.looked(name, admins).await?;
        let account = self.kept.find_account(name).await?;
        self.deleted.lock().unwrap().extend(account);
        if self.has(Fault::PassesThePastOn) {
            let past = self.kept.past_passwords(name, usize::MAX).await?;
            self.remembered.lock().unwrap().extend(past);
        }
        self.kept.delete_account(name, admins).await
    }

    /// What is asked of the store beneath; with a fault, what was asked here is not.
    async fn looked(
        &self,
        name: &UserName,
        admins: AdminsLeft,
    ) -> Result<AdminsLeft, EditRejection> {
        if admins == AdminsLeft::MayBeNone || self.has(Fault::TakesTheLastAdmin) {
            return Ok(AdminsLeft::MayBeNone);
        }
        if !self.has(Fault::LooksBeforeItTakesAdmins) {
            return Ok(admins);
        }
        let accounts = self.kept.accounts().await?;
        let acting = accounts.iter().filter(|account| account.record.is_acting_admin());
        let acting: Vec<_> = acting.map(|account| account.record.name.clone()).collect();
        if acting == [name.clone()] {
            return Ok(admins);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        Ok(AdminsLeft::MayBeNone)
    }

    async fn find(
        &self,
        name: &UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> Result<Option<Login>, StoreError> {
        let seen = self.kept.find_account(name).await?;
        if self.has(Fault::LooksBeforeItTakes) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let Some(login) = self.kept.find_login(name, policy, now).await? else { return Ok(None) };
        let seemed_free = seen.is_some_and(|seen| seen.lockout.reserved.is_empty());
        let gives = self.has(Fault::GivesPlacesWithoutEnd)
            || self.has(Fault::LooksBeforeItTakes) && seemed_free;
        let verdict = match (login.verdict, policy.duration) {
            (Verdict::Locked(_), Some(duration)) if self.has(Fault::ProlongsLocks) => {
                Verdict::Locked(Lock::Until(now + duration))
            }
            (Verdict::Wait, _) if gives => Verdict::Reserved(Ticket::taken_at(now)),
            (verdict, _) => verdict,
        };
        Ok(Some(Login { account: self.shown(login.account), verdict }))
    }

    /// When the account was made that is meant; with that fault, whichever has the name now.
    async fn made(
        &self,
        fault: Fault,
        name: &UserName,
        made: SystemTime,
    ) -> Result<SystemTime, StoreError> {
        let there = self.kept.find_account(name).await?;
        Ok(there.filter(|_| self.has(fault)).map_or(made, |account| account.record.created_at))
    }

    async fn open(&self, mut opening: Opening) -> Result<Opened, OpenRejection> {
        let account = self.kept.find_account(&opening.session.user).await?;
        if let Some(Account { record, lockout, .. }) = account {
            if self.has(Fault::RemembersWeakerHashes) && opening.stronger.is_some() {
                self.remembered.lock().unwrap().push(record.password.clone());
            }
            if self.has(Fault::LetsChangedPasswordsIn) {
                opening.checked = record.password;
            }
            if self.has(Fault::LetsOtherAccountsIn) {
                opening.account_made = record.created_at;
            }
            let held = lockout.reserved.contains(&opening.ticket.time());
            if self.has(Fault::SharesNoPlaces) && !held {
                return Err(OpenRejection::Changed);
            }
        }
        if self.has(Fault::IgnoresTheLimit) {
            opening.limit = 0;
        }
        self.kept.open_session(opening).await
    }

    async fn read_sessions(&self) -> Result<Vec<LoginSession>, StoreError> {
        let sessions = self.kept.sessions().await?;
        let ghosts = self.ghosts.lock().unwrap();
        let gone = ghosts.iter().filter(|ghost| !sessions.contains(ghost)).cloned();
        Ok(gone.chain(sessions.clone()).collect())
    }
}

impl AccountStore for BrokenAccounts {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>> {
        Box::pin(self.read())
    }

    fn accounts_after<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        if !self.has(Fault::RepeatsItselfInLists) {
            return self.kept.accounts_after(after, limit);
        }
        Box::pin(async move {
            let mut accounts = self.kept.accounts_after(None, usize::MAX).await?;
            accounts.retain(|it| after.is_none_or(|after| it.record.name.key() >= after));
            accounts.truncate(limit);
            Ok(accounts)
        })
    }

    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async {
            let found = self.kept.find_account(name).await?;
            Ok(found.map(|account| self.shown(account)))
        })
    }

    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>> {
        Box::pin(self.past(name, most))
    }

    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>> {
        Box::pin(self.add(record))
    }

    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>> {
        Box::pin(self.edit(name, edit))
    }

    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        Box::pin(self.delete(name, admins))
    }

    fn unlock_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<bool, EditRejection>> {
        self.kept.unlock_account(name)
    }

    fn find_login<'a>(
        &'a self,
        name: &'a UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Option<Login>, StoreError>> {
        Box::pin(self.find(name, policy, now))
    }

    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        let duration = policy.duration.filter(|_| !self.has(Fault::LocksForEver));
        Box::pin(async move {
            let made = self.made(Fault::CountsLateFailures, name, account_made).await?;
            self.kept
                .fail_login(name, made, ticket, LockoutPolicy { duration, ..policy }, now)
                .await
        })
    }

    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        if self.has(Fault::KeepsPlaces) {
            return Box::pin(async { Ok(()) });
        }
        Box::pin(async move {
            let made = self.made(Fault::GivesForeignPlacesBack, name, account_made).await?;
            self.kept.withdraw_login(name, made, ticket).await
        })
    }

    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>> {
        Box::pin(self.open(opening))
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(self.read_sessions())
    }

    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>> {
        Box::pin(async {
            let found = self.kept.find_session(id).await?;
            self.found.lock().unwrap().extend(found.clone());
            if found.is_none() {
                return self.find_ghost(id).await;
            }
            Ok(found.filter(|_| !self.has(Fault::FindsNoSession)))
        })
    }

    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        let selector = match selector {
            SessionSelector::OfUser(user, _) if self.has(Fault::EndsTheCurrentSession) => {
                SessionSelector::OfUser(user, None)
            }
            selector => selector,
        };
        self.kept.end_sessions(selector)
    }

    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        let used = if self.has(Fault::ForgetsUses) { Vec::new() } else { used };
        self.kept.touch_sessions(used)
    }

    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        let late =
            if self.has(Fault::SweepsLate) { Duration::from_secs(1) } else { Duration::ZERO };
        self.kept.sweep(now - late)
    }

    fn changes(&self) -> Changes {
        if self.has(Fault::SaysNothing) { self.silent.listen() } else { self.kept.changes() }
    }
}
