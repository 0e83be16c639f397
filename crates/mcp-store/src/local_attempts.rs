//! The book of attempts of a server that shares its accounts with no other.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use mcp_throttle::{
    AddressKey, Admission, Failure, Guess, LockoutPolicy, RateLimiter, Refusal, Verdict,
    VirtualLockouts,
};

use crate::account_store::{AccountStore, Login, OpenRejection, Opening};
use crate::attempt_ledger::{
    About, AddressPlace, Admitted, AttemptLedger, AttemptLimits, Beginning, Begun, Entered, Held,
    Sought,
};
use crate::token_store::{BoxFuture, StoreError};

/// Addresses and names of nobody in memory, accounts wherever they are.
pub struct LocalAttempts {
    accounts: Arc<dyn AccountStore>,
    addresses: RateLimiter<AddressKey>,
    nobody: VirtualLockouts<[u8; 32]>,
    guesses: Mutex<Guesses>,
}

/// The attempts in flight: as many as there are.
#[derive(Default)]
struct Guesses {
    by_number: HashMap<u64, Guess<AddressKey>>,
    last: u64,
}

impl LocalAttempts {
    /// Nothing was tried yet.
    #[must_use]
    pub fn new(accounts: Arc<dyn AccountStore>, limits: AttemptLimits) -> Self {
        let AttemptLimits { quota, lockout, keys } = limits;
        Self {
            accounts,
            addresses: RateLimiter::new(quota, keys),
            nobody: VirtualLockouts::new(lockout, keys),
            guesses: Mutex::default(),
        }
    }

    fn guesses(&self) -> MutexGuard<'_, Guesses> {
        self.guesses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn take(&self, attempt: Beginning<'_>) -> Result<Begun, StoreError> {
        let guess = match self.addresses.reserve(attempt.address, attempt.now) {
            // From here on a client who leaves has failed.
            Admission::Reserved(place) => place.begin(),
            Admission::Wait => return Ok(Begun::Wait),
            Admission::Refused(refusal) => return Ok(Begun::Refused(refusal)),
        };
        let login = match self.log_in(&attempt).await {
            Ok(login) => login,
            Err(error) => {
                guess.fell_through();
                return Err(error);
            }
        };
        let (account, verdict) = match login {
            Some(Login { account, verdict }) => (Some(account), verdict),
            None => (None, self.nobody.reserve(&attempt.digest, attempt.now)),
        };
        let ticket = match verdict {
            Verdict::Reserved(ticket) => Some(ticket),
            Verdict::Locked(_) => None,
            Verdict::Wait => {
                guess.fell_through();
                return Ok(Begun::Wait);
            }
        };
        let place = AddressPlace { address: attempt.address, number: self.guesses().keep(guess) };
        Ok(Begun::Admitted(Box::new(Admitted { place, account, ticket })))
    }

    async fn log_in(&self, attempt: &Beginning<'_>) -> Result<Option<Login>, StoreError> {
        let found;
        let name = match attempt.sought {
            Sought::Name(name) => name,
            Sought::Email(email) => {
                let Some(account) = self.accounts.find_email(email).await? else { return Ok(None) };
                found = account.record.name;
                &found
            }
            Sought::Nobody => return Ok(None),
        };
        self.accounts.find_login(name, attempt.policy, attempt.now).await
    }
}

impl Guesses {
    fn keep(&mut self, guess: Guess<AddressKey>) -> u64 {
        self.last += 1;
        self.by_number.insert(self.last, guess);
        self.last
    }
}

impl AttemptLedger for LocalAttempts {
    fn begin<'a>(&'a self, attempt: Beginning<'a>) -> BoxFuture<'a, Result<Begun, StoreError>> {
        Box::pin(self.take(attempt))
    }

    fn fail<'a>(
        &'a self,
        held: Held<'a>,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        // At once, whatever becomes of the account.
        self.abandon(held.place, now);
        Box::pin(async move {
            let Some(ticket) = held.ticket else { return Ok(Failure::Ignored) };
            match held.about {
                About::Account(name, made) => {
                    self.accounts.fail_login(name, made, ticket, policy, now).await
                }
                About::Nobody(digest) => Ok(self.nobody.failed(&digest, ticket, now)),
            }
        })
    }

    fn withdraw<'a>(&'a self, held: Held<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        self.release(held.place);
        Box::pin(async move {
            let Some(ticket) = held.ticket else { return Ok(()) };
            match held.about {
                About::Account(name, made) => {
                    self.accounts.withdraw_login(name, made, ticket).await
                }
                About::Nobody(digest) => {
                    self.nobody.withdrawn(&digest, ticket);
                    Ok(())
                }
            }
        })
    }

    fn open(
        &self,
        opening: Opening,
        place: Option<AddressPlace>,
    ) -> BoxFuture<'_, Result<Entered, OpenRejection>> {
        if let Some(place) = place {
            self.release(place);
        }
        Box::pin(async move { Ok(self.accounts.open_session(opening).await?.into()) })
    }

    fn look(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>> {
        let refusal = match self.addresses.reserve(address, now) {
            Admission::Reserved(_) | Admission::Wait => None,
            Admission::Refused(refusal) => Some(refusal),
        };
        Box::pin(async move { Ok(refusal) })
    }

    fn count(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>> {
        let refusal = self.addresses.count(address, now).err();
        Box::pin(async move { Ok(refusal) })
    }

    fn abandon(&self, place: AddressPlace, now: SystemTime) {
        let guess = self.guesses().by_number.remove(&place.number);
        if let Some(guess) = guess {
            guess.was_wrong(now);
        }
    }

    fn release(&self, place: AddressPlace) {
        let guess = self.guesses().by_number.remove(&place.number);
        if let Some(guess) = guess {
            guess.was_right();
        }
    }
}

/// Says nothing of those who tried.
impl fmt::Debug for LocalAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalAttempts(…)")
    }
}
