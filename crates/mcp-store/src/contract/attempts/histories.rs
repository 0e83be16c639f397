//! Generated histories, compared step by step with the rules of `mcp-throttle` themselves.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_throttle::{
    AddressKey, Admission, Failure, Guess, Lock, Lockout, RateLimiter, Ticket, Verdict,
};

use super::trying::{Said, Trying, Who, address, begin, limits, locks, said};
use crate::account_store::{AccountStore, OpenRejection, Opening};
use crate::attempt_ledger::{AttemptLedger, AttemptLimits, Entered, Seen};
use crate::contract::accounts::people::{keep, opening, plain, session, user};
use crate::contract::{Dice, hold, second};

const HISTORIES: u64 = 4;
const STEPS: u64 = 120;
/// A place is settled before it is void: the rule of an address forgets none.
const LONGEST: Duration = Duration::from_mins(10);

pub(super) async fn check<S: AccountStore, L: AttemptLedger>(
    make: &impl AsyncFn(AttemptLimits) -> (Arc<S>, L),
) {
    for seed in 1..=HISTORIES {
        let limits = limits(4);
        let (store, ledger) = make(limits).await;
        keep(&*store, [plain(0), plain(1)]).await;
        let mut history = History::begin(&ledger, limits, seed);
        for step in 1..=STEPS {
            history.place = format!("history {seed} of attempts, step {step}");
            history.step().await;
        }
    }
}

struct History<'a> {
    ledger: &'a dyn AttemptLedger,
    dice: Dice,
    now: SystemTime,
    addresses: RateLimiter<AddressKey>,
    /// Two accounts, a name that has none, and what is no name.
    names: [(Who, Lockout); 4],
    in_flight: Vec<InFlight>,
    sessions: u64,
    /// Where we are, for the sentence of a failure.
    place: String,
}

struct InFlight {
    trying: Trying,
    name: usize,
    since: SystemTime,
    /// As the rules have it.
    guess: Guess<AddressKey>,
    ticket: Option<Ticket>,
}

impl<'a> History<'a> {
    fn begin(ledger: &'a dyn AttemptLedger, limits: AttemptLimits, seed: u64) -> Self {
        let names = [Who::user(0), Who::user(1), Who::Stranger(user(2)), Who::Nobody(9)];
        Self {
            ledger,
            dice: Dice(200 + seed),
            now: second(0),
            addresses: RateLimiter::new(limits.quota, NonZeroUsize::MAX),
            names: names.map(|who| (who, Lockout::default())),
            in_flight: Vec::new(),
            sessions: 0,
            place: String::new(),
        }
    }

    async fn step(&mut self) {
        self.pass_time().await;
        match self.dice.roll(20) {
            0..=8 => self.reserve().await,
            9..=13 => self.fail().await,
            14..=15 => self.withdraw().await,
            16..=17 => self.open().await,
            18 => self.count().await,
            _ => self.look().await,
        }
    }

    async fn pass_time(&mut self) {
        // A store may keep no more than microseconds.
        let step = Duration::from_micros(self.dice.roll(100_000_000));
        match self.dice.roll(8) {
            0 => self.now += step * 6,
            1..=3 => self.now += step,
            _ => {}
        }
        let now = self.now;
        let due = |it: &InFlight| now.duration_since(it.since).is_ok_and(|age| age > LONGEST);
        while let Some(place) = self.in_flight.iter().position(due) {
            let attempt = self.in_flight.remove(place);
            self.withdraw_one(attempt).await;
        }
    }

    fn address(&mut self) -> AddressKey {
        address(if self.dice.roll(3) == 0 { 1 } else { 2 })
    }

    fn settle(&mut self) -> Option<InFlight> {
        let place = self.dice.index(self.in_flight.len())?;
        Some(self.in_flight.remove(place))
    }

    async fn reserve(&mut self) {
        let (from, name) = (self.address(), self.dice.index(4).unwrap_or_default());
        let begun = begin(self.ledger, from, &self.names[name].0, self.now).await;
        let promised = self.promised(from, name);
        let expected = match &promised {
            Ok((_, Some(_))) => Said::Open,
            Ok((_, None)) => Said::Locked,
            Err(said) => *said,
        };
        hold(&format!("{}: begin", self.place), &said(&begun), &expected);
        if let (Ok(trying), Ok((guess, ticket))) = (begun, promised) {
            self.in_flight.push(InFlight { trying, name, since: self.now, guess, ticket });
        }
    }

