//! Generated histories over all methods, here and in memory, with the same answers and the same
//! end.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use mcp_identity::{RoleName, SessionId, UserName};
use mcp_throttle::{LockoutPolicy, Ticket, Verdict};

use super::people::{
    in_shape, keep, login_in_shape, minute, name, opening, password, plain, policy, read,
    read_sessions, session, user,
};
use crate::account::{ADMIN_ROLE, AdminsLeft, LoginSession, SessionSelector, UserEdit, UserRecord};
use crate::account_store::{AccountStore, AddRejection, Login, Opened, Opening};
use crate::contract::{Dice, hold, must};
use crate::memory_accounts::MemoryAccounts;

const HISTORIES: u64 = 3;
const STEPS: u64 = 80;
/// After so many steps all that is kept is compared.
const LOOK: u64 = 20;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    for seed in 1..=HISTORIES {
        let (store, twin) = (make().await, MemoryAccounts::new());
        for store in [&store as &dyn AccountStore, &twin] {
            keep(store, [plain(0), plain(1), plain(2)]).await;
        }
        let mut history = History::begin(&store, &twin, seed);
        for step in 1..=STEPS {
            history.place = format!("history {seed}, step {step}");
            history.step().await;
            if step % LOOK == 0 {
                history.same_end().await;
            }
        }
    }
}

struct History<'a> {
    store: &'a dyn AccountStore,
    twin: &'a dyn AccountStore,
    dice: Dice,
    /// Goes on by at least one each step, so that no two things happen at the same time: a store
    /// may say in which order such are.
    minute: u64,
    attempts: Vec<Attempt>,
    /// Where we are, for the sentence of a failure.
    place: String,
}

/// A place that is not settled yet, and the account as it was found.
struct Attempt {
    account: UserRecord,
    taken: SystemTime,
}

/// Holds its places for long: each step takes minutes.
fn limits() -> LockoutPolicy {
    LockoutPolicy { hold: Duration::from_mins(20), ..policy(2, 30) }
}

impl<'a> History<'a> {
    fn begin(store: &'a dyn AccountStore, twin: &'a dyn AccountStore, seed: u64) -> Self {
        let (dice, attempts, place) = (Dice(100 + seed), Vec::new(), String::new());
        Self { store, twin, dice, minute: 0, attempts, place }
    }

    async fn step(&mut self) {
        self.minute += 1 + self.dice.roll(3);
        match self.dice.roll(32) {
            0..=3 => self.add().await,
            4..=6 => self.edit().await,
            7 => self.delete().await,
            8 => self.unlock().await,
            9..=16 => self.reserve().await,
            17..=20 => self.fail().await,
            21..=26 => self.open().await,
            27 => self.withdraw().await,
            28..=29 => self.touch().await,
            30 => self.end().await,
            _ => self.sweep().await,
        }
    }

    fn now(&self) -> SystemTime {
        minute(self.minute)
    }

    /// A name of few, in one of its spellings.
    fn name(&mut self) -> UserName {
        let n = self.dice.roll(3);
        let spelled = user(n).as_str().to_uppercase();
        if self.dice.roll(2) == 0 { user(n) } else { name(&spelled) }
    }

    fn email(&mut self) -> Option<String> {
        let emails = [None, Some("a@example.org"), Some("A@Example.org"), Some("b@example.org")];
        self.dice.pick(&emails).copied().flatten().map(str::to_owned)
    }

    fn roles(&mut self) -> BTreeSet<RoleName> {
        let roles = ["viewer", ADMIN_ROLE].map(|role| must(RoleName::parse(role)));
        roles.into_iter().filter(|_| self.dice.roll(2) == 0).collect()
    }

    fn admins(&mut self) -> AdminsLeft {
        if self.dice.roll(2) == 0 { AdminsLeft::AtLeastOne } else { AdminsLeft::MayBeNone }
    }

    /// A session that is open in memory, or one that nobody has.
    async fn session_id(&mut self) -> SessionId {
        let open: Vec<LoginSession> = read_sessions(self.twin).await;
        let nobodys = super::people::session_id(u64::MAX);
        self.dice.pick(&open).map_or(nobodys, |session| session.id.clone())
    }

    fn attempt(&mut self) -> Option<Attempt> {
        let place = self.dice.index(self.attempts.len())?;
        Some(self.attempts.remove(place))
    }

    async fn add(&mut self) {
        let (name, email, created_at) = (self.name(), self.email(), self.now());
        let roles = self.roles();
        let record = UserRecord { name, email, roles, created_at, ..plain(self.minute) };
        let here = self.store.add_account(record.clone()).await;
        let there = self.twin.add_account(record).await;
        // Where both are taken, a store may name either.
        let taken = |answer| match answer {
            Err(AddRejection::NameTaken | AddRejection::EmailTaken) => Ok(false),
            Ok(()) => Ok(true),
            Err(AddRejection::Store(error)) => Err(error),
        };
        hold(&format!("{}: add_account", self.place), &taken(here), &taken(there));
    }

