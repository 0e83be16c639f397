//! Let in, keep in, put out: who holds a good token, until the moment it stops being one.
//!
//! [`Auth`] answers the path of every request from memory: one SHA-256, one look-up, no lock, no
//! wait, no store. [`Keeper`] is its other half and the only one that changes the answer: it reads
//! the store again when word of a change comes, replaces the entry, and ends the old [`Lease`],
//! on which everything that acts for the caller waits. When the keeper stops, for whatever
//! reason, `Auth` refuses everyone. While a store cannot be read, what was read last holds: for
//! as long as [`AuthBuilder::stands_in`] says, and then nobody is let in and nobody refused
//! ([`Refusal::Down`]).
//!
//! Where other servers write to the stores, too, a credential that this one does not know is asked
//! for once before it is refused ([`AuthBuilder::shared`]). Whoever can wait for that asks
//! [`Authenticate::ask`].
//!
//! With [`Accounts`], people log in, too: [`Auth::log_in`] gives a session for a name and a
//! password, whose token opens the same doors. It tells nobody whether a name exists, and looks at
//! no more guesses than its limits say, however parallel they come.
//!
//! Nothing here knows HTTP (that is `mcp-auth-http`) and nothing is spawned: the owner of the
//! process runs the keeper.
//!
//! ```
//! use std::sync::Arc;
//! use mcp_auth::Auth;
//! # use mcp_identity::{Clock as _, PlainToken, SystemClock, SystemEntropy, TokenHash, TokenId};
//! # use mcp_store::{MemoryTokens, TokenRecord, TokenStore as _};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let token = PlainToken::generate(&SystemEntropy)?;
//! # let id = TokenId::parse("token-1")?;
//! # let store = Arc::new(MemoryTokens::new());
//! # store.insert(TokenRecord::new(id, TokenHash::of(&token), SystemClock.now())).await?;
//! let clock = Arc::new(SystemClock);
//! let (auth, keeper) = Auth::open(store, clock).await?;
//! let keeping = tokio::spawn(keeper.run(std::future::pending()));
//!
//! let principal = auth.bearer(token.expose().as_bytes(), SystemClock.now())?;
//! assert_eq!(principal.id.to_string(), "token:token-1");
//!
//! // Whoever acts for the principal stops when its lease ends; here, because the keeper stops.
//! keeping.abort();
//! principal.lease.ended().await;
//! assert!(auth.bearer(token.expose().as_bytes(), SystemClock.now()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! People:
//!
//! ```
//! use std::sync::Arc;
//! use mcp_auth::{Accounts, Attempt, Auth, LoginSettings};
//! # use mcp_identity::{Caller, Clock as _, Password, RequestId, SystemClock, SystemEntropy};
//! # use mcp_identity::UserName;
//! # use mcp_password::{Algorithm, Asker, Hasher, Settings};
//! # use mcp_store::{AccountStore as _, MemoryAccounts, MemoryTokens, StoredHash, UserRecord};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! # let settings = Settings::new(Algorithm::Bcrypt { cost: 4 });
//! # let hasher = Arc::new(Hasher::start(&settings, Arc::new(SystemEntropy))?);
//! # let (tokens, store) = (Arc::new(MemoryTokens::new()), Arc::new(MemoryAccounts::new()));
//! # let (name, address) = ("alice".to_owned(), [192, 0, 2, 1].into());
//! # let password = Password::presented("correct horse battery staple".to_owned());
//! # let hash = hasher.hash(&Asker::new("alice", address), &password).await?;
//! # let hash = StoredHash::new(hash.expose());
//! # let alice = UserRecord::new(UserName::parse(&name)?, hash, SystemClock.now());
//! # store.add_account(alice).await?;
//! # let caller = Caller { address, agent: None, request_id: RequestId::from_bytes([0; 16]) };
//! let accounts = Accounts { store, hasher, settings: LoginSettings::default() };
//! let (auth, keeper) = Auth::builder(tokens).accounts(accounts).open().await?;
//! let keeping = tokio::spawn(keeper.run(std::future::pending()));
//!
//! let opened = auth.log_in(&Attempt { name, password, caller: caller.clone() }).await?;
//! let principal = auth.bearer(opened.token.expose().as_bytes(), SystemClock.now())?;
//! assert_eq!(principal.user, Some(opened.user));
//!
//! auth.log_out(&principal, &caller).await?;
//! assert!(principal.lease.is_ended());
//! # drop(keeping);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`Lease`]: mcp_identity::Lease

#![warn(missing_docs)]

mod auth;
mod authenticate;
mod builder;
mod check;
mod credential;
mod elsewhere;
mod in_time;
mod index;
mod keeper;
mod ledger;
mod login;
mod opened;
mod passwords;
mod people;
mod recorder;
mod refusal;
mod reread;
mod settings;
mod share;
mod watched;

pub use auth::{Auth, OpenError, RefreshError};
pub use authenticate::{Answer, Asked, Authenticate, OpenDoor, PasswordChangeDoor};
pub use builder::AuthBuilder;
pub use credential::Issue;
pub use keeper::Keeper;
pub use login::{Attempt, LoginRejection, OpenedSession};
pub use refusal::Refusal;
#[cfg(feature = "jwt")]
pub use settings::JwtSettings;
pub use settings::{Accounts, LoginSettings};
