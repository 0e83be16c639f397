//! The accounts in memory, with a switch and a gate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, UserName};
use mcp_store::{
    Account, AccountStore, AddRejection, AdminsLeft, BoxFuture, Change, ChangeSender, Changes,
    EditRejection, Login, LoginSession, MemoryAccounts, OpenRejection, Opened, Opening,
    SessionSelector, SharedStore, StoreError, StoredHash, UserEdit, UserRecord,
};
use mcp_throttle::{Failure, LockoutPolicy, Ticket};
use tokio::sync::watch;

/// Accounts in memory that can be down, and whose logins can be held up.
#[derive(Default)]
pub(crate) struct Register {
    kept: MemoryAccounts,
    fault: Mutex<Option<StoreError>>,
    replaced: Mutex<Option<(UserName, Option<UserRecord>)>>,
    /// Where somebody is held up, and stands until he is let on.
    gate: watch::Sender<Option<Step>>,
    standing: AtomicUsize,
    looked_up: AtomicUsize,
    guessed_wrong: AtomicUsize,
    touched: AtomicUsize,
    read_whole: AtomicUsize,
    /// How many digests each question was about.
    questions: Mutex<Vec<usize>>,
    /// Of which nobody hears, if there is one.
    silent: Option<ChangeSender>,
}

/// Where somebody can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The account was found and its place is taken.
    Found,
    /// The password was wrong, and it is not counted yet.
    Failing,
    /// The password was right, and there is no session yet.
    Opening,
    /// What is over is about to be forgotten.
    Sweeping,
    /// What lies behind digests was found, and is not told yet.
    Asked,
}

impl Register {
    /// Says nothing of its changes.
    pub(crate) fn silent() -> Self {
        Self { silent: Some(ChangeSender::new()), ..Self::default() }
    }

    /// How many digests each question was about that was asked since this was called before.
    pub(crate) fn questions(&self) -> Vec<usize> {
        std::mem::take(&mut *self.questions.lock().unwrap())
    }

    /// Fails from now on, or works again.
    pub(crate) fn turn(&self, fault: Option<StoreError>) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Deletes the account as soon as sessions were read the next time, before the answer is given,
    /// and makes it again as this one.
    pub(crate) fn replace_while_read(&self, name: &str, by: Option<UserRecord>) {
        *self.replaced.lock().unwrap() = Some((UserName::parse(name).unwrap(), by));
    }

    async fn replace(&self) {
        let replaced = self.replaced.lock().unwrap().take();
        let Some((name, by)) = replaced else { return };
        self.kept.delete_account(&name, AdminsLeft::MayBeNone).await.unwrap();
        if let Some(record) = by {
            self.kept.add_account(record).await.unwrap();
        }
    }

    /// Holds up whoever comes to `step`, or lets all on.
    pub(crate) fn hold(&self, step: Option<Step>) {
        self.gate.send_replace(step);
    }

    /// How many came to the gate so far, and found it closed.
    pub(crate) fn standing(&self) -> usize {
        self.standing.load(Ordering::Relaxed)
    }

    /// How many looks at an account were made for logins.
    pub(crate) fn looked_up(&self) -> usize {
        self.looked_up.load(Ordering::Relaxed)
    }

    /// How many guesses were compared with the hash of an account, and wrong.
    pub(crate) fn guessed_wrong(&self) -> usize {
        self.guessed_wrong.load(Ordering::Relaxed)
    }

    /// How many uses of sessions were written down.
    pub(crate) fn touched(&self) -> usize {
        self.touched.load(Ordering::Relaxed)
    }

    /// How often all sessions were read.
    pub(crate) fn read_whole(&self) -> usize {
        self.read_whole.load(Ordering::Relaxed)
    }

    fn check(&self) -> Result<(), StoreError> {
        self.fault.lock().unwrap().clone().map_or(Ok(()), Err)
    }

    async fn pass(&self, step: Step) {
        let mut gate = self.gate.subscribe();
        if *gate.borrow() == Some(step) {
            self.standing.fetch_add(1, Ordering::Relaxed);
        }
        let _ = gate.wait_for(|held| *held != Some(step)).await;
    }
}

impl AccountStore for Register {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>> {
        Box::pin(async {
            self.check()?;
            self.kept.accounts().await
        })
    }

    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(async {
            self.check()?;
            self.kept.find_account(name).await
        })
    }

    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>> {
        self.kept.past_passwords(name, most)
    }

    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>> {
        self.kept.add_account(record)
    }

    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>> {
        self.kept.edit_account(name, edit)
    }

    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        self.kept.delete_account(name, admins)
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
        Box::pin(async move {
            self.check()?;
            self.looked_up.fetch_add(1, Ordering::Relaxed);
            let found = self.kept.find_login(name, policy, now).await;
            self.pass(Step::Found).await;
            found
        })
    }

    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        Box::pin(async move {
            self.guessed_wrong.fetch_add(1, Ordering::Relaxed);
            self.pass(Step::Failing).await;
            self.check()?;
            self.kept.fail_login(name, account_made, ticket, policy, now).await
        })
    }

    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        self.kept.withdraw_login(name, account_made, ticket)
    }

    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>> {
        Box::pin(async {
            self.pass(Step::Opening).await;
            self.check()?;
            self.kept.open_session(opening).await
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async {
            self.check()?;
            self.read_whole.fetch_add(1, Ordering::Relaxed);
            let sessions = self.kept.sessions().await;
            self.replace().await;
            sessions
        })
    }

    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>> {
        Box::pin(async {
            self.check()?;
            let session = self.kept.find_session(id).await;
            self.replace().await;
            session
        })
    }

    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async {
            self.check()?;
            self.kept.end_sessions(selector).await
        })
    }

    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        self.touched.fetch_add(used.len(), Ordering::Relaxed);
        self.kept.touch_sessions(used)
    }

    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(async move {
            self.pass(Step::Sweeping).await;
            self.kept.sweep(now).await
        })
    }

    fn changes(&self) -> Changes {
        match &self.silent {
            Some(silent) => silent.listen(),
            None => self.kept.changes(),
        }
    }
}

impl SharedStore for Register {
    fn changes_behind<'a>(
        &'a self,
        hashes: &'a [TokenHash],
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Vec<Change>, StoreError>> {
        Box::pin(async move {
            self.questions.lock().unwrap().push(hashes.len());
            self.check()?;
            let found = self.kept.changes_behind(hashes, now).await;
            self.pass(Step::Asked).await;
            found
        })
    }
}
