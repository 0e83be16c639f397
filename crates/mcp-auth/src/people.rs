//! What the keeper keeps of accounts: each one's lease, and under it those of its sessions.
//!
//! ```text
//!   account enabled ──▶ lease ──┬──▶ session: lease ──▶ ends by expiry, logout, revocation
//!        │                      └──▶ session: lease ──▶ …
//!        ├── disabled, deleted: its lease ends, and theirs with it (Revoked)
//!        └── other rights: likewise (Replaced); its sessions get leases under the new one
//! ```

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use mcp_identity::{
    DatabaseGrant, EndReason, Grants, Lease, LeaseEnd, Principal, PrincipalId, SessionId, UserName,
};
use mcp_store::{Account, LoginSession, SessionScope, UserRecord};

use self::roll::Roll;
use crate::index::{Entry, Index, LastAdmin, SessionChange, Use};
use crate::reread::Reread;

const MINUTE: Duration = Duration::from_mins(1);

/// The one writer of the sessions' half of the index. Always: first the index is replaced, then
/// old leases end.
pub(crate) struct People {
    index: Arc<Index>,
    users: HashMap<UserName, User>,
    /// Of those, the admins.
    admins: BTreeSet<UserName>,
    sessions: Roll,
    /// Over for want of use; the store is still to be told.
    unused: HashSet<SessionId>,
    last_number: u64,
    /// A session that nobody used for so long is over.
    idle: Option<Duration>,
}

struct User {
    record: UserRecord,
    lease: Lease,
    end: LeaseEnd,
    /// Counts the leases of all users: another number, another lease.
    number: u64,
}

struct Kept {
    session: LoginSession,
    /// When the account was made whose session it is: another one of the same name is another.
    made: SystemTime,
    /// The number of the lease that its own hangs on.
    number: u64,
    principal: Arc<Principal>,
    used: Arc<Use>,
    end: LeaseEnd,
    /// Before that, its time is not over. Used since, it is later.
    due: SystemTime,
}

/// What the index is to show, and leases that end as soon as it does.
#[derive(Default)]
struct Turned {
    shown: Vec<SessionChange>,
    users: Vec<(LeaseEnd, EndReason)>,
    sessions: Vec<(SessionId, LeaseEnd, EndReason)>,
}

impl Turned {
    fn shown(&mut self, kept: &Kept) {
        let entry = Entry::Held(Arc::clone(&kept.principal), Arc::clone(&kept.used));
        self.shown.push(SessionChange::Shown(kept.session.hash, entry));
    }

    fn session(&mut self, kept: Kept, why: EndReason) {
        self.shown.push(SessionChange::Gone(kept.session.hash, kept.principal));
        self.sessions.push((kept.session.id, kept.end, why));
    }

    /// Those that the store no longer has, or whose account is not there.
    fn gone(&mut self, sessions: impl IntoIterator<Item = Kept>, now: SystemTime) {
        for gone in sessions {
            // A store that forgot what had expired revoked nothing.
            let expired = gone.session.is_expired(now);
            self.session(gone, if expired { EndReason::Expired } else { EndReason::Revoked });
        }
    }
}

impl People {
    pub(crate) fn new(index: Arc<Index>, idle: Option<Duration>) -> Self {
        let (users, admins, unused) = (HashMap::new(), BTreeSet::new(), HashSet::new());
        Self { index, users, admins, sessions: Roll::default(), unused, last_number: 0, idle }
    }

    /// The earliest time at which a session may have to end.
    pub(crate) fn next_expiry(&self) -> Option<SystemTime> {
        self.sessions.next_due()
    }

    /// Makes the index what the store says: these are all there are.
    pub(crate) fn settle(
        &mut self,
        accounts: Vec<Account>,
        sessions: Vec<LoginSession>,
        now: SystemTime,
    ) {
        let mut turned = Turned::default();
        self.settle_users(accounts, &mut turned);
        self.settle_sessions(sessions, now, &mut turned);
        self.turn(now, &mut turned);
        self.publish(turned);
    }

    /// Is the account just as the index was made of it?
    pub(crate) fn knows(&self, record: &UserRecord) -> bool {
        self.users.get(&record.name).is_some_and(|user| user.record == *record)
    }

    /// Is this session in force?
    pub(crate) fn holds(&self, session: &SessionId) -> bool {
        self.sessions.contains(session)
    }

    /// Makes the index what the store says of these, and leaves the rest as it is. `false`: who may
    /// log in by now may have sessions that were not read; nothing is changed then.
    pub(crate) fn settle_some(&mut self, reread: Reread, now: SystemTime) -> bool {
        let Reread { users, sessions } = reread;
        let enabled =
            |account: &Option<Account>| account.as_ref().is_some_and(|it| it.record.enabled);
        if users.iter().any(|(name, account)| enabled(account) && !self.users.contains_key(name)) {
            return false;
        }
        let mut turned = Turned::default();
        let moved = self.settle_users_of(users, &mut turned);
        for (id, session) in sessions {
            let before = self.sessions.remove(&id);
            // If it is still over for want of use, that is found out again.
            self.unused.remove(&id);
            match session {
                Some(session) => self.settle_session(before, session, now, &mut turned),
                None => turned.gone(before, now),
            }
        }
        self.move_sessions(&moved, now, &mut turned);
        // What seems over for want of use stays: another server may know of a use, and only a
        // reading of everything tells.
        self.publish(turned);
        true
    }

