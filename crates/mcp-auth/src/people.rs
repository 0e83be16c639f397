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

use crate::index::{Digest, Entries, Entry, Index, Use};
use crate::reread::Reread;

const MINUTE: Duration = Duration::from_mins(1);

/// The one writer of the sessions' half of the index. Always: first the index is replaced, then
/// old leases end.
pub(crate) struct People {
    index: Arc<Index>,
    users: HashMap<UserName, User>,
    sessions: HashMap<SessionId, Kept>,
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
}

/// Leases that end as soon as the index no longer shows them.
#[derive(Default)]
struct Ended {
    users: Vec<(LeaseEnd, EndReason)>,
    sessions: Vec<(SessionId, LeaseEnd, EndReason)>,
}

impl Ended {
    fn session(&mut self, kept: Kept, why: EndReason) {
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
        let (users, sessions, unused) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { index, users, sessions, unused, last_number: 0, idle }
    }

    /// The earliest time at which a session must end.
    pub(crate) fn next_expiry(&self) -> Option<SystemTime> {
        self.sessions.values().map(|kept| self.end_of(kept)).min()
    }

    /// Makes the index what the store says: these are all there are.
    pub(crate) fn settle(
        &mut self,
        accounts: Vec<Account>,
        sessions: Vec<LoginSession>,
        now: SystemTime,
    ) {
        let mut ended = Ended::default();
        self.settle_users(accounts, &mut ended);
        self.settle_sessions(sessions, now, &mut ended);
        self.turn(now, &mut ended);
        self.index.publish_last_admin(self.last_admin());
        self.publish(ended);
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
        let mut ended = Ended::default();
        let moved = self.settle_users_of(users, &mut ended);
        let mut is_news = !moved.is_empty();
        for (id, session) in sessions {
            is_news |= self.settle_session_of(&id, session, now, &mut ended);
        }
        self.move_sessions(&moved, now, &mut ended);
        // What seems over for want of use stays: another server may know of a use, and only a
        // reading of everything tells. The word of what is known already comes once more, and costs
        // no new snapshot.
        if is_news {
            self.index.publish_last_admin(self.last_admin());
            self.publish(ended);
        }
        true
    }

    /// Those whose lease is another one now, or who have none any more.
    fn settle_users_of(
        &mut self,
        users: Vec<(UserName, Option<Account>)>,
        ended: &mut Ended,
    ) -> HashSet<UserName> {
        let mut moved = HashSet::new();
        for (name, account) in users {
            let before = self.users.remove(&name);
            let number = before.as_ref().map(|user| user.number);
            match account.map(|account| account.record).filter(|record| record.enabled) {
                Some(record) => self.settle_user(before, record, ended),
                None => ended.users.extend(before.map(|user| (user.end, EndReason::Revoked))),
            }
            if number != self.users.get(&name).map(|user| user.number) {
                moved.insert(name);
            }
        }
        moved
    }

    /// Does the index have to show something else of it?
    fn settle_session_of(
        &mut self,
        id: &SessionId,
        session: Option<LoginSession>,
        now: SystemTime,
        ended: &mut Ended,
    ) -> bool {
        let before = self.sessions.remove(id);
        let was = before.as_ref().map(|kept| Arc::clone(&kept.principal));
        // If it is still over for want of use, that is found out again.
        self.unused.remove(id);
        match session {
            Some(session) => self.settle_session(before, session, now, ended),
            None => ended.gone(before, now),
        }
        let is = self.sessions.get(id).map(|kept| &kept.principal);
        was.as_ref().map(Arc::as_ptr) != is.map(Arc::as_ptr)
    }

    /// The sessions of users whose lease is another one: under that, or over.
    fn move_sessions(&mut self, of: &HashSet<UserName>, now: SystemTime, ended: &mut Ended) {
        if of.is_empty() {
            return;
        }
        let theirs = |_: &SessionId, kept: &mut Kept| of.contains(&kept.session.user);
        let theirs: Vec<_> = self.sessions.extract_if(theirs).map(|(_, kept)| kept).collect();
        for kept in theirs {
            let session = kept.session.clone();
            self.settle_session(Some(kept), session, now, ended);
        }
    }

    /// Keeps the lease of an account whose rights are as they were; others get a new one.
    fn settle_users(&mut self, accounts: Vec<Account>, ended: &mut Ended) {
        let mut before = std::mem::take(&mut self.users);
        for Account { record, .. } in accounts.into_iter().filter(|it| it.record.enabled) {
            self.settle_user(before.remove(&record.name), record, ended);
        }
        ended.users.extend(before.into_values().map(|user| (user.end, EndReason::Revoked)));
    }

