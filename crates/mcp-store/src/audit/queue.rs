//! What was recorded and is not yet written.
//!
//! One queue, in order, with two marks. Up to the first there is room for every line; between
//! the two only for lines that must not be missing: logins, locks, sessions, changes of
//! credentials and accounts. At a quarter of a kilobyte a line that is room for some 15,000 and
//! another 50,000. Beyond its mark a line is counted by its action, and the counts are lines of
//! their own as soon as something can be written: nothing is dropped in silence.
//!
//! Failures of callers go through a [`Flood`] first: those of bearer tokens, and those of logins
//! and of what is done to accounts with a wider allowance, since a crowd that guesses passwords
//! must not fill the disk either.
//! Statements that read go through one, too: each is counted, and few have a line of their own.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use std::{fmt, mem};

use mcp_identity::{Actor, AuditAction, AuditEvent, AuditOutcome, Caller};
use tokio::sync::Notify;

use super::flood::{Flood, FloodLimits};
use super::line;

const ROOM: Room = Room { all: 4 * 1024 * 1024, urgent: 16 * 1024 * 1024 };

/// Together some 1,600 lines in the worst of minutes.
const BEARERS: FloodLimits = FloodLimits { each: 5, together: 600, keys: 1_024 };

/// More than the rate limit of one address lets through; what is beyond it was refused unheard.
const LOGINS: FloodLimits = FloodLimits { each: 60, together: 6_000, keys: 1_024 };

/// The first reads of a credential in a minute, each kind for itself; the rest is a count.
const READS: FloodLimits = FloodLimits { each: 5, together: 600, keys: 1_024 };

/// Lines on their way from whoever records to the one who writes.
pub struct AuditQueue {
    waiting: Mutex<Waiting>,
    recorded: Notify,
}

/// Lines for the writer.
#[derive(Debug, Default)]
pub struct AuditBatch {
    /// Whole lines.
    pub text: Vec<u8>,
    /// Must it survive a power cut?
    pub urgent: bool,
    /// How many events are missing; the text says of what.
    pub lost: u64,
}

/// The two marks, in bytes.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// Up to here every line is kept.
    all: usize,
    /// Up to here the lines are kept that must not be missing.
    urgent: usize,
}

#[derive(Debug)]
struct Waiting {
    room: Room,
    text: Vec<u8>,
    urgent: bool,
    /// Events for which there was no room, by action.
    lost: BTreeMap<&'static str, u64>,
    bearers: Flood,
    logins: Flood,
    reads: Flood,
}

/// How an event is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// May be missing when there is no room, but not uncounted.
    Plain,
    /// Must not be missing, and must survive a power cut.
    Urgent,
    /// Plain; many of them are told as one.
    BearerFailure,
    /// Urgent; many of them are told as one.
    Failure,
    /// Plain; many of them are told as one.
    Read,
}

impl AuditQueue {
    /// Nothing was recorded yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with(ROOM)
    }

    fn with(room: Room) -> Self {
        let waiting = Waiting {
            room,
            text: Vec::new(),
            urgent: false,
            lost: BTreeMap::new(),
            bearers: Flood::new(BEARERS),
            logins: Flood::new(LOGINS),
            reads: Flood::new(READS),
        };
        Self { waiting: Mutex::new(waiting), recorded: Notify::new() }
    }

    /// Keeps an event. Never waits for whoever writes.
    pub fn record(&self, event: AuditEvent) {
        let is_work = match Kind::of(&event) {
            kind @ (Kind::Plain | Kind::Urgent) => {
                let line = line::of_event(&event);
                self.lock().keep(&line, &event, kind == Kind::Urgent);
                true
            }
            kind @ (Kind::BearerFailure | Kind::Failure | Kind::Read) => {
                self.lock().offer(event, kind)
            }
        };
        if is_work {
            self.recorded.notify_one();
        }
    }

    /// Takes what there is; with `everything`, what is still being folded, too.
    #[must_use = "what was taken is nowhere else"]
    pub fn take(&self, now: SystemTime, everything: bool) -> AuditBatch {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let over = |flood: &mut Flood| if everything { flood.drain() } else { flood.due(now) };
        let (bearers, logins) = (over(&mut waiting.bearers), over(&mut waiting.logins));
        let reads = over(&mut waiting.reads);
        for (events, urgent) in [(bearers, false), (logins, true), (reads, false)] {
            for event in events {
                waiting.keep(&line::of_event(&event), &event, urgent);
            }
        }
        let lost = mem::take(&mut waiting.lost);
        let urgent = mem::take(&mut waiting.urgent) || !lost.is_empty();
        let mut text = mem::take(&mut waiting.text);
        for (action, count) in &lost {
            text.extend(line::of_loss(now, action, *count));
        }
        AuditBatch { text, urgent, lost: lost.values().sum() }
    }

    /// Waits until there is a line to write since the last wait. May end for nothing.
    pub async fn recorded(&self) {
        self.recorded.notified().await;
    }

    /// Will there be something to take though nothing is recorded any more?
    #[must_use]
    pub fn is_folding(&self) -> bool {
        let waiting = self.lock();
        waiting.bearers.is_open() || waiting.logins.is_open() || waiting.reads.is_open()
    }

    /// A poisoned lock is taken all the same: the lines in it are whole.
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says nothing of what waits: the log may be read by few.
impl fmt::Debug for AuditQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditQueue").finish_non_exhaustive()
    }
}