    /// Those whose lease is another one now, or who have none any more.
    fn settle_users_of(
        &mut self,
        users: Vec<(UserName, Option<Account>)>,
        turned: &mut Turned,
    ) -> HashSet<UserName> {
        let mut moved = HashSet::new();
        for (name, account) in users {
            let before = self.users.remove(&name);
            self.admins.remove(&name);
            let number = before.as_ref().map(|user| user.number);
            match account.map(|account| account.record).filter(|record| record.enabled) {
                Some(record) => self.settle_user(before, record, turned),
                None => turned.users.extend(before.map(|user| (user.end, EndReason::Revoked))),
            }
            if number != self.users.get(&name).map(|user| user.number) {
                moved.insert(name);
            }
        }
        moved
    }

    /// The sessions of users whose lease is another one: under that, or over.
    fn move_sessions(&mut self, of: &HashSet<UserName>, now: SystemTime, turned: &mut Turned) {
        for kept in self.sessions.take_of(of) {
            let session = kept.session.clone();
            self.settle_session(Some(kept), session, now, turned);
        }
    }

    /// Keeps the lease of an account whose rights are as they were; others get a new one.
    fn settle_users(&mut self, accounts: Vec<Account>, turned: &mut Turned) {
        let mut before = std::mem::take(&mut self.users);
        self.admins.clear();
        for Account { record, .. } in accounts.into_iter().filter(|it| it.record.enabled) {
            self.settle_user(before.remove(&record.name), record, turned);
        }
        turned.users.extend(before.into_values().map(|user| (user.end, EndReason::Revoked)));
    }

    fn settle_user(&mut self, before: Option<User>, record: UserRecord, turned: &mut Turned) {
        let user = match before {
            Some(user) if user.record.same_authority(&record) => User { record, ..user },
            other => {
                // The index still shows what hangs on it; the lease ends after the next swap.
                turned.users.extend(other.map(|user| user.replaced_by(&record)));
                let (lease, end) = Lease::new();
                self.last_number += 1;
                User { record, lease, end, number: self.last_number }
            }
        };
        if user.record.is_acting_admin() {
            self.admins.insert(user.record.name.clone());
        }
        self.users.insert(user.record.name.clone(), user);
    }

    fn settle_sessions(
        &mut self,
        sessions: Vec<LoginSession>,
        now: SystemTime,
        turned: &mut Turned,
    ) {
        let mut before = std::mem::take(&mut self.sessions).into_by_name();
        self.unused.clear();
        for session in sessions {
            self.settle_session(before.remove(&session.id), session, now, turned);
        }
        turned.gone(before.into_values(), now);
    }

    /// Keeps the lease of a session that is as it was under a user who is as he was.
    fn settle_session(
        &mut self,
        before: Option<Kept>,
        session: LoginSession,
        now: SystemTime,
        turned: &mut Turned,
    ) {
        let Some(user) = self.users.get(&session.user) else { return turned.gone(before, now) };
        let kept = match before {
            Some(kept) if kept.is_still(&session, user) => {
                let kept = Kept { session, ..kept };
                Kept { due: kept.ends(self.idle), ..kept }
            }
            // Read just before its account was removed and made anew.
            Some(kept) if kept.made != user.record.created_at => {
                return turned.session(kept, EndReason::Revoked);
            }
            Some(kept) => {
                let noted = Arc::clone(&kept.used);
                turned.session(kept, EndReason::Replaced);
                let kept = hold(session, user, noted, self.idle);
                turned.shown(&kept);
                kept
            }
            None => {
                let kept = hold(session, user, Arc::default(), self.idle);
                if kept.due <= now {
                    // Nobody held it here: nothing ends.
                    return self.note_unused(&kept.session, now);
                }
                turned.shown(&kept);
                kept
            }
        };
        self.sessions.insert(kept);
    }

    /// Lets everything go: nobody knows any more what holds.
    pub(crate) fn let_go(&mut self) {
        let mut turned = Turned::default();
        let users = std::mem::take(&mut self.users).into_values();
        self.admins.clear();
        turned.users.extend(users.map(|user| (user.end, EndReason::Unkept)));
        for kept in std::mem::take(&mut self.sessions).into_by_name().into_values() {
            turned.session(kept, EndReason::Unkept);
        }
        self.publish(turned);
    }

    /// Ends what is over since.
    pub(crate) fn sweep(&mut self, now: SystemTime) {
        let mut turned = Turned::default();
        self.turn(now, &mut turned);
        self.publish(turned);
    }

