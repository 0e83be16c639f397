//! Whatever is told, in whatever order, late or twice: once all of it was heard, the index is what
//! a reading of everything makes of the store.

use mcp_identity::{CredentialFault, Grants, RoleName, TokenHash};
use mcp_store::{
    AccountStore, AdminsLeft, Change, Changes, Entered, MemoryAccounts, Opened, Opening, Seen,
    SessionSelector, StoredHash, UserEdit,
};
use mcp_throttle::{LockoutPolicy, Verdict};

use super::*;
use crate::auth::Wanted;
use crate::index::Entries;
use crate::opened::{Fresh, Openings, Readings, UnderWay};
use crate::reread::Named;

const HISTORIES: u64 = 60;
const STEPS: u64 = 150;
const USERS: u64 = 4;

/// What somebody with a session is.
type Shown = Result<(PrincipalId, Option<UserName>, Grants), CredentialFault>;

#[tokio::test]
async fn what_is_read_one_by_one_ends_as_what_is_read_whole() {
    let (mut some, mut whole, mut taken, mut refused) = (0, 0, 0, 0);
    for seed in 0..HISTORIES {
        let mut history = History::begin(seed);
        for _ in 0..STEPS {
            history.step().await;
        }
        (some, whole) = (some + history.some, whole + history.whole);
        (taken, refused) = (taken + history.taken, refused + history.refused);
    }
    assert!(some > 10 * HISTORIES && whole > HISTORIES, "{some} some, {whole} whole");
    assert!(taken > HISTORIES && refused > HISTORIES, "{taken} taken, {refused} refused");
}

/// What happens between the opening of a session and its rows.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// Word of the opening.
    Word,
    /// Its end, and word of both.
    End,
    /// Its account is disabled, and word of that.
    Disabled,
    /// Its account gets other rights, and word of that.
    Edited,
    /// Another login of its account.
    Other,
    /// Everything is read.
    Everything,
    /// More is read than is remembered.
    Much,
}

#[tokio::test]
async fn rows_are_taken_unless_something_newer_was_heard() {
    for (between, is_under_way, takes, lets_in) in [
        (Between::Nothing, true, true, true),
        (Between::Word, true, true, true),
        (Between::Word, false, false, true),
        (Between::End, true, false, false),
        (Between::End, false, false, false),
        (Between::Disabled, true, false, false),
        (Between::Disabled, false, false, false),
        (Between::Edited, true, false, true),
        (Between::Edited, false, false, true),
        (Between::Other, true, true, true),
        (Between::Everything, true, false, true),
        (Between::Much, true, false, true),
    ] {
        let mut history = History::begin(0);
        let record = UserRecord::new(user(0), password(), history.now());
        history.store.add_account(record).await.unwrap();
        history.note_words();
        history.hear_each_once().await;
        let (fresh, under_way) = history.open_for(user(0), false).await.unwrap();
        let n = history.opened;
        let under_way = is_under_way.then_some(under_way);
        history.pass(between, n).await;
        history.note_words();
        if !matches!(between, Between::Nothing) {
            history.hear_each_once().await;
        }
        let case = format!("{between:?}, under way: {is_under_way}");
        assert_eq!(history.arrive(&fresh, under_way).await, takes, "{case}");
        let found = history.index.look_up(hash(n), history.now());
        assert_eq!(found.is_ok(), lets_in, "{case}");
    }
}

#[tokio::test]
async fn what_was_set_aside_is_read_when_its_opener_has_done() {
    let mut history = History::begin(0);
    let record = UserRecord::new(user(0), password(), history.now());
    history.store.add_account(record).await.unwrap();
    history.note_words();
    history.hear_each_once().await;
    let (_, under_way) = history.open_for(user(0), false).await.unwrap();
    history.note_words();
    history.hear_each_once().await;
    assert!(history.index.look_up(hash(1), history.now()).is_err());
    // Its client left.
    drop(under_way);
    history.hear_each_once().await;
    assert!(history.index.look_up(hash(1), history.now()).is_ok());
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
    openings: Arc<Openings>,
    readings: Readings,
    /// Opened, and not told to the keeper; of half of them he knows that they are under way.
    late: Vec<(Box<Fresh>, Option<UnderWay>)>,
    some: u64,
    whole: u64,
    taken: u64,
    refused: u64,
}

