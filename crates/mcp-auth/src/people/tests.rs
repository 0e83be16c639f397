//! Whatever is told, in whatever order, late or twice: once all of it was heard, the index is what
//! a reading of everything makes of the store.

use mcp_identity::{CredentialFault, Grants, RoleName, TokenHash};
use mcp_store::{
    AccountStore, AdminsLeft, Change, Changes, MemoryAccounts, Opening, SessionSelector,
    StoredHash, UserEdit,
};
use mcp_throttle::{LockoutPolicy, Verdict};

use super::*;
use crate::index::Entries;
use crate::reread::Named;

const HISTORIES: u64 = 60;
const STEPS: u64 = 150;
const USERS: u64 = 4;

/// What somebody with a session is.
type Seen = Result<(PrincipalId, Option<UserName>, Grants), CredentialFault>;

#[tokio::test]
async fn what_is_read_one_by_one_ends_as_what_is_read_whole() {
    let (mut some, mut whole) = (0, 0);
    for seed in 0..HISTORIES {
        let mut history = History::begin(seed);
        for _ in 0..STEPS {
            history.step().await;
        }
        (some, whole) = (some + history.some, whole + history.whole);
    }
    assert!(some > 10 * HISTORIES && whole > HISTORIES, "{some} some, {whole} whole");
}

struct History {
    store: MemoryAccounts,
    changes: Changes,
    /// Told, and not heard yet.
    words: Vec<Change>,
    people: People,
    index: Arc<Index>,
    dice: u64,
    second: u64,
    opened: u64,
    /// Whom the index let in, to see what became of their leases.
    admitted: Vec<(TokenHash, Arc<Principal>)>,
    some: u64,
    whole: u64,
}

impl History {
    fn begin(seed: u64) -> Self {
        let (store, index) = (MemoryAccounts::new(), open_index());
        let people = People::new(Arc::clone(&index), None);
        let (changes, dice) = (store.changes(), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (words, admitted) = (Vec::new(), Vec::new());
        let (second, opened, some, whole) = (0, 0, 0, 0);
        Self { store, changes, words, people, index, dice, second, opened, admitted, some, whole }
    }

    /// The generator `SplitMix64`: the same histories in every run.
    fn roll(&mut self, sides: u64) -> u64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides
    }

    fn now(&self) -> SystemTime {
        second(self.second)
    }

    fn somebody(&mut self) -> UserName {
        user(self.roll(USERS))
    }

    async fn step(&mut self) {
        self.second += 1;
        match self.roll(20) {
            0..=2 => self.add().await,
            3..=4 => self.edit().await,
            5 => {
                let name = self.somebody();
                // Nobody of that name: nothing is deleted.
                drop(self.store.delete_account(&name, AdminsLeft::MayBeNone).await);
            }
            6..=11 => self.open().await,
            12 => {
                let id = session_id(self.roll(self.opened + 1));
                self.store.end_sessions(SessionSelector::Id(id)).await.unwrap();
            }
            13 => {
                let whose = SessionSelector::OfUser(self.somebody(), None);
                self.store.end_sessions(whose).await.unwrap();
            }
            14 => drop(self.store.sweep(self.now()).await.unwrap()),
            15..=17 => self.hear(2).await,
            _ => self.hear_all_and_compare().await,
        }
        while let Some(change) = self.changes.told() {
            self.words.push(change);
        }
    }

    async fn add(&mut self) {
        let mut record = UserRecord::new(self.somebody(), password(), self.now());
        if self.roll(2) == 0 {
            record.roles.insert(admin());
        }
        // Taken: nothing is made.
        drop(self.store.add_account(record).await);
    }

    async fn edit(&mut self) {
        let roles = (self.roll(3) == 0).then(|| [admin()].into());
        let enabled = [None, Some(true), Some(false)][usize::try_from(self.roll(3)).unwrap()];
        let note = Some(format!("at {}", self.second));
        let n = self.roll(USERS);
        let email =
            (self.roll(3) == 0).then(|| (self.roll(2) == 0).then(|| email(n).to_uppercase()));
        let edit = UserEdit { note, email, roles, enabled, ..UserEdit::default() };
        let name = user(n);
        // Of nobody: nothing is changed.
        drop(self.store.edit_account(&name, edit).await);
    }