    async fn edit(&mut self) {
        let name = self.name();
        let ends = [None, None, Some(None), Some(Some(self.session_id().await))];
        let edit = UserEdit {
            note: (self.dice.roll(2) == 0).then(|| self.place.clone()),
            email: (self.dice.roll(2) == 0).then(|| self.email()),
            password: (self.dice.roll(8) == 0).then(|| password(self.minute)),
            roles: (self.dice.roll(4) == 0).then(|| self.roles()),
            enabled: must(self.dice.pick(&[None, None, None, Some(true), Some(false)]).copied()),
            read_only: (self.dice.roll(4) == 0).then_some(true),
            admins: self.admins(),
            end_sessions: must(self.dice.pick(&ends).cloned()),
            ..UserEdit::default()
        };
        let here = self.store.edit_account(&name, edit.clone()).await.map(in_shape);
        let there = self.twin.edit_account(&name, edit).await.map(in_shape);
        hold(&format!("{}: edit_account", self.place), &here, &there);
    }

    async fn delete(&mut self) {
        let (name, admins) = (self.name(), self.admins());
        let here = self.store.delete_account(&name, admins).await;
        let there = self.twin.delete_account(&name, admins).await;
        hold(&format!("{}: delete_account", self.place), &here, &there);
    }

    async fn unlock(&mut self) {
        let name = self.name();
        let here = self.store.unlock_account(&name).await;
        let there = self.twin.unlock_account(&name).await;
        hold(&format!("{}: unlock_account", self.place), &here, &there);
    }

    async fn reserve(&mut self) {
        let (name, policy, now) = (self.name(), limits(), self.now());
        let here = self.store.find_login(&name, policy, now).await;
        let there = self.twin.find_login(&name, policy, now).await;
        let (here, there) = (here.map(login_in_shape), there.map(login_in_shape));
        hold(&format!("{}: find_login", self.place), &here, &there);
        if let Ok(Some(Login { account, verdict: Verdict::Reserved(ticket) })) = there {
            self.attempts.push(Attempt { account: account.record, taken: ticket.time() });
        }
    }

    async fn fail(&mut self) {
        let Some(Attempt { account, taken }) = self.attempt() else { return self.reserve().await };
        let (policy, now, ticket) = (limits(), self.now(), || Ticket::taken_at(taken));
        let here =
            self.store.fail_login(&account.name, account.created_at, ticket(), policy, now).await;
        let there =
            self.twin.fail_login(&account.name, account.created_at, ticket(), policy, now).await;
        hold(&format!("{}: fail_login", self.place), &here, &there);
    }

    async fn withdraw(&mut self) {
        let Some(Attempt { account, taken }) = self.attempt() else { return };
        let ticket = || Ticket::taken_at(taken);
        let here = self.store.withdraw_login(&account.name, account.created_at, ticket()).await;
        let there = self.twin.withdraw_login(&account.name, account.created_at, ticket()).await;
        hold(&format!("{}: withdraw_login", self.place), &here, &there);
    }

    async fn open(&mut self) {
        let Some(Attempt { account, taken }) = self.attempt() else { return self.reserve().await };
        let stronger = (self.dice.roll(8) == 0).then(|| password(1_000 + self.minute));
        let limit = if self.dice.roll(2) == 0 { 1 } else { 2 };
        let expires_at = minute(self.minute + 10 + self.dice.roll(200));
        let opening = || {
            let session = LoginSession { expires_at, ..session(self.minute, &account.name) };
            let opening = opening(&account, session, Ticket::taken_at(taken));
            Opening { policy: limits(), stronger: stronger.clone(), limit, ..opening }
        };
        let sorted = |mut opened: Opened| {
            opened.ended.sort();
            opened
        };
        let here = self.store.open_session(opening()).await.map(sorted);
        let there = self.twin.open_session(opening()).await.map(sorted);
        hold(&format!("{}: open_session", self.place), &here, &there);
    }

    async fn touch(&mut self) {
        let used = vec![(self.session_id().await, self.now())];
        let here = self.store.touch_sessions(used.clone()).await;
        let there = self.twin.touch_sessions(used).await;
        hold(&format!("{}: touch_sessions", self.place), &here, &there);
    }

    async fn end(&mut self) {
        let id = self.session_id().await;
        let selectors = [
            SessionSelector::Id(id.clone()),
            SessionSelector::OfUser(self.name(), None),
            SessionSelector::OfUser(self.name(), Some(id)),
            SessionSelector::All,
        ];
        let selector = must(self.dice.pick(&selectors).cloned());
        let sorted = |mut sessions: Vec<LoginSession>| {
            sessions.sort_by(|one, other| one.id.cmp(&other.id));
            sessions
        };
        let here = self.store.end_sessions(selector.clone()).await.map(sorted);
        let there = self.twin.end_sessions(selector).await.map(sorted);
        hold(&format!("{}: end_sessions", self.place), &here, &there);
    }

    async fn sweep(&mut self) {
        let now = self.now();
        let (here, there) = (self.store.sweep(now).await, self.twin.sweep(now).await);
        hold(&format!("{}: sweep", self.place), &here, &there);
    }

    async fn same_end(&self) {
        let sentence = format!("{}: the accounts are as in memory", self.place);
        hold(&sentence, &read(self.store).await, &read(self.twin).await);
        let sentence = format!("{}: the sessions are as in memory", self.place);
        let (here, there) = (read_sessions(self.store).await, read_sessions(self.twin).await);
        hold(&sentence, &here, &there);
        for session in there {
            let found = self.store.find_session(&session.id).await;
            hold(&format!("{}: find_session", self.place), &found, &Ok(Some(session)));
        }
    }
}