impl History {
    fn begin(seed: u64) -> Self {
        let (store, index) = (MemoryAccounts::new(), open_index());
        let people = People::new(Arc::clone(&index), None);
        let (changes, dice) = (store.changes(), seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (words, admitted) = (Vec::new(), Vec::new());
        let openings = Arc::<Openings>::default();
        Self {
            store,
            changes,
            words,
            people,
            index,
            dice,
            second: 0,
            opened: 0,
            admitted,
            readings: Readings::new(Arc::clone(&openings)),
            openings,
            late: Vec::new(),
            some: 0,
            whole: 0,
            taken: 0,
            refused: 0,
        }
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
        match self.roll(23) {
            0..=2 => self.add().await,
            3..=4 => self.edit().await,
            5 => {
                let name = self.somebody();
                // Nobody of that name: nothing is deleted.
                drop(self.store.delete_account(&name, AdminsLeft::MayBeNone).await);
            }
            6..=11 => self.open().await,
            12 => {
                // One of all, or one of the newest, whose rows may still be late.
                let among = [self.opened, self.opened.min(2)][usize::from(self.roll(2) == 0)];
                let id = session_id(self.opened - self.roll(among + 1));
                self.store.end_sessions(SessionSelector::Id(id)).await.unwrap();
            }
            13 => {
                let whose = SessionSelector::OfUser(self.somebody(), None);
                self.store.end_sessions(whose).await.unwrap();
            }
            14 => drop(self.store.sweep(self.now()).await.unwrap()),
            15..=17 => self.hear(2).await,
            18..=20 => self.let_one_arrive().await,
            _ => self.hear_all_and_compare().await,
        }
        self.note_words();
    }

    fn note_words(&mut self) {
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
        let name = self.somebody();
        self.edit_of(&name).await;
    }

    async fn edit_of(&mut self, name: &UserName) {
        let roles = (self.roll(3) == 0).then(|| [admin()].into());
        let enabled = [None, Some(true), Some(false)][usize::try_from(self.roll(3)).unwrap()];
        let note = Some(format!("at {}", self.second));
        let n = self.roll(USERS);
        let email =
            (self.roll(3) == 0).then(|| (self.roll(2) == 0).then(|| email(n).to_uppercase()));
        let edit = UserEdit { note, email, roles, enabled, ..UserEdit::default() };
        // Of nobody: nothing is changed.
        drop(self.store.edit_account(name, edit).await);
    }

    async fn open(&mut self) {
        let (name, edits) = (self.somebody(), self.roll(4) == 0);
        let Some((fresh, under_way)) = self.open_for(name, edits).await else { return };
        match self.roll(3) {
            0 => self.late.push((fresh, Some(under_way))),
            1 => self.late.push((fresh, None)),
            // Its client left.
            _ => {}
        }
    }

    /// Opens a session as a store does that says what it has seen of it: the account as it was
    /// just before, or, if somebody edits it meanwhile, as it was before that.
    async fn open_for(&mut self, name: UserName, edits: bool) -> Option<(Box<Fresh>, UnderWay)> {
        let now = self.now();
        let policy = LockoutPolicy { limit: None, duration: None, hold: Duration::from_secs(1) };
        let found = self.store.find_login(&name, policy, now).await.unwrap();
        let login = found?;
        let Verdict::Reserved(ticket) = login.verdict else { return None };
        self.opened += 1;
        let under_way = self.openings.begin(&session_id(self.opened));
        let record = login.account.record.clone();
        if edits {
            self.edit_of(&name).await;
        }
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
        let seen = Box::new(Seen { record, session: opening.session.clone() });
        // Disabled: nothing is opened.
        let Opened { ended } = self.store.open_session(opening).await.ok()?;
        match under_way.wanted(Entered { ended, seen: Some(seen) }) {
            Wanted::Opened(fresh) => Some((fresh, under_way)),
            other => panic!("{other:?}"),
        }
    }

    async fn pass(&mut self, between: Between, n: u64) {
        match between {
            Between::Nothing | Between::Word => {}
            Between::End => {
                let id = SessionSelector::Id(session_id(n));
                self.store.end_sessions(id).await.unwrap();
            }
            Between::Disabled => {
                let edit = UserEdit { enabled: Some(false), ..UserEdit::default() };
                self.store.edit_account(&user(0), edit).await.unwrap();
            }
            Between::Edited => {
                let edit = UserEdit { read_only: Some(true), ..UserEdit::default() };
                self.store.edit_account(&user(0), edit).await.unwrap();
            }
            Between::Other => {
                let (fresh, under_way) = self.open_for(user(0), false).await.unwrap();
                assert!(self.arrive(&fresh, Some(under_way)).await);
            }
            Between::Everything => self.read_everything().await,
            Between::Much => {
                for n in 0..2_000 {
                    let mut named = Named::default();
                    named.add(Change::Session(session_id(1_000 + n)));
                    self.read(named).await;
                }
            }
        }
    }

    async fn let_one_arrive(&mut self) {
        if self.late.is_empty() {
            return;
        }
        let at = usize::try_from(self.roll(self.late.len() as u64)).unwrap();
        let (fresh, under_way) = self.late.swap_remove(at);
        self.arrive(&fresh, under_way).await;
    }

    /// Rows come to the keeper. Does he take them?
    async fn arrive(&mut self, fresh: &Fresh, under_way: Option<UnderWay>) -> bool {
        let now = self.now();
        let takes = self.readings.take(fresh, &mut self.people, now);
        if takes {
            self.taken += 1;
        } else {
            self.refused += 1;
            let mut named = Named::default();
            named.add(Change::Session(fresh.id().clone()));
            self.readings.take_aside(&named);
            self.read(named).await;
        }
        drop(under_way);
        self.look_at_the_leases();
        self.look_for_what_ended().await;
        takes
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
            if !self.readings.sets_aside(&word, &self.people) {
                named.add(word);
            }
        }
        self.readings.take_aside(&named);
        self.read(named).await;
        self.look_at_the_leases();
        self.look_for_what_ended().await;
    }

