//! Who is next: a bounded queue that is served in rounds.
//!
//! A state machine that is told the time. One job from each address makes a round; within an
//! address, one from each account. Whoever floods it waits behind himself:
//!
//! ```text
//! lines   192.0.2.1     alice₁  bob₁  alice₂  alice₃
//!         198.51.100.7  carol₁
//! served  alice₁ carol₁ bob₁ alice₂ alice₃
//! ```

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;
use std::time::Instant;

use crate::asker::Asker;

/// Different passwords that wait for one account.
pub(crate) const PER_ACCOUNT: usize = 4;

/// Different passwords that wait for one address.
pub(crate) const PER_ADDRESS: usize = 16;

/// Everything that waits. What a machine can hash within `queue_wait` is far less.
const TOTAL: usize = 1024;

pub(crate) struct FairQueue<T> {
    /// By age.
    waiting: BTreeMap<JobId, Waiting<T>>,
    /// The line of each address that has one; the front is served next.
    lines: VecDeque<Line>,
    next_id: u64,
}

/// Names a job for as long as it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct JobId(u64);

/// There is no room for another of this account, of this address, or of anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

struct Waiting<T> {
    account: String,
    until: Instant,
    job: T,
}

struct Line {
    address: IpAddr,
    jobs: VecDeque<JobId>,
}

impl<T> FairQueue<T> {
    pub(crate) fn new() -> Self {
        Self { waiting: BTreeMap::new(), lines: VecDeque::new(), next_id: 0 }
    }

    /// Puts a job into the line of its address, to be served before `until`.
    pub(crate) fn admit(&mut self, asker: &Asker, until: Instant, job: T) -> Result<JobId, Full> {
        let same_account = self.waiting.values().filter(|other| other.account == asker.account());
        let in_line = self.line(asker.address()).map_or(0, |line| line.jobs.len());
        if self.waiting.len() >= TOTAL
            || same_account.count() >= PER_ACCOUNT
            || in_line >= PER_ADDRESS
        {
            return Err(Full);
        }
        let id = JobId(self.next_id);
        self.next_id += 1;
        self.waiting.insert(id, Waiting { account: asker.account().to_owned(), until, job });
        self.stand_in_line(id, asker);
        Ok(id)
    }

    /// Somebody else waits for the same job: it is served when the first of them has his turn, so
    /// that nobody waits longer for having asked the same as a flood. No harm once it is served.
    pub(crate) fn join(&mut self, id: JobId, asker: &Asker) {
        let line = self.line(asker.address());
        let stands = line.is_some_and(|line| line.jobs.contains(&id));
        let full = line.is_some_and(|line| line.jobs.len() >= PER_ADDRESS);
        if self.waiting.contains_key(&id) && !stands && !full {
            self.stand_in_line(id, asker);
        }
    }

    /// The job whose turn it is.
    pub(crate) fn next(&mut self) -> Option<T> {
        // To the end of the round, whatever becomes of the job. No line is empty.
        let line = self.lines.pop_front()?;
        let id = line.jobs.front().copied();
        self.lines.push_back(line);
        self.remove(id?)
    }

