//! Generated histories of failing and succeeding, compared step by step with
//! `mcp_throttle::Lockout` itself.

use std::time::{Duration, SystemTime};

use mcp_identity::UserName;
use mcp_throttle::{Lockout, LockoutPolicy, Ticket, Verdict};

use super::people::{in_shape, keep, login_in_shape, opening, plain, policy, read, session};
use crate::account::UserEdit;
use crate::account_store::{Account, AccountStore, Login, OpenRejection, Opened, Opening};
use crate::contract::{Dice, hold, must, second};

const HISTORIES: u64 = 3;
const STEPS: u64 = 80;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    for seed in 1..=HISTORIES {
        let store = make().await;
        let mut history = History::begin(&store, seed).await;
        for step in 1..=STEPS {
            history.place = format!("lockout history {seed}, step {step}");
            history.step().await;
        }
        let promised: Vec<_> = history.people.into_iter().map(|person| person.account).collect();
        let sentence = format!("lockout history {seed} ends as the rule says");
        hold(&sentence, &read(&store).await, &promised);
    }
}

struct History<'a> {
    store: &'a dyn AccountStore,
    dice: Dice,
    now: SystemTime,
    policy: LockoutPolicy,
    people: Vec<Person>,
    /// Sessions opened so far; each has its own number.
    opened: u64,
    /// Where we are, for the sentence of a failure.
    place: String,
}

/// An account as the rule says that it is, and the places that are not settled yet.
struct Person {
    account: Account,
    in_flight: Vec<SystemTime>,
}

impl<'a> History<'a> {
    async fn begin(store: &'a dyn AccountStore, seed: u64) -> Self {
        let records = [plain(1), plain(2)];
        keep(store, records.clone()).await;
        let person = |record| Person { account: Account::new(record), in_flight: Vec::new() };
        let people = records.into_iter().map(person).collect();
        let (now, policy) = (second(1_000_000), policy(3, 15));
        let (dice, place) = (Dice(seed), String::new());
        Self { store, dice, now, policy, people, opened: 0, place }
    }

    async fn step(&mut self) {
        self.pass_time();
        let who = self.dice.index(self.people.len()).unwrap_or_default();
        match self.dice.roll(20) {
            0..=5 => self.reserve(who).await,
            6..=12 => self.fail(who).await,
            13..=14 => self.succeed(who).await,
            15 => self.withdraw(who).await,
            // Its process died.
            16 => drop(self.settle(who)),
            17 => self.unlock(who).await,
            18 => self.edit(who).await,
            _ => self.change_policy(),
        }
    }

    /// Mostly none at all; sometimes the clock is set back.
    fn pass_time(&mut self) {
        let seconds = self.dice.roll(1_200);
        match self.dice.roll(12) {
            // A store may keep no more than microseconds.
            0..=1 => self.now += Duration::from_micros(seconds * 1_000_000 / 60),
            2 => self.now += Duration::from_secs(seconds),
            3 => self.now -= Duration::from_secs(seconds),
            _ => {}
        }
    }

    fn change_policy(&mut self) {
        let policies = [
            policy(3, 15),
            policy(1, 5),
            policy(5, 0),
            policy(5, 0).for_the_last_admin(),
            policy(0, 15),
        ];
        self.policy = must(self.dice.pick(&policies).copied());
    }

    fn lockout(&mut self, who: usize) -> &mut Lockout {
        &mut self.people[who].account.lockout
    }

    fn who(&self, who: usize) -> (UserName, SystemTime) {
        let record = &self.people[who].account.record;
        (record.name.clone(), record.created_at)
    }

    /// One of the places that are not settled yet.
    fn settle(&mut self, who: usize) -> Option<SystemTime> {
        let place = self.dice.index(self.people[who].in_flight.len())?;
        Some(self.people[who].in_flight.remove(place))
    }

    async fn reserve(&mut self, who: usize) {
        let before = self.people[who].account.clone();
        let found = self.store.find_login(&before.record.name, self.policy, self.now).await;
        let found = found.map(login_in_shape);
        let (policy, now) = (self.policy, self.now);
        let verdict = self.lockout(who).reserve(&policy, now);
        if let Verdict::Reserved(ticket) = &verdict {
            self.people[who].in_flight.push(ticket.time());
        }
        let promised = Ok(Some(Login { account: before, verdict }));
        hold(&format!("{}: find_login", self.place), &found, &promised);
        self.same(who).await;
    }

    async fn fail(&mut self, who: usize) {
        let Some(taken) = self.settle(who) else { return self.reserve(who).await };
        let (policy, now) = (self.policy, self.now);
        let (name, made) = self.who(who);
        let ticket = Ticket::taken_at(taken);
        let failed = self.store.fail_login(&name, made, ticket, policy, now).await;
        let promised = self.lockout(who).failed(Ticket::taken_at(taken), &policy, now);
        hold(&format!("{}: fail_login", self.place), &failed, &Ok(promised));
        self.same(who).await;
    }

    async fn succeed(&mut self, who: usize) {
        let Some(taken) = self.settle(who) else { return };
        let (policy, now) = (self.policy, self.now);
        let record = self.people[who].account.record.clone();
        self.opened += 1;
        let session = session(self.opened, &record.name);
        let opening = opening(&record, session, Ticket::taken_at(taken));
        let opened = self.store.open_session(Opening { policy, now, ..opening }).await;
        let promised = self.lockout(who).succeeded(Ticket::taken_at(taken), &policy, now);
        if promised.is_ok() {
            self.people[who].account.last_login = Some(now);
        }
        let promised = promised.map(|()| Opened::default()).map_err(OpenRejection::Locked);
        hold(&format!("{}: open_session", self.place), &opened, &promised);
        self.same(who).await;
    }

    async fn withdraw(&mut self, who: usize) {
        let Some(taken) = self.settle(who) else { return };
        let (name, made) = self.who(who);
        let withdrawn = self.store.withdraw_login(&name, made, Ticket::taken_at(taken)).await;
        self.lockout(who).withdrawn(Ticket::taken_at(taken));
        hold(&format!("{}: withdraw_login", self.place), &withdrawn, &Ok(()));
        self.same(who).await;
    }

    async fn unlock(&mut self, who: usize) {
        let name = self.people[who].account.record.name.clone();
        let unlocked = self.store.unlock_account(&name).await;
        let lockout = self.lockout(who);
        let promised = lockout.lock.is_some() || lockout.failures > 0;
        lockout.unlock();
        hold(&format!("{}: unlock_account", self.place), &unlocked, &Ok(promised));
    }

    /// Enables the account, or edits what has nothing to do with failures.
    async fn edit(&mut self, who: usize) {
        let enabled = (self.dice.roll(2) == 0).then_some(true);
        let note = Some(self.place.clone());
        let edit = UserEdit { note, enabled, ..UserEdit::default() };
        let account = &mut self.people[who].account;
        let edited = self.store.edit_account(&account.record.name, edit.clone()).await;
        account.record = edit.apply(&account.record);
        if enabled.is_some() {
            account.lockout.unlock();
        }
        let promised = Ok(in_shape(account.clone()));
        hold(&format!("{}: edit_account", self.place), &edited.map(in_shape), &promised);
    }

    /// Is the account kept as the rule says?
    async fn same(&mut self, who: usize) {
        let account = &mut self.people[who].account;
        account.lockout.reserved.sort_unstable();
        let found = self.store.find_account(&account.record.name).await;
        let promised = Ok(Some(account.clone()));
        let sentence = format!("{}: the account is as the rule says", self.place);
        hold(&sentence, &found.map(|found| found.map(in_shape)), &promised);
    }
}