    async fn read(&mut self, named: Named) {
        let reread = named.read(&self.store).await.unwrap();
        self.readings.read_some(&reread);
        if self.people.settle_some(reread, self.now()) {
            self.some += 1;
        } else {
            self.read_everything().await;
        }
    }

    async fn read_everything(&mut self) {
        self.whole += 1;
        let sessions = self.store.sessions().await.unwrap();
        let accounts = self.store.accounts().await.unwrap();
        self.readings.read_whole();
        self.people.settle(accounts, sessions, self.now());
    }

    /// Whoever is let in by what is no more, or is more than he is: word of it is still to be heard.
    async fn look_for_what_ended(&self) {
        let now = self.now();
        for n in 1..=self.opened {
            let Ok(found) = self.index.look_up(hash(n), now) else { continue };
            let name = found.principal.user.clone().unwrap();
            let session = self.store.find_session(&session_id(n)).await.unwrap();
            let account = self.store.find_account(&name).await.unwrap();
            let holds = match (session, account) {
                (Some(session), Some(account)) if account.record.enabled => {
                    session.scope == SessionScope::PasswordChange
                        || found.principal.grants == account.record.grants()
                }
                _ => false,
            };
            let told = [Change::Session(session_id(n)), Change::User(name)];
            assert!(holds || self.words.iter().any(|word| told.contains(word)), "session {n}");
        }
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

    async fn hear_each_once(&mut self) {
        for word in std::mem::take(&mut self.words) {
            if !self.readings.sets_aside(&word, &self.people) {
                let mut named = Named::default();
                named.add(word);
                self.read(named).await;
            }
        }
        let named = self.readings.take_done();
        self.read(named).await;
    }

    async fn hear_all(&mut self) {
        while !self.words.is_empty() {
            self.hear(4).await;
        }
        let named = self.readings.take_done();
        self.read(named).await;
    }

    async fn hear_all_and_compare(&mut self) {
        // Rows come before the words, or when all has been heard that is newer than they are.
        if self.roll(2) == 0 {
            self.hear_all().await;
        }
        while !self.late.is_empty() {
            self.let_one_arrive().await;
        }
        self.hear_all().await;
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

fn seen(index: &Index, n: u64, now: SystemTime) -> Shown {
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
