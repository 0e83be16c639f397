//! A house whose people have accounts.

use std::net::IpAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{
    Accounts, Attempt, Auth, AuthBuilder, LoginRejection, LoginSettings, OpenedSession, Refusal,
};
use mcp_identity::{Clock as _, Password, PlainToken, Principal, SystemEntropy, UserName};
use mcp_password::{Algorithm, Asker, Hasher, Settings};
use mcp_store::{Account, AccountStore as _, MemoryTokens, StoredHash, UserEdit, UserRecord};
use mcp_throttle::{LockoutPolicy, Quota};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{JumpingClock, Recorded, Register, Step, StillTime, caller, settled, until};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// Everything that a test of logins touches. Time stands still until the test advances it.
pub(crate) struct Household {
    pub(crate) store: Arc<Register>,
    pub(crate) clock: Arc<JumpingClock>,
    pub(crate) audit: Arc<Recorded>,
    pub(crate) hasher: Arc<Hasher>,
    pub(crate) auth: Auth,
    stop: oneshot::Sender<()>,
    keeping: JoinHandle<()>,
    _still: StillTime,
}

/// No floor, no lockout, and a quota that nobody reaches.
pub(crate) fn settings() -> LoginSettings {
    LoginSettings {
        min_response: Duration::ZERO,
        quota: Quota { attempts: limit(1_000), window: Duration::from_mins(15) },
        ..LoginSettings::default()
    }
}

impl Household {
    /// Alice and Bob, judged by these settings.
    pub(crate) async fn with(settings: LoginSettings) -> Self {
        Self::hashing(settings, 4).await
    }

    /// The same with a cost of hashes.
    pub(crate) async fn hashing(settings: LoginSettings, cost: u32) -> Self {
        Self::built(settings, cost, |builder| builder).await
    }

    /// The same, and its sessions may be JSON Web Tokens.
    #[cfg(feature = "jwt")]
    pub(crate) async fn signing(settings: LoginSettings, jwt: &mcp_auth::JwtSettings) -> Self {
        Self::built(settings, 4, |builder| builder.jwt(jwt)).await
    }

    async fn built(
        settings: LoginSettings,
        cost: u32,
        adorned: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        Self::over(Register::default(), settings, cost, adorned).await
    }

    /// The same over that store.
    pub(crate) async fn over(
        store: Register,
        settings: LoginSettings,
        cost: u32,
        adorned: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        let store = Arc::new(store);
        let clock = Arc::new(JumpingClock::new());
        let audit = Arc::new(Recorded::default());
        let hashing = Settings {
            workers: NonZeroUsize::MIN,
            // By the time of the world: nobody is late because the machine is slow.
            queue_wait: Duration::from_hours(1),
            ..Settings::new(Algorithm::Bcrypt { cost })
        };
        let hasher = Arc::new(Hasher::start(&hashing, Arc::new(SystemEntropy)).unwrap());
        let accounts = Accounts { store: store.clone(), hasher: hasher.clone(), settings };
        let builder = Auth::builder(Arc::new(MemoryTokens::new()))
            .clock(clock.clone())
            .audit(audit.clone())
            .accounts(accounts);
        let (auth, keeper) = adorned(builder).open().await.unwrap();
        let still = StillTime::begin();
        let (stop, stopped) = oneshot::channel::<()>();
        let keeping = tokio::spawn(keeper.run(async {
            let _ = stopped.await;
        }));
        let house = Self { store, clock, audit, hasher, auth, stop, keeping, _still: still };
        house.add("alice").await;
        house.add("bob").await;
        house
    }

    /// Stops the keeper, and waits for it; what else there is stays.
    pub(crate) async fn stop(&mut self) {
        self.stop = oneshot::channel().0;
        (&mut self.keeping).await.unwrap();
    }

    /// Another account, with the password of everybody.
    pub(crate) async fn add(&self, name: &str) {
        self.add_record(self.record(name).await).await;
    }