    async fn open(&mut self) {
        let (name, now) = (self.somebody(), self.now());
        let policy = LockoutPolicy { limit: None, duration: None, hold: Duration::from_secs(1) };
        let found = self.store.find_login(&name, policy, now).await.unwrap();
        let Some(login) = found else { return };
        let Verdict::Reserved(ticket) = login.verdict else { return };
        self.opened += 1;
        let session = LoginSession {
            id: session_id(self.opened),
            hash: hash(self.opened),
            user: name,
            created_at: now,
            expires_at: second(self.second + 10 + self.roll(100)),
            last_used: now,
            address: None,
            agent: None,
            scope: if self.opened.is_multiple_of(5) {
                SessionScope::PasswordChange
            } else {
                SessionScope::Full
            },
        };
        let opening = Opening {
            session,
            ticket,
            policy,
            account_made: login.account.record.created_at,
            checked: login.account.record.password,
            stronger: None,
            limit: usize::try_from(self.roll(4)).unwrap(),
            now,
        };
        // Disabled: nothing is opened.
        drop(self.store.open_session(opening).await);
    }

    /// Hears some of the words, in any order, and some of them not for the last time.
    async fn hear(&mut self, most: u64) {
        let mut named = Named::default();
        for _ in 0..=self.roll(most) {
            if self.words.is_empty() {
                break;
            }
            let at = usize::try_from(self.roll(self.words.len() as u64)).unwrap();
            let word =
                if self.roll(4) == 0 { self.words[at].clone() } else { self.words.swap_remove(at) };
            named.add(word);
        }
        let reread = named.read(&self.store).await.unwrap();
        if self.people.settle_some(reread, self.now()) {
            self.some += 1;
        } else {
            self.whole += 1;
            let sessions = self.store.sessions().await.unwrap();
            self.people.settle(self.store.accounts().await.unwrap(), sessions, self.now());
        }
        self.look_at_the_leases();
    }

    /// Whose lease holds is whom the index lets in.
    fn look_at_the_leases(&mut self) {
        let now = self.now();
        for (hash, principal) in std::mem::take(&mut self.admitted) {
            match self.index.look_up(hash, now) {
                Ok(found) if Arc::ptr_eq(&found.principal, &principal) => {
                    assert!(!principal.lease.is_ended());
                }
                Err(CredentialFault::Expired) => {}
                _ => assert!(principal.lease.is_ended(), "{:?}", principal.id),
            }
        }
        for n in 1..=self.opened {
            if let Ok(found) = self.index.look_up(hash(n), now) {
                self.admitted.push((hash(n), found.principal));
            }
        }
    }

    async fn hear_all_and_compare(&mut self) {
        while !self.words.is_empty() {
            self.hear(4).await;
        }
        let now = self.now();
        self.people.sweep(now);
        let index = open_index();
        let mut whole = People::new(Arc::clone(&index), None);
        let sessions = self.store.sessions().await.unwrap();
        whole.settle(self.store.accounts().await.unwrap(), sessions, now);
        for n in 1..=self.opened {
            assert_eq!(seen(&self.index, n, now), seen(&index, n, now), "session {n}");
        }
        for n in 0..USERS {
            let name = user(n);
            assert_eq!(self.index.is_last_admin(&name), index.is_last_admin(&name), "{name:?}");
            let [here, there] =
                [&self.index, &index].map(|it| it.is_email_of_last_admin(&email(n)));
            assert_eq!(here, there, "{name:?}");
        }
    }
}

fn open_index() -> Arc<Index> {
    let index = Index::closed();
    index.publish_tokens(Entries::default());
    Arc::new(index)
}

fn seen(index: &Index, n: u64, now: SystemTime) -> Seen {
    let principal = index.look_up(hash(n), now)?.principal;
    Ok((principal.id.clone(), principal.user.clone(), principal.grants.clone()))
}

fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + n)
}

fn user(n: u64) -> UserName {
    UserName::parse(&format!("user {n}")).unwrap()
}

fn email(n: u64) -> String {
    format!("user.{n}@example.org")
}

fn admin() -> RoleName {
    RoleName::parse("admin").unwrap()
}

fn password() -> StoredHash {
    StoredHash::new("$2b$12$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01234")
}

fn session_id(n: u64) -> SessionId {
    SessionId::from_bytes(n.to_be_bytes())
}

fn hash(n: u64) -> TokenHash {
    TokenHash::of_presented(&n.to_be_bytes())
}