    /// What the rules say of an attempt.
    fn promised(
        &mut self,
        from: AddressKey,
        name: usize,
    ) -> Result<(Guess<AddressKey>, Option<Ticket>), Said> {
        let place = match self.addresses.reserve(from, self.now) {
            Admission::Reserved(place) => place,
            Admission::Wait => return Err(Said::Wait),
            Admission::Refused(refusal) => return Err(Said::Refused(refusal)),
        };
        match self.names[name].1.reserve(&locks(), self.now) {
            Verdict::Reserved(ticket) => Ok((place.begin(), Some(ticket))),
            Verdict::Locked(_) => Ok((place.begin(), None)),
            Verdict::Wait => Err(Said::Wait),
        }
    }

    async fn fail(&mut self) {
        let Some(InFlight { mut trying, name, guess, ticket, .. }) = self.settle() else { return };
        let failed = self.ledger.fail(trying.held(), locks(), self.now).await;
        guess.was_wrong(self.now);
        let lockout = &mut self.names[name].1;
        let promised = match ticket {
            Some(ticket) => lockout.failed(ticket, &locks(), self.now),
            None => Failure::Ignored,
        };
        let is_account = matches!(self.names[name].0, Who::User(_));
        // When the lock of a name of nobody ends is by a reckoning of its own.
        let told = |failure: Failure| match failure {
            Failure::Locks(_) if !is_account => Failure::Locks(Lock::UntilUnlocked),
            other => other,
        };
        hold(&format!("{}: fail", self.place), &failed.map(told), &Ok(told(promised)));
    }

    async fn withdraw(&mut self) {
        if let Some(attempt) = self.settle() {
            self.withdraw_one(attempt).await;
        }
    }

    async fn withdraw_one(&mut self, attempt: InFlight) {
        let InFlight { mut trying, name, guess, ticket, .. } = attempt;
        let withdrawn = self.ledger.withdraw(trying.held()).await;
        guess.fell_through();
        if let Some(ticket) = ticket {
            self.names[name].1.withdrawn(ticket);
        }
        hold(&format!("{}: withdraw", self.place), &withdrawn, &Ok(()));
    }

    async fn open(&mut self) {
        let right = |it: &InFlight| it.name < 2 && it.ticket.is_some();
        let Some(place) = self.in_flight.iter().position(right) else { return };
        let InFlight { mut trying, name, guess, ticket, .. } = self.in_flight.remove(place);
        let held = trying.held();
        let (Some(given), Some(ticket)) = (held.ticket, ticket) else { return };
        let number = u64::from(name == 1);
        self.sessions += 1;
        let session = session(self.sessions, &user(number));
        let opening = opening(&plain(number), session, given);
        let opening = Opening { policy: locks(), now: self.now, ..opening };
        let asked = opening.session.clone();
        let opened = self.ledger.open(opening, Some(held.place)).await;
        if let Ok(Entered { seen: Some(seen), .. }) = &opened {
            let kept = Seen { record: plain(number), session: asked };
            hold(&format!("{}: what is seen of a session", self.place), &**seen, &kept);
        }
        let opened = opened.map(|entered| entered.ended);
        guess.was_right();
        let promised = self.names[name].1.succeeded(ticket, &locks(), self.now);
        let promised = promised.map(|()| Vec::new()).map_err(OpenRejection::Locked);
        hold(&format!("{}: open", self.place), &opened, &promised);
    }

    async fn count(&mut self) {
        let from = self.address();
        let counted = self.ledger.count(from, self.now).await;
        let promised = self.addresses.count(from, self.now).err();
        hold(&format!("{}: count", self.place), &counted, &Ok(promised));
    }

    async fn look(&mut self) {
        let from = self.address();
        let looked = self.ledger.look(from, self.now).await;
        let promised = match self.addresses.reserve(from, self.now) {
            Admission::Reserved(_) | Admission::Wait => None,
            Admission::Refused(refusal) => Some(refusal),
        };
        hold(&format!("{}: look", self.place), &looked, &Ok(promised));
    }
}
