//! The writing half: the only reader of changes, and the only one to end a lease.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::Clock;
use mcp_store::{
    Account, AccountStore, Change, LoginSession, SessionSelector, StoreError, TokenRecord,
    TokenStore,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use crate::auth::{Refresh, Wanted};
use crate::check::USER_STORE;
use crate::in_time::{LIMIT, LIMIT_OF_ALL, LIMIT_OF_THE_FIRST, in_time, within};
use crate::index::Index;
use crate::ledger::Ledger;
use crate::opened::{Openings, Readings};
use crate::people::People;
use crate::reread::{Named, Wishes};
use crate::watched::Watched;

/// How long until the wall clock is looked at again, however far the next expiry: it may jump.
const RECHECK: Duration = Duration::from_secs(30);

/// How often the last uses of sessions are written down.
const NOTE_USES: Duration = Duration::from_mins(1);

/// How often the store is told to forget what is over, and how long it may take for that.
const SWEEP: Duration = Duration::from_mins(1);

const TOKEN_STORE: &str = "token store";

/// What a keeper keeps the index by.
pub(crate) struct Stores {
    pub(crate) tokens: Arc<dyn TokenStore>,
    pub(crate) accounts: Option<Arc<dyn AccountStore>>,
    /// A session that nobody used for so long is over.
    pub(crate) idle: Option<Duration>,
    /// How long what was read last stands in for a store that is down; `None`: for ever.
    pub(crate) stands_in: Option<Duration>,
    /// Whether there has to be something to read at the start.
    pub(crate) needed: bool,
    pub(crate) openings: Arc<Openings>,
}

/// Keeps the index of an [`Auth`](crate::Auth) as the stores are. While it lives, credentials are
/// good; dropped, stopped or panicked, it ends every lease and leaves an index that refuses
/// everyone.
#[must_use = "a keeper that is not run puts everybody out"]
pub struct Keeper {
    clock: Arc<dyn Clock>,
    asked: mpsc::Receiver<Refresh>,
    tokens: Watched<Arc<dyn TokenStore>>,
    ledger: Ledger,
    accounts: Option<KeptAccounts>,
    openings: Arc<Openings>,
    index: Arc<Index>,
    stands_in: Option<Duration>,
    /// A store was down for longer than anything stands in for it.
    let_go: bool,
    /// Every store was read once. Before, nothing can stand in.
    has_read: bool,
}

struct KeptAccounts {
    store: Watched<Arc<dyn AccountStore>>,
    people: People,
    readings: Readings,
    note_at: Instant,
}

enum Wake {
    /// The tokens may be other ones than those that are known.
    Tokens,
    /// Something of accounts may be other than what is known of it.
    Told(Change),
    /// Somebody waits until it has been read.
    Asked(Refresh),
    /// A session that was under way is so no more.
    Done,
    /// It is time to look at the clock.
    Time,
}

impl Keeper {
    pub(crate) async fn open(
        stores: Stores,
        clock: Arc<dyn Clock>,
        index: Arc<Index>,
        asked: mpsc::Receiver<Refresh>,
    ) -> Result<Self, StoreError> {
        let Stores { tokens, accounts, idle, stands_in, needed, openings } = stores;
        // Listened to before they are read: a change made in between is told.
        let tokens = Watched::new(tokens.changes(), tokens, TOKEN_STORE, needed);
        let ledger = Ledger::new(Arc::clone(&index));
        let accounts = accounts.map(|store| KeptAccounts {
            store: Watched::new(store.changes(), store, USER_STORE, needed),
            people: People::new(Arc::clone(&index), idle),
            readings: Readings::new(Arc::clone(&openings)),
            note_at: Instant::now() + NOTE_USES,
        });
        let (let_go, has_read) = (false, needed);
        let mut keeper = Self {
            clock,
            asked,
            tokens,
            ledger,
            accounts,
            openings,
            index,
            stands_in,
            let_go,
            has_read,
        };
        if needed {
            keeper.read_first().await?;
        } else {
            keeper.open_empty();
        }
        Ok(keeper)
    }

    /// The first reading. There is nothing yet that a failure could leave in force.
    async fn read_first(&mut self) -> Result<(), StoreError> {
        let tokens = read_tokens(&*self.tokens.store, LIMIT_OF_THE_FIRST).await?;
        self.ledger.settle(tokens, self.clock.now());
        if let Some(accounts) = &mut self.accounts {
            let store = &*accounts.store.store;
            let (users, sessions) = read_accounts(store, LIMIT_OF_THE_FIRST).await?;
            accounts.people.settle(users, sessions, self.clock.now());
        }
        Ok(())
    }

    /// Knows nobody and refuses nobody, and says so.
    fn open_empty(&mut self) {
        let now = self.clock.now();
        self.ledger.settle(Vec::new(), now);
        if let Some(accounts) = &mut self.accounts {
            accounts.people.settle(Vec::new(), Vec::new(), now);
        }
        self.index.doubt(Instant::now());
        self.let_go();
    }

    /// Keeps until `shutdown`, and refuses everyone after. Never returns before.
    ///
    /// A store that cannot be read leaves the last good credentials in force (they expire all the
    /// same) for as long as they may stand in for it, is logged once for each distinct fault, and
    /// is tried again.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let store = self.accounts.as_ref().map(|accounts| Arc::clone(&accounts.store.store));
        let sweeping = sweep(store, Arc::clone(&self.clock));
        tokio::select! {
            biased;
            () = shutdown => {}
            never = self.keep() => match never {},
            never = sweeping => match never {},
        }
        self.note_uses().await;
    }

    async fn keep(&mut self) -> Infallible {
        loop {
            match self.woken().await {
                // Reported once by the reading itself, and tried again.
                Wake::Tokens => drop(self.read_tokens().await),
                Wake::Told(change) => self.follow(change).await,
                Wake::Asked(first) => self.refresh(first).await,
                Wake::Done => self.read_what_was_set_aside().await,
                Wake::Time => self.read_what_is_due().await,
            }
            self.mind_outages().await;
            // On each turn, so that a busy store cannot keep an expired lease alive.
            self.ledger.sweep(self.clock.now());
            self.sweep_accounts().await;
        }
    }

    async fn sweep_accounts(&mut self) {
        let now = self.clock.now();
        if self.accounts.as_ref().is_some_and(|accounts| accounts.people.seems_unused(now)) {
            // Another server may have seen a use. If that cannot be learnt, there was none.
            let _ = self.read_accounts().await;
        }
        let now = self.clock.now();
        if let Some(accounts) = &mut self.accounts {
            accounts.people.sweep(now);
        }
    }

    async fn woken(&mut self) -> Wake {
        let wake_at = self.wake_at();
        let accounts = self.accounts.as_mut().map(|accounts| &mut accounts.store);
        tokio::select! {
            // A store of tokens is small and its snapshot consistent: it is read whole.
            _ = self.tokens.changed() => Wake::Tokens,
            change = changed(accounts) => Wake::Told(change),
            Some(refresh) = self.asked.recv() => Wake::Asked(refresh),
            () = self.openings.one_is_done() => Wake::Done,
            () = sleep_until(wake_at) => Wake::Time,
        }
    }

    fn wake_at(&self) -> Instant {
        let accounts = self.accounts.as_ref();
        let sessions = accounts.and_then(|accounts| accounts.people.next_expiry());
        let expiry = self.ledger.next_expiry().into_iter().chain(sessions).min();
        let to_expiry = expiry.map_or(RECHECK, |end| until(end, self.clock.now()).min(RECHECK));
        let due = [
            self.tokens.due_at(),
            accounts.and_then(|accounts| accounts.store.due_at()),
            accounts.map(|accounts| accounts.note_at),
            self.end_of_standing_in().filter(|_| !self.let_go),
        ];
        due.into_iter().flatten().fold(Instant::now() + to_expiry, Instant::min)
    }

    async fn read_what_is_due(&mut self) {
        if self.tokens.is_due() {
            let _ = self.read_tokens().await;
        }
        if self.accounts.as_ref().is_some_and(|accounts| accounts.store.is_due()) {
            let _ = self.read_accounts().await;
        }
        let now = Instant::now();
        if self.accounts.as_ref().is_some_and(|accounts| accounts.note_at <= now) {
            self.note_uses().await;
        }
    }

    async fn follow(&mut self, change: Change) {
        if let Some(KeptAccounts { readings, people, .. }) = &mut self.accounts
            && readings.sets_aside(&change, people)
        {
            return;
        }
        let mut named = Named::default();
        named.add(change);
        let _ = self.read_named(named).await;
    }

    async fn read_what_was_set_aside(&mut self) {
        let named = self.accounts.as_mut().map(|accounts| accounts.readings.take_done());
        if let Some(named) = named.filter(|named| !named.is_empty()) {
            let _ = self.read_named(named).await;
        }
    }

    /// Who brought what he wants waits for nothing; one reading answers all others.
    async fn refresh(&mut self, first: Refresh) {
        let mut waiting = vec![first];
        while let Ok(another) = self.asked.try_recv() {
            waiting.push(another);
        }
        let waiting: Vec<_> =
            waiting.into_iter().filter_map(|refresh| self.take_rows(refresh)).collect();
        if waiting.is_empty() {
            return;
        }
        let Wishes { named, tokens, accounts } = Wishes::of(&waiting);
        let tokens = if tokens { self.read_tokens().await } else { Ok(()) };
        let accounts =
            if accounts { self.read_accounts().await } else { self.read_named(named).await };
        // Before it is said that all is in force: until then nobody might be let in.
        self.mind_outages().await;
        for Refresh { what, done } in waiting {
            let outcome = match what {
                Wanted::Session(_) | Wanted::Opened(_) => accounts.clone(),
                Wanted::Named(_) | Wanted::Both => tokens.clone().and(accounts.clone()),
            };
            // Gone: nobody waits any more, and the change is in force all the same.
            let _ = done.send(outcome);
        }
    }

    /// Gives back whoever is to be answered by a reading.
    fn take_rows(&mut self, refresh: Refresh) -> Option<Refresh> {
        let (Wanted::Opened(fresh), Some(accounts)) = (&refresh.what, &mut self.accounts) else {
            return Some(refresh);
        };
        let KeptAccounts { store, people, readings, .. } = accounts;
        let may_be = !self.let_go && !store.must_be_read_whole();
        if !may_be || !readings.take(fresh, people, self.clock.now()) {
            return Some(refresh);
        }
        // Gone: nobody waits any more.
        let _ = refresh.done.send(Ok(()));
        None
    }

    /// When nothing stands in any more for a store that is down; `None`: none is, or for ever.
    fn end_of_standing_in(&self) -> Option<Instant> {
        let accounts = self.accounts.as_ref().and_then(|accounts| accounts.store.outage.as_ref());
        let outages = self.tokens.outage.as_ref().into_iter().chain(accounts);
        let since = outages.map(|outage| outage.since).min()?;
        since.checked_add(if self.has_read { self.stands_in? } else { Duration::ZERO })
    }

    /// Lets everything go when nothing stands in any more for a store that is down, and takes it
    /// up again when all can be read.
    async fn mind_outages(&mut self) {
        if self.let_go && self.end_of_standing_in().is_none() {
            self.let_go = false;
            // One may have been read before the other was down, or neither yet.
            let _ = self.read_tokens().await;
            let _ = self.read_accounts().await;
            self.has_read |= self.end_of_standing_in().is_none();
        }
        match self.end_of_standing_in() {
            None => self.index.trust(),
            Some(until) => {
                self.index.doubt(until);
                if until <= Instant::now() && !self.let_go {
                    self.let_go();
                }
            }
        }
    }

    fn let_go(&mut self) {
        self.let_go = true;
        self.ledger.let_go();
        if let Some(accounts) = &mut self.accounts {
            accounts.people.let_go();
        }
        tracing::error!("Nobody is let in until the credentials can be read again");
    }

    /// How long one reading may take: not beyond the moment at which leases must end.
    fn patience(&self, limit: Duration) -> Duration {
        let left = self.end_of_standing_in().filter(|_| !self.let_go);
        left.map_or(limit, |end| end.saturating_duration_since(Instant::now()).min(limit))
    }

    async fn read_tokens(&mut self) -> Result<(), StoreError> {
        let patience = self.patience(LIMIT_OF_ALL);
        // Before the reading, so that what changes during it is told again.
        self.tokens.changes.skip();
        let records = self.tokens.note(read_tokens(&*self.tokens.store, patience).await)?;
        self.ledger.settle(records, self.clock.now());
        Ok(())
    }

    /// Reads what is named and what was told meanwhile; after an outage, and where nothing is told,
    /// everything.
    async fn read_named(&mut self, mut named: Named) -> Result<(), StoreError> {
        let patience = self.patience(LIMIT);
        let Some(accounts) = &mut self.accounts else { return Ok(()) };
        named.hear(&mut accounts.store.changes, &mut accounts.readings, &accounts.people);
        accounts.readings.take_aside(&named);
        if named.is_too_much() || self.let_go || accounts.store.must_be_read_whole() {
            return self.read_accounts().await;
        }
        let read = within(patience, USER_STORE, named.read(&*accounts.store.store)).await;
        let reread = accounts.store.note(read)?;
        accounts.readings.read_some(&reread);
        if accounts.people.settle_some(reread, self.clock.now()) {
            return Ok(());
        }
        self.read_accounts().await
    }

    async fn read_accounts(&mut self) -> Result<(), StoreError> {
        let patience = self.patience(LIMIT_OF_ALL);
        let Some(accounts) = &mut self.accounts else { return Ok(()) };
        accounts.store.changes.skip();
        let read = read_accounts(&*accounts.store.store, patience).await;
        let (users, sessions) = accounts.store.note(read)?;
        accounts.readings.read_whole();
        accounts.people.settle(users, sessions, self.clock.now());
        Ok(())
    }

    /// Writes down when sessions were used last, and which are over for want of it.
    async fn note_uses(&mut self) {
        let Some(accounts) = &mut self.accounts else { return };
        accounts.note_at = Instant::now() + NOTE_USES;
        if let Err(fault) = accounts.note_uses().await {
            tracing::warn!(error = %fault, "The uses of sessions were not written down");
        }
    }
}