impl Default for AuditQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Waiting {
    /// Says whether there is a line to write because of it.
    fn offer(&mut self, event: AuditEvent, kind: Kind) -> bool {
        let (flood, urgent) = match kind {
            Kind::Failure => (&mut self.logins, true),
            Kind::Read => (&mut self.reads, false),
            Kind::BearerFailure | Kind::Plain | Kind::Urgent => (&mut self.bearers, false),
        };
        let mut told = Vec::new();
        flood.offer(event.at, short(event), &mut told);
        for event in &told {
            self.keep(&line::of_event(event), event, urgent);
        }
        !told.is_empty()
    }

    fn keep(&mut self, line: &[u8], event: &AuditEvent, urgent: bool) {
        let room = if urgent { self.room.urgent } else { self.room.all };
        if self.text.len() + line.len() > room {
            let lost = self.lost.entry(event.action.as_str()).or_default();
            *lost = lost.saturating_add(event.count);
            return;
        }
        self.text.extend_from_slice(line);
        self.urgent |= urgent;
    }
}

impl Kind {
    fn of(event: &AuditEvent) -> Self {
        let done = event.outcome == AuditOutcome::Done;
        let refused = matches!(event.outcome, AuditOutcome::Refused(_));
        match event.action {
            AuditAction::Bearer if done => Self::Plain,
            AuditAction::Bearer => Self::BearerFailure,
            AuditAction::Login
            | AuditAction::UseEndpoint
            | AuditAction::AskReset
            | AuditAction::ResetPassword
            | AuditAction::MintLink
            | AuditAction::AddUser
            | AuditAction::EditUser
            | AuditAction::DeleteUser
                if !done =>
            {
                Self::Failure
            }
            AuditAction::Read => Self::Read,
            // It did not run. What failed may have been done all the same.
            AuditAction::Change if refused => Self::Read,
            AuditAction::Login
            | AuditAction::Logout
            | AuditAction::Lock
            | AuditAction::Unlock
            | AuditAction::EndSession
            | AuditAction::AddToken
            | AuditAction::RemoveToken
            | AuditAction::RotateToken
            | AuditAction::AddUser
            | AuditAction::EditUser
            | AuditAction::SetPassword
            | AuditAction::UseEndpoint
            | AuditAction::AskReset
            | AuditAction::MintLink
            | AuditAction::ResetPassword
            | AuditAction::SendLetter
            | AuditAction::EnableUser
            | AuditAction::DisableUser
            | AuditAction::DeleteUser
            | AuditAction::Reload
            | AuditAction::Change => Self::Urgent,
        }
    }
}