    /// Takes out what has waited for too long.
    pub(crate) fn expired(&mut self, now: Instant) -> Vec<T> {
        let late = self.waiting.iter().filter(|(_, waiting)| waiting.until <= now);
        let late: Vec<JobId> = late.map(|(id, _)| *id).collect();
        late.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// When something has waited for too long, unless it is served before.
    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// Takes out everything.
    pub(crate) fn drain(&mut self) -> Vec<T> {
        self.lines.clear();
        std::mem::take(&mut self.waiting).into_values().map(|waiting| waiting.job).collect()
    }

    fn remove(&mut self, id: JobId) -> Option<T> {
        for line in &mut self.lines {
            line.jobs.retain(|other| *other != id);
        }
        self.lines.retain(|line| !line.jobs.is_empty());
        self.waiting.remove(&id).map(|waiting| waiting.job)
    }

    fn line(&self, address: IpAddr) -> Option<&Line> {
        self.lines.iter().find(|line| line.address == address)
    }

    fn stand_in_line(&mut self, id: JobId, asker: &Asker) {
        let Self { waiting, lines, .. } = self;
        match lines.iter_mut().find(|line| line.address == asker.address()) {
            Some(line) => {
                let place = place(line, asker.account(), waiting);
                line.jobs.insert(place, id);
            }
            None => lines.push_back(Line { address: asker.address(), jobs: VecDeque::from([id]) }),
        }
    }
}

/// Where the next job of `account` stands: the n-th of an account comes behind the n-th of every
/// other one and before all that come after those.
fn place<T>(line: &Line, account: &str, waiting: &BTreeMap<JobId, Waiting<T>>) -> usize {
    let accounts =
        || line.jobs.iter().filter_map(|id| waiting.get(id)).map(|it| it.account.as_str());
    let own = accounts().filter(|other| *other == account).count();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let comes_after = |other| {
        let before = seen.entry(other).or_default();
        *before += 1;
        *before > own + 1
    };
    accounts().position(comes_after).unwrap_or(line.jobs.len())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const FLOOD: [u8; 4] = [192, 0, 2, 1];
    const OTHER: [u8; 4] = [198, 51, 100, 7];

    fn asker(account: &str, address: [u8; 4]) -> Asker {
        Asker::new(account, address.into())
    }

    struct Told {
        queue: FairQueue<String>,
        start: Instant,
    }

    impl Told {
        fn new() -> Self {
            Self { queue: FairQueue::new(), start: Instant::now() }
        }

        fn admit(&mut self, name: &str, account: &str, address: [u8; 4]) -> Result<JobId, Full> {
            let until = self.start + Duration::from_secs(2);
            self.queue.admit(&asker(account, address), until, name.to_owned())
        }

        fn served(&mut self) -> Vec<String> {
            std::iter::from_fn(|| self.queue.next()).collect()
        }
    }

    #[test]
    fn a_flood_from_one_address_delays_another_by_one_job() {
        let mut told = Told::new();
        for n in 0..PER_ADDRESS {
            told.admit(&format!("flood {n}"), &format!("account {n}"), FLOOD).unwrap();
        }
        told.admit("mine", "carol", OTHER).unwrap();
        assert_eq!(told.served()[..2], ["flood 0", "mine"]);
    }

    #[test]
    fn within_an_address_one_account_does_not_delay_another_by_more_than_one_job() {
        let mut told = Told::new();
        for name in ["alice 1", "alice 2", "alice 3"] {
            told.admit(name, "alice", FLOOD).unwrap();
        }
        told.admit("bob 1", "bob", FLOOD).unwrap();
        told.admit("carol 1", "carol", FLOOD).unwrap();
        told.admit("bob 2", "bob", FLOOD).unwrap();
        let expected = ["alice 1", "bob 1", "carol 1", "alice 2", "bob 2", "alice 3"];
        assert_eq!(told.served(), expected);
    }

    #[test]
    fn an_address_that_asks_again_at_once_does_not_get_a_second_turn_in_the_round() {
        let mut told = Told::new();
        told.admit("flood 1", "alice", FLOOD).unwrap();
        told.admit("flood 2", "alice", FLOOD).unwrap();
        told.admit("mine 1", "carol", OTHER).unwrap();
        told.admit("mine 2", "carol", OTHER).unwrap();
        assert_eq!(told.queue.next().unwrap(), "flood 1");
        told.admit("flood 3", "bob", FLOOD).unwrap();
        assert_eq!(told.served(), ["mine 1", "flood 2", "mine 2", "flood 3"]);
    }

    #[test]
    fn the_fifth_of_an_account_is_refused_from_wherever_it_comes() {
        let mut told = Told::new();
        for n in 1..=4 {
            told.admit("a", "alice", [10, 0, 0, n]).unwrap();
        }
        assert_eq!(told.admit("a", "alice", [10, 0, 0, 5]), Err(Full));
        assert!(told.admit("b", "bob", [10, 0, 0, 1]).is_ok());
        // One is served, and there is room for one.
        told.queue.next();
        assert!(told.admit("a", "alice", [10, 0, 0, 5]).is_ok());
        assert_eq!(told.admit("a", "alice", [10, 0, 0, 6]), Err(Full));
    }

    #[test]
    fn the_seventeenth_of_an_address_is_refused_whomever_it_names() {
        let mut told = Told::new();
        for n in 0..16 {
            told.admit("a", &format!("account {n}"), FLOOD).unwrap();
        }
        assert_eq!(told.admit("a", "somebody new", FLOOD), Err(Full));
        assert!(told.admit("a", "somebody new", OTHER).is_ok());
    }

    #[test]
    fn there_is_an_end_to_what_waits_in_all() {
        let mut told = Told::new();
        let mut admit = |n: u16| {
            let [high, low] = n.to_be_bytes();
            told.admit("a", &format!("account {n}"), [10, 0, high, low])
        };
        assert!((0..1024).all(|n| admit(n).is_ok()));
        assert_eq!(admit(1024), Err(Full));
    }

    #[test]
    fn what_two_addresses_wait_for_is_served_at_the_first_turn_of_either_and_once() {
        let mut told = Told::new();
        told.admit("flood 1", "x", FLOOD).unwrap();
        told.admit("flood 2", "y", FLOOD).unwrap();
        let shared = told.admit("shared", "alice", FLOOD).unwrap();
        told.queue.join(shared, &asker("alice", OTHER));
        told.queue.join(shared, &asker("alice", OTHER));
        assert_eq!(told.served(), ["flood 1", "shared", "flood 2"]);
        told.queue.join(shared, &asker("alice", OTHER));
        assert_eq!(told.queue.next(), None);
    }

    #[test]
    fn what_has_waited_too_long_is_taken_out_and_nothing_else() {
        let mut told = Told::new();
        told.admit("early", "alice", FLOOD).unwrap();
        let later = told.start + Duration::from_secs(3);
        told.queue.admit(&asker("alice", FLOOD), later, "late".to_owned()).unwrap();
        assert_eq!(told.queue.next_expiry(), Some(told.start + Duration::from_secs(2)));
        assert!(told.queue.expired(told.start + Duration::from_millis(1999)).is_empty());
        assert_eq!(told.queue.expired(told.start + Duration::from_secs(2)), ["early"]);
        assert_eq!(told.queue.next_expiry(), Some(later));
        assert_eq!(told.served(), ["late"]);
        assert_eq!(told.queue.next_expiry(), None);
    }

    proptest! {
        /// Whatever comes in whatever order: each is served once, and while an address waits, no
        /// other has two turns.
        #[test]
        fn rounds_are_rounds(asked in proptest::collection::vec((0_u8..5, 0_u8..5), 0..60)) {
            let mut told = Told::new();
            let mut expected = Vec::new();
            for (n, (address, account)) in asked.into_iter().enumerate() {
                let name = format!("{address} {n}");
                if told.admit(&name, &account.to_string(), [10, 0, 0, address]).is_ok() {
                    expected.push(name);
                }
            }
            let served = told.served();
            let rest_of = |n: usize, address: &str| served[n..].iter().any(|it| it.starts_with(address));
            for (n, name) in served.iter().enumerate() {
                let address = &name[..2];
                let next = served[n + 1..].iter().position(|it| it.starts_with(address));
                let between = next.map_or(&[][..], |next| &served[n + 1..][..next]);
                for other in ["0 ", "1 ", "2 ", "3 ", "4 "].into_iter().filter(|it| *it != address) {
                    let had_a_turn = between.iter().any(|it| it.starts_with(other));
                    prop_assert!(next.is_none() || had_a_turn || !rest_of(n, other));
                }
            }
            let mut sorted = served.clone();
            sorted.sort();
            expected.sort();
            prop_assert_eq!(sorted, expected);
        }
    }
}