    pub(crate) async fn add_record(&self, record: UserRecord) {
        self.store.add_account(record).await.unwrap();
        self.auth.refresh().await.unwrap();
    }

    pub(crate) async fn record(&self, name: &str) -> UserRecord {
        let hash = hash_of(&self.hasher, PASSWORD).await;
        UserRecord::new(user(name), hash, self.clock.now())
    }

    pub(crate) async fn edit(&self, name: &str, edit: UserEdit) {
        self.store.edit_account(&user(name), edit).await.unwrap();
        self.auth.refresh().await.unwrap();
    }

    pub(crate) async fn account(&self, name: &str) -> Account {
        self.store.find_account(&user(name)).await.unwrap().unwrap()
    }

    pub(crate) async fn log_in(
        &self,
        name: &str,
        password: &str,
    ) -> Result<OpenedSession, LoginRejection> {
        self.auth.log_in(&attempt("192.0.2.1", name, password)).await
    }

    /// Begins an attempt and lets it go as far as it can.
    pub(crate) fn begin(
        &self,
        from: &str,
        name: &str,
        password: &str,
    ) -> JoinHandle<Result<OpenedSession, LoginRejection>> {
        let (auth, attempt) = (self.auth.clone(), attempt(from, name, password));
        tokio::spawn(async move { auth.log_in(&attempt).await })
    }

    /// The same for as many as `attempts` says, who all share one look at the account.
    pub(crate) async fn begin_together(
        &self,
        attempts: impl IntoIterator<Item = (String, &str, &str)>,
    ) -> Vec<JoinHandle<Result<OpenedSession, LoginRejection>>> {
        self.store.hold(Some(Step::Found));
        let begin =
            |(from, name, password): (String, &str, &str)| self.begin(&from, name, password);
        let all = attempts.into_iter().map(begin).collect();
        until("one of them looks", || self.store.standing() == 1).await;
        settled().await;
        self.store.hold(None);
        all
    }

    /// A session of somebody who knows his password.
    pub(crate) async fn session(&self, name: &str) -> OpenedSession {
        self.log_in(name, PASSWORD).await.unwrap()
    }

    pub(crate) fn bearer(&self, token: &PlainToken) -> Result<Arc<Principal>, Refusal> {
        self.auth.bearer(token.expose().as_bytes(), self.clock.now())
    }

    pub(crate) fn lets_in(&self, session: &OpenedSession) -> bool {
        self.bearer(&session.token).is_ok()
    }
}

pub(crate) async fn hash_of(hasher: &Hasher, password: &str) -> StoredHash {
    let asker = Asker::new("nobody", address("192.0.2.1"));
    let hash = hasher.hash(&asker, &Password::presented(password.to_owned())).await.unwrap();
    StoredHash::new(hash.expose())
}

pub(crate) fn user(name: &str) -> UserName {
    UserName::parse(name).unwrap()
}

pub(crate) fn attempt(from: &str, name: &str, password: &str) -> Attempt {
    let password = Password::presented(password.to_owned());
    Attempt { name: name.to_owned(), password, caller: caller(from) }
}

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn limit(attempts: u32) -> NonZeroU32 {
    NonZeroU32::new(attempts).unwrap()
}

/// So many failures lock an account for a quarter of an hour.
pub(crate) fn locking_after(attempts: u32) -> LoginSettings {
    let lockout = LockoutPolicy {
        limit: Some(limit(attempts)),
        duration: Some(Duration::from_mins(15)),
        hold: Duration::from_secs(30),
    };
    LoginSettings { lockout, ..settings() }
}

/// So many failures of an address in a quarter of an hour refuse it.
pub(crate) fn refusing_after(attempts: u32) -> LoginSettings {
    let quota = Quota { attempts: limit(attempts), window: Duration::from_mins(15) };
    LoginSettings { quota, ..settings() }
}