    /// Takes out what is over at `now`.
    fn turn(&mut self, now: SystemTime, turned: &mut Turned) {
        let due = self.sessions.due_by(now).map(|kept| kept.session.id.clone());
        for id in due.collect::<Vec<_>>() {
            let Some(kept) = self.sessions.remove(&id) else { continue };
            let due = kept.ends(self.idle);
            if due <= now {
                self.note_unused(&kept.session, now);
                turned.session(kept, EndReason::Expired);
            } else {
                self.sessions.insert(Kept { due, ..kept });
            }
        }
    }

    /// What has expired, the store forgets by itself.
    fn note_unused(&mut self, over: &LoginSession, now: SystemTime) {
        if !over.is_expired(now) {
            self.unused.insert(over.id.clone());
        }
    }

    /// Is a session over for want of use, as far as is known here? Another server may know of a
    /// later use, and has told the store.
    pub(crate) fn seems_unused(&self, now: SystemTime) -> bool {
        let seems = |kept: &Kept| !kept.session.is_expired(now) && kept.ends(self.idle) <= now;
        self.idle.is_some() && self.sessions.due_by(now).any(seems)
    }

    fn publish(&mut self, turned: Turned) {
        self.index.publish_last_admin(self.last_admin());
        self.index.change_sessions(turned.shown);
        for (end, why) in turned.users {
            end.end(why);
        }
        for (id, end, why) in turned.sessions {
            end.end(why);
            tracing::info!(session.id = %id, reason = ?why, "Ended a session");
        }
    }

    /// The one enabled admin, if there is just one.
    fn last_admin(&self) -> Option<LastAdmin> {
        let only = self.admins.first().filter(|_| self.admins.len() == 1)?;
        let UserRecord { name, email, .. } = &self.users.get(only)?.record;
        let email = email.as_ref().map(|email| email.to_lowercase());
        Some(LastAdmin { name: name.clone(), email })
    }

    /// When sessions were used last, of those of which the store does not know it yet.
    pub(crate) fn uses(&self) -> Vec<(SessionId, SystemTime)> {
        let used = |kept: &Kept| {
            let at = kept.used_at();
            (at > kept.session.last_used).then(|| (kept.session.id.clone(), at))
        };
        self.sessions.values().filter_map(used).collect()
    }

    /// The store knows them now.
    pub(crate) fn noted(&mut self, uses: Vec<(SessionId, SystemTime)>) {
        for (id, at) in uses {
            self.sessions.note_use(&id, at);
        }
    }

    /// Sessions that ended here for want of use, and that the store still has.
    pub(crate) fn take_unused(&mut self) -> HashSet<SessionId> {
        std::mem::take(&mut self.unused)
    }
}

impl User {
    /// His lease, and why it ends: other rights, or another account of the same name.
    fn replaced_by(self, record: &UserRecord) -> (LeaseEnd, EndReason) {
        let same = self.record.created_at == record.created_at;
        (self.end, if same { EndReason::Replaced } else { EndReason::Revoked })
    }
}

impl Kept {
    /// Is it the same session, of the same rights?
    fn is_still(&self, session: &LoginSession, user: &User) -> bool {
        self.number == user.number
            && self.session.hash == session.hash
            && self.session.expires_at == session.expires_at
    }

    /// When its time is over, as far as is known here.
    fn ends(&self, idle: Option<Duration>) -> SystemTime {
        let end = self.session.expires_at;
        let Some(idle) = idle else { return end };
        // Uses are noted by the minute, and told to the store each minute.
        let used = self.used_at().max(self.session.last_used);
        let quiet = used.checked_add(idle).and_then(|at| at.checked_add(2 * MINUTE));
        quiet.map_or(end, |quiet| quiet.min(end))
    }

    /// To the minute; before everything, if it was not used.
    fn used_at(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.used.at.load(Ordering::Relaxed))
    }
}

impl Drop for People {
    /// The keeper stopped or panicked: refuse everyone first. The leases end with their handles.
    fn drop(&mut self) {
        self.index.close();
    }
}

/// The rights of who must change his password first: none, should he get past a door by mistake.
fn nothing() -> Grants {
    Grants {
        roles: BTreeSet::new(),
        databases: DatabaseGrant::Some(BTreeSet::new()),
        db_role: None,
        tools: Some(BTreeSet::new()),
        read_only: true,
    }
}

fn hold(session: LoginSession, user: &User, noted: Arc<Use>, idle: Option<Duration>) -> Kept {
    let (lease, end) = user.lease.child();
    let (id, grants) = match session.scope {
        SessionScope::Full => (PrincipalId::Session(session.id.clone()), user.record.grants()),
        SessionScope::PasswordChange => {
            (PrincipalId::PasswordChange(session.id.clone()), nothing())
        }
    };
    let principal = Arc::new(Principal {
        id,
        user: Some(user.record.name.clone()),
        grants,
        expires_at: Some(session.expires_at),
        lease,
    });
    let (made, number, due) = (user.record.created_at, user.number, session.expires_at);
    let kept = Kept { session, made, number, principal, used: noted, end, due };
    Kept { due: kept.ends(idle), ..kept }
}

mod roll;
#[cfg(test)]
mod tests;