/// An event that waits in a window for a minute keeps no more than its line will show.
fn short(mut event: AuditEvent) -> AuditEvent {
    if let Actor::Caller(Caller { agent: Some(agent), .. }, _) = &mut event.actor
        && agent.len() > line::LONGEST
    {
        *agent = line::cut(agent).into();
    }
    event
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use mcp_identity::{DatabaseName, PrincipalId, RequestId, Subject, TokenId, UserName};

    use super::super::line::AuditLine;
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;
    const SMALL: Room = Room { all: 64 * 1024, urgent: 256 * 1024 };

    fn from_the_wire(action: AuditAction, outcome: AuditOutcome, agent: &str) -> AuditEvent {
        let address = [192, 0, 2, 1].into();
        let request_id = RequestId::from_bytes([7; 16]);
        let caller = Caller { address, agent: Some(agent.into()), request_id };
        AuditEvent::new(NOW, action, outcome, Subject::None, Actor::Caller(caller, None))
    }

    fn lines(batch: &AuditBatch) -> Vec<AuditLine> {
        let whole = batch.text.split_inclusive(|byte| *byte == b'\n');
        whole.map(|line| AuditLine::parse(line).unwrap()).collect()
    }

    #[test]
    fn without_room_plain_events_are_counted_and_logins_are_still_kept() {
        let queue = AuditQueue::with(SMALL);
        let agent = "x".repeat(256);
        let first_use = from_the_wire(AuditAction::Bearer, AuditOutcome::Done, &agent);
        let recorded = SMALL.all / 256;
        for _ in 0..recorded {
            queue.record(first_use.clone());
        }
        let user = Subject::User(UserName::parse("alice").unwrap());
        queue.record(AuditEvent { subject: user, action: AuditAction::Login, ..first_use });

        let batch = queue.take(NOW, false);
        assert!(batch.urgent && batch.text.len() <= SMALL.all + 1_024);
        let lines = lines(&batch);
        let [kept @ .., login, lost] = lines.as_slice() else { panic!("{}", lines.len()) };
        assert_eq!(login.action, "login");
        assert_eq!((lost.action.as_str(), lost.reason.as_deref()), ("lost", Some("bearer")));
        assert_eq!(lost.count, batch.lost);
        assert_eq!(kept.len() + usize::try_from(lost.count).unwrap(), recorded);
        assert_eq!(queue.take(NOW, true).lost, 0, "a loss is told once");
    }

    #[test]
    fn beyond_the_second_mark_a_login_is_counted_too() {
        let queue = AuditQueue::with(SMALL);
        let login = from_the_wire(AuditAction::Login, AuditOutcome::Done, &"x".repeat(256));
        let recorded = SMALL.urgent / 256;
        for _ in 0..recorded {
            queue.record(login.clone());
        }
        let batch = queue.take(NOW, false);
        let sum: u64 = lines(&batch).iter().map(|line| line.count).sum();
        assert!(batch.lost > 0);
        assert_eq!(sum, recorded as u64);
    }

    #[test]
    fn a_flood_from_one_address_is_a_few_lines_and_a_count() {
        let queue = AuditQueue::new();
        let failure = |action| from_the_wire(action, AuditOutcome::Refused("unknown"), "");
        for _ in 0..1_000 {
            queue.record(failure(AuditAction::Bearer));
            queue.record(failure(AuditAction::Login));
        }
        assert!(queue.is_folding());
        let now = lines(&queue.take(NOW, false));
        let of = |action: &str| now.iter().filter(|line| line.action == action).count();
        assert_eq!((of("bearer"), of("login")), (5, 60));
        let rest: Vec<_> =
            lines(&queue.take(NOW, true)).into_iter().map(|l| (l.action, l.count)).collect();
        assert_eq!(rest, [("bearer".into(), 995), ("login".into(), 940)]);
        assert!(!queue.is_folding());
    }

    #[test]
    fn what_callers_are_not_let_do_to_accounts_is_folded_and_what_is_done_never() {
        let queue = AuditQueue::new();
        let actions = [
            AuditAction::UseEndpoint,
            AuditAction::AskReset,
            AuditAction::MintLink,
            AuditAction::AddUser,
            AuditAction::EditUser,
            AuditAction::DeleteUser,
        ];
        for action in actions {
            for _ in 0..100 {
                queue.record(from_the_wire(action, AuditOutcome::Refused("not_allowed"), ""));
                queue.record(from_the_wire(action, AuditOutcome::Done, ""));
            }
        }
        let told = lines(&queue.take(NOW, true));
        for action in actions {
            let of = |outcome: &str| {
                let wanted =
                    |line: &&AuditLine| line.action == action.as_str() && line.outcome == outcome;
                told.iter().filter(wanted).map(|line| line.count).collect::<Vec<_>>()
            };
            assert_eq!(of("done").len(), 100, "{}", action.as_str());
            let refused = of("refused");
            assert_eq!((refused.len(), refused.iter().sum()), (61, 100), "{}", action.as_str());
        }
    }

    #[test]
    fn reads_are_counted_by_credential_and_changes_are_told_one_by_one() {
        let queue = AuditQueue::new();
        let shop = DatabaseName::parse("shop").unwrap();
        let run = |id: &str, action, command| {
            let actor = Actor::Principal(PrincipalId::Token(TokenId::parse(id).unwrap()));
            let subject = Subject::Statement(shop.clone(), command);
            AuditEvent::new(NOW, action, AuditOutcome::Done, subject, actor)
        };
        for _ in 0..100 {
            queue.record(run("a", AuditAction::Read, "SELECT"));
            queue.record(run("b", AuditAction::Read, "SELECT"));
            queue.record(run("a", AuditAction::Change, "INSERT"));
        }
        let batch = queue.take(NOW, true);
        let sum = |principal: &str, command: &str| {
            let of = |line: &&AuditLine| {
                line.principal.as_deref() == Some(principal)
                    && line.command.as_deref() == Some(command)
            };
            let lines = lines(&batch);
            let counts: Vec<u64> = lines.iter().filter(of).map(|line| line.count).collect();
            assert!(lines.iter().all(|line| line.database.as_deref() == Some("shop")));
            (counts.len(), counts.iter().sum::<u64>())
        };
        assert_eq!((sum("token:a", "SELECT"), sum("token:b", "SELECT")), ((6, 100), (6, 100)));
        assert_eq!(sum("token:a", "INSERT"), (100, 100));
        assert!(batch.urgent);
    }

    #[test]
    fn what_waits_in_a_window_is_no_longer_than_its_line() {
        let agent = Arc::<str>::from("x".repeat(60_000));
        let event = short(from_the_wire(AuditAction::Bearer, AuditOutcome::Done, &agent));
        let Actor::Caller(caller, _) = event.actor else { panic!("a caller") };
        assert!(caller.agent.unwrap().len() < 300);
    }
}