impl KeptAccounts {
    /// Each may be lost and is done again: the store is asked no further once it has failed.
    async fn note_uses(&mut self) -> Result<(), StoreError> {
        let store = &self.store.store;
        let uses = self.people.uses();
        if !uses.is_empty() {
            in_time(USER_STORE, store.touch_sessions(uses.clone())).await?;
            self.people.noted(uses);
        }
        for id in self.people.take_unused() {
            in_time(USER_STORE, store.end_sessions(SessionSelector::Id(id))).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper").finish_non_exhaustive()
    }
}

/// Has the store forget what is over, from time to time. Beside the keeping, which waits for nobody
/// that long: much may be over at once, and what ends meanwhile is to end at once.
async fn sweep(store: Option<Arc<dyn AccountStore>>, clock: Arc<dyn Clock>) -> Infallible {
    let Some(store) = store else { return std::future::pending().await };
    loop {
        sleep(SWEEP).await;
        if let Err(fault) = within(SWEEP, USER_STORE, store.sweep(clock.now())).await {
            tracing::warn!(error = %fault, "Sessions that are over were not all forgotten");
        }
    }
}

async fn changed(store: Option<&mut Watched<Arc<dyn AccountStore>>>) -> Change {
    match store {
        Some(store) => store.changed().await,
        None => std::future::pending().await,
    }
}

/// How long until then. Over already, by a clock that jumped: at once.
fn until(end: SystemTime, now: SystemTime) -> Duration {
    end.duration_since(now).unwrap_or_default()
}

async fn read_tokens(
    store: &dyn TokenStore,
    patience: Duration,
) -> Result<Vec<TokenRecord>, StoreError> {
    within(patience, TOKEN_STORE, store.all()).await
}

/// Sessions first: what a session hangs on is then as new as the session.
async fn read_accounts(
    store: &dyn AccountStore,
    patience: Duration,
) -> Result<(Vec<Account>, Vec<LoginSession>), StoreError> {
    within(patience, USER_STORE, async {
        let sessions = store.sessions().await?;
        Ok((store.accounts().await?, sessions))
    })
    .await
}