    fn settle_user(&mut self, before: Option<User>, record: UserRecord, ended: &mut Ended) {
        let user = match before {
            Some(user) if user.record.same_authority(&record) => User { record, ..user },
            other => {
                // The index still shows what hangs on it; the lease ends after the next swap.
                ended.users.extend(other.map(|user| user.replaced_by(&record)));
                let (lease, end) = Lease::new();
                self.last_number += 1;
                User { record, lease, end, number: self.last_number }
            }
        };
        self.users.insert(user.record.name.clone(), user);
    }

    fn settle_sessions(&mut self, sessions: Vec<LoginSession>, now: SystemTime, ended: &mut Ended) {
        let mut before = std::mem::take(&mut self.sessions);
        self.unused.clear();
        for session in sessions {
            self.settle_session(before.remove(&session.id), session, now, ended);
        }
        ended.gone(before.into_values(), now);
    }

    /// Keeps the lease of a session that is as it was under a user who is as he was.
    fn settle_session(
        &mut self,
        before: Option<Kept>,
        session: LoginSession,
        now: SystemTime,
        ended: &mut Ended,
    ) {
        let Some(user) = self.users.get(&session.user) else { return ended.gone(before, now) };
        let kept = match before {
            Some(kept) if kept.is_still(&session, user) => Kept { session, ..kept },
            // Read just before its account was removed and made anew.
            Some(kept) if kept.made != user.record.created_at => {
                return ended.session(kept, EndReason::Revoked);
            }
            Some(kept) => {
                let noted = Arc::clone(&kept.used);
                ended.session(kept, EndReason::Replaced);
                hold(session, user, noted)
            }
            None => {
                let kept = hold(session, user, Arc::default());
                if self.end_of(&kept) <= now {
                    // Nobody held it here: nothing ends.
                    return self.note_unused(&kept.session, now);
                }
                kept
            }
        };
        self.sessions.insert(kept.session.id.clone(), kept);
    }

    /// Lets everything go: nobody knows any more what holds.
    pub(crate) fn let_go(&mut self) {
        let mut ended = Ended::default();
        let users = std::mem::take(&mut self.users).into_values();
        ended.users.extend(users.map(|user| (user.end, EndReason::Unkept)));
        for kept in std::mem::take(&mut self.sessions).into_values() {
            ended.session(kept, EndReason::Unkept);
        }
        self.publish(ended);
    }

    /// Ends what is over since.
    pub(crate) fn sweep(&mut self, now: SystemTime) {
        let mut ended = Ended::default();
        if self.turn(now, &mut ended) {
            self.publish(ended);
        }
    }

    /// Takes out what is over at `now`. Was there any?
    fn turn(&mut self, now: SystemTime, ended: &mut Ended) -> bool {
        let over = |kept: &Kept| self.end_of(kept) <= now;
        let over = self.sessions.values().filter(|kept| over(kept));
        let over: Vec<_> = over.map(|kept| kept.session.id.clone()).collect();
        for id in &over {
            if let Some(kept) = self.sessions.remove(id) {
                self.note_unused(&kept.session, now);
                ended.session(kept, EndReason::Expired);
            }
        }
        !over.is_empty()
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
        let seems = |kept: &Kept| !kept.session.is_expired(now) && self.end_of(kept) <= now;
        self.idle.is_some() && self.sessions.values().any(seems)
    }

    fn end_of(&self, kept: &Kept) -> SystemTime {
        let end = kept.session.expires_at;
        let Some(idle) = self.idle else { return end };
        // Uses are noted by the minute, and told to the store each minute.
        let used = kept.used_at().max(kept.session.last_used);
        let quiet = used.checked_add(idle).and_then(|at| at.checked_add(2 * MINUTE));
        quiet.map_or(end, |quiet| quiet.min(end))
    }

    fn publish(&mut self, ended: Ended) {
        let entry = |kept: &Kept| {
            let entry = Entry::Held(Arc::clone(&kept.principal), Arc::clone(&kept.used));
            (Digest(kept.session.hash), entry)
        };
        self.index.publish_sessions(self.sessions.values().map(entry).collect::<Entries>());
        for (end, why) in ended.users {
            end.end(why);
        }
        for (id, end, why) in ended.sessions {
            end.end(why);
            tracing::info!(session.id = %id, reason = ?why, "Ended a session");
        }
    }

    /// The one enabled admin, if there is just one.
    fn last_admin(&self) -> Option<UserName> {
        let is_admin = |user: &&User| user.record.is_acting_admin();
        let mut admins = self.users.values().filter(is_admin);
        match (admins.next(), admins.next()) {
            (Some(only), None) => Some(only.record.name.clone()),
            _ => None,
        }
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
            if let Some(kept) = self.sessions.get_mut(&id) {
                kept.session.last_used = at;
            }
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

fn hold(session: LoginSession, user: &User, noted: Arc<Use>) -> Kept {
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
    Kept { session, made: user.record.created_at, number: user.number, principal, used: noted, end }
}

#[cfg(test)]
mod tests;
