//! A handler that shows what reached it, and a house of tokens and of people.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_auth::{Accounts, Attempt, Auth, Keeper, LoginSettings, OpenedSession};
use mcp_identity::{
    Caller, Clock as _, Password, RequestId, SystemClock, SystemEntropy, TokenHash, TokenId,
    UserName,
};
use mcp_password::{Algorithm, Asker, Hasher, Settings};
use mcp_store::{
    AccountStore as _, MemoryAccounts, MemoryTokens, StoredHash, TokenRecord, TokenSelector,
    TokenStore as _, UserRecord,
};
use tokio::task::JoinHandle;
use tower::{Layer, Service, ServiceExt as _};

pub(crate) type Answer = Response<Full<Bytes>>;

/// In the extensions of an answer: the handler was reached, and saw this `Authorization`.
#[derive(Clone)]
pub(crate) struct Reached {
    pub(crate) authorization: bool,
}

/// Answers 200 with the extensions of the request, so that a test can look at them.
pub(crate) fn show(request: Request<()>) -> Ready<Result<Answer, Infallible>> {
    let authorization = request.headers().contains_key(AUTHORIZATION);
    let mut response = Response::new(Full::default());
    *response.extensions_mut() = request.into_parts().0.extensions;
    response.extensions_mut().insert(Reached { authorization });
    ready(Ok(response))
}

/// Sends one request through one layer.
pub(crate) async fn through<L>(layer: &L, request: Request<()>) -> Answer
where
    L: Layer<tower::util::ServiceFn<fn(Request<()>) -> Ready<Result<Answer, Infallible>>>>,
    L::Service: Service<Request<()>, Response = Answer, Error = Infallible>,
{
    let handler: fn(_) -> _ = show;
    let Ok(answer) = layer.layer(tower::service_fn(handler)).oneshot(request).await;
    answer
}

pub(crate) fn reached(answer: &Answer) -> bool {
    answer.extensions().get::<Reached>().is_some()
}

/// Everything of an answer that a client can see, but for its request id.
pub(crate) async fn seen_by_client(answer: Answer) -> (StatusCode, Vec<(String, String)>, Bytes) {
    let (head, body) = answer.into_parts();
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let mut headers: Vec<_> =
        head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    headers.sort();
    (head.status, headers, body.collect().await.unwrap().to_bytes())
}

/// A keeper at work on tokens in memory.
pub(crate) struct House {
    pub(crate) store: Arc<MemoryTokens>,
    pub(crate) auth: Auth,
    pub(crate) keeping: JoinHandle<()>,
}

impl House {
    pub(crate) async fn with(tokens: &[&str]) -> Self {
        let store = Arc::new(MemoryTokens::new());
        for token in tokens {
            store.insert(record(token)).await.unwrap();
        }
        let (auth, keeper) = Auth::open(store.clone(), Arc::new(SystemClock)).await.unwrap();
        let keeping = tokio::spawn(keeper.run(std::future::pending()));
        Self { store, auth, keeping }
    }

    pub(crate) async fn keep_expired(&self, token: &str) {
        let expires_at = Some(SystemClock.now() - Duration::from_secs(1));
        self.store.insert(TokenRecord { expires_at, ..record(token) }).await.unwrap();
        self.auth.refresh().await.unwrap();
    }

    pub(crate) async fn revoke(&self, token: &str) {
        let id = TokenId::parse(token).unwrap();
        self.store.remove(TokenSelector::Id(id)).await.unwrap();
        self.auth.refresh().await.unwrap();
    }
}

/// The password of Alice.
pub(crate) const PASSWORD: &str = "correct horse battery staple";

/// A house in which Alice has an account, and her sessions last so long.
pub(crate) async fn house_of_alice(session_ttl: Duration) -> House {
    let (_, accounts) = alice(session_ttl).await;
    let store = Arc::new(MemoryTokens::new());
    let builder = Auth::builder(store.clone()).accounts(accounts);
    let (auth, keeper) = builder.open().await.unwrap();
    let keeping = tokio::spawn(keeper.run(std::future::pending()));
    House { store, auth, keeping }
}

/// The same, and another server of hers, whose keeper has heard of nothing as long as nobody runs
/// it.
pub(crate) async fn two_houses_of_alice() -> (House, Auth, Keeper) {
    let (people, accounts) = alice(Duration::from_hours(1)).await;
    let store = Arc::new(MemoryTokens::new());
    let builder = Auth::builder(store.clone()).accounts(accounts.clone());
    let (auth, keeper) = builder.open().await.unwrap();
    let keeping = tokio::spawn(keeper.run(std::future::pending()));
    let other = Auth::builder(store.clone()).accounts(accounts).shared(people);
    let (here, keeper) = other.open().await.unwrap();
    (House { store, auth, keeping }, here, keeper)
}

/// An account of Alice.
async fn alice(session_ttl: Duration) -> (Arc<MemoryAccounts>, Accounts) {
    let settings = Settings {
        workers: NonZeroUsize::MIN,
        queue_wait: Duration::from_hours(1),
        ..Settings::new(Algorithm::Bcrypt { cost: 4 })
    };
    let hasher = Arc::new(Hasher::start(&settings, Arc::new(SystemEntropy)).unwrap());
    let asker = Asker::new("alice", caller().address);
    let hash = hasher.hash(&asker, &Password::presented(PASSWORD.to_owned())).await.unwrap();
    let people = Arc::new(MemoryAccounts::new());
    let name = UserName::parse("alice").unwrap();
    let alice = UserRecord::new(name, StoredHash::new(hash.expose()), SystemClock.now());
    people.add_account(alice).await.unwrap();
    let settings =
        LoginSettings { session_ttl, min_response: Duration::ZERO, ..LoginSettings::default() };
    let accounts = Accounts { store: Arc::<MemoryAccounts>::clone(&people), hasher, settings };
    (people, accounts)
}

impl House {
    /// A session of Alice.
    pub(crate) async fn session(&self) -> OpenedSession {
        let password = Password::presented(PASSWORD.to_owned());
        let attempt = Attempt { name: "alice".to_owned(), password, caller: caller() };
        self.auth.log_in(&attempt).await.unwrap()
    }

    /// A session of Alice that she has ended.
    pub(crate) async fn ended_session(&self) -> OpenedSession {
        let opened = self.session().await;
        let token = opened.token.expose().as_bytes();
        let principal = self.auth.bearer(token, SystemClock.now()).unwrap();
        assert!(self.auth.log_out(&principal, &caller()).await.unwrap());
        opened
    }
}

/// Somebody who calls.
pub(crate) fn caller() -> Caller {
    let request_id = RequestId::from_bytes([0; 16]);
    Caller { address: [192, 0, 2, 1].into(), agent: None, request_id }
}

/// The record of a token: its id is the token's text.
fn record(token: &str) -> TokenRecord {
    let hash = TokenHash::of_presented(token.as_bytes());
    TokenRecord::new(TokenId::parse(token).unwrap(), hash, SystemClock.now())
}
