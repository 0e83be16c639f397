//! The accounts in memory, with a switch and a gate.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::SystemTime;

use mcp_identity::{SessionId, UserName};
use mcp_store::{
    Account, AccountStore, AddRejection, BoxFuture, Changes, EditRejection, Login, LoginSession,
    MemoryAccounts, OpenRejection, Opened, Opening, SessionSelector, StoreError, UserEdit,
    UserRecord,
};
use mcp_throttle::{Failure, LockoutPolicy, Ticket};
use tokio::sync::watch;

/// Accounts in memory that can be down, and whose logins can be held up.
#[derive(Default)]
pub(crate) struct Register {
    kept: MemoryAccounts,
    fault: Mutex<Option<StoreError>>,
    late: Mutex<Option<Vec<LoginSession>>>,
    /// Where logins are held up; they stand there until they are let on.
    gate: watch::Sender<Option<Step>>,
    standing: AtomicUsize,
    looked_up: AtomicUsize,
    guessed_wrong: AtomicUsize,
    touched: AtomicUsize,
}

/// Where a login can be held up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The account was found and its place is taken.
    Found,
    /// The password was wrong, and it is not counted yet.
    Failing,
    /// The password was right, and there is no session yet.
    Opening,
}

impl Register {
    /// Fails from now on, or works again.
    pub(crate) fn turn(&self, fault: Option<StoreError>) {
        *self.fault.lock().unwrap() = fault;
    }

    /// Says once that these are all sessions: they were read, and the answer took its time.
    pub(crate) fn answer_late(&self, sessions: Vec<LoginSession>) {
        *self.late.lock().unwrap() = Some(sessions);
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
        self.kept.find_account(name)
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
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        self.kept.delete_account(name)
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
            let late = self.late.lock().unwrap().take();
            match late {
                Some(sessions) => Ok(sessions),
                None => self.kept.sessions().await,
            }
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
        self.kept.sweep(now)
    }

    fn changes(&self) -> Changes {
        self.kept.changes()
    }
}
