//! What the rest of the program sees of the hashing threads.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, thread};

use mcp_identity::{Entropy, EntropyError, Password};
use ring::hmac;

use crate::algorithm::{Algorithm, AlgorithmError};
use crate::asker::Asker;
use crate::labour::{self, Check, Hashing, Labour, Make};
use crate::pool::{Fingerprint, Pool};
use crate::stored::PasswordHash;
use crate::text::PasswordTextRejection;

/// Hashes and verifies passwords on a few threads of its own, at low priority, for everybody in
/// turn. Needs no runtime; its futures can be awaited on any.
///
/// At most 4 different passwords wait for one account and 16 for one address. Attempts in flight
/// with one password for one account share one verification. A future that is dropped gives its
/// place in the queue away only when its turn comes, and a hash that is being computed is computed
/// to its end: asking and leaving buys nothing.
///
/// Dropped, it is stopped; its threads end with the hash that each is at.
pub struct Hasher {
    pool: Arc<Pool>,
    algorithm: Algorithm,
    /// Stands in for the hash of an account that does not exist.
    dummy: PasswordHash,
    fingerprints: hmac::Key,
    entropy: Arc<dyn Entropy>,
}

/// How a [`Hasher`] works. Comes from `passwords` in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How new hashes are made.
    pub algorithm: Algorithm,
    /// How other hashes of the store may have been made, by another program or under an earlier
    /// configuration. An account that does not exist costs what the dearest of all costs.
    pub also_stored: Vec<Algorithm>,
    /// Threads that hash.
    pub workers: NonZeroUsize,
    /// How long an attempt waits for its turn before it is refused. An hour at most counts.
    pub queue_wait: Duration,
}

impl Settings {
    /// All but one core (and one at least), and two seconds of waiting.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            algorithm,
            also_stored: Vec::new(),
            workers: NonZeroUsize::new(cores - 1).unwrap_or(NonZeroUsize::MIN),
            queue_wait: Duration::from_secs(2),
        }
    }

    fn dearest(&self) -> Algorithm {
        let others = self.also_stored.iter().copied();
        others.fold(
            self.algorithm,
            |most, other| if other.work() > most.work() { other } else { most },
        )
    }
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// A parameter of an algorithm outside its bounds, or a system that gives no threads or no
    /// random bytes.
    pub fn start(settings: &Settings, entropy: Arc<dyn Entropy>) -> Result<Self, StartError> {
        Self::start_with(settings, entropy, Box::new(Hashing))
    }

    pub(crate) fn start_with(
        settings: &Settings,
        entropy: Arc<dyn Entropy>,
        labour: Box<dyn Labour>,
    ) -> Result<Self, StartError> {
        for algorithm in settings.also_stored.iter().chain([&settings.algorithm]) {
            algorithm.check()?;
        }
        let mut key = [0; 32];
        entropy.fill(&mut key)?;
        let hasher = Self {
            pool: Arc::new(Pool::new(settings.queue_wait, labour)),
            algorithm: settings.algorithm,
            dummy: labour::dummy(settings.dearest(), &*entropy)?,
            fingerprints: hmac::Key::new(hmac::HMAC_SHA256, &key),
            entropy,
        };
        // If this fails, dropping the hasher stops the threads that did start.
        Pool::start(&hasher.pool, settings.workers.get())?;
        Ok(hasher)
    }

    /// Is `password` the one that `stored` was made from? `None`, for an account that does not
    /// exist or has no password: the same work, and wrong.
    ///
    /// A password that no hash can have been made from (too long, with a NUL) is wrong, after the
    /// same work.
    ///
    /// # Errors
    /// When nothing was verified, which says nothing about the password and is no failed attempt.
    pub async fn verify(
        &self,
        asker: &Asker,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verdict, HasherError> {
        let check = Check::new(password, stored, &self.dummy);
        let fingerprint = self.fingerprint(asker, stored, &check);
        let waiting = self.pool.check(asker, check, fingerprint)?;
        waiting.await.unwrap_or(Err(HasherError::Failed))
    }

    /// A new hash, with the algorithm of the settings and a new salt. No policy is asked.
    ///
    /// # Errors
    /// [`HashError::Rejected`] for a password that cannot be hashed as it is; anything else is
    /// not about the password.
    pub async fn hash(
        &self,
        asker: &Asker,
        password: &Password,
    ) -> Result<PasswordHash, HashError> {
        let salt = labour::new_salt(&*self.entropy)?;
        let make = Make::new(password, self.algorithm, salt)?;
        let waiting = self.pool.make(asker, make)?;
        Ok(waiting.await.unwrap_or(Err(HasherError::Failed))?)
    }

    /// Is it weaker than what [`Hasher::hash`] makes?
    #[must_use]
    pub fn needs_rehash(&self, stored: &PasswordHash) -> bool {
        stored.needs_rehash(self.algorithm)
    }

    /// How new hashes are made.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Refuses what waits and whatever comes from now on. What is being computed is still
    /// answered. Does not wait.
    pub fn stop(&self) {
        self.pool.stop();
    }

    fn fingerprint(
        &self,
        asker: &Asker,
        stored: Option<&PasswordHash>,
        check: &Check,
    ) -> Fingerprint {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        let stored = stored.map_or("", PasswordHash::expose);
        // All passwords that cannot be right are one: a NUL is in none that can.
        let text = check.text().unwrap_or("\0");
        for part in [asker.account(), stored, text] {
            // The length first, so that no two lists of parts read the same.
            context.update(&part.len().to_be_bytes());
            context.update(part.as_bytes());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.sign().as_ref());
        fingerprint
    }
}

impl Drop for Hasher {
    fn drop(&mut self) {
        self.pool.stop();
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hasher").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// What came out of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// It is the password.
    Right,
    /// It is not, or there is no such account.
    Wrong,
}

impl Verdict {
    pub(crate) fn from_right(right: bool) -> Self {
        if right { Self::Right } else { Self::Wrong }
    }
}

/// Why nothing was hashed. Never about the password.
///
/// Matched exhaustively on purpose: each variant has a status of its own at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HasherError {
    /// Too much waits already, or this has waited for too long.
    #[error("too many passwords are waiting to be checked")]
    Busy {
        /// When to ask again. A second at least.
        retry_after: Duration,
    },
    /// The hasher has been stopped.
    #[error("passwords are no longer checked: stopping")]
    Stopped,
    /// There was no memory for it, or a bug: logged where it happened.
    #[error("a password hash could not be computed")]
    Failed,
}

/// Why there is no new hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The password cannot be hashed as it is: a mistake of whoever chose it.
    #[error(transparent)]
    Rejected(#[from] PasswordTextRejection),
    /// Nothing was hashed.
    #[error(transparent)]
    Hasher(#[from] HasherError),
    /// There was no salt.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

/// Why a [`Hasher`] did not start. The operator's mistake or the machine's; never a secret.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// `passwords` in the configuration asks for too little or too much.
    #[error(transparent)]
    Algorithm(#[from] AlgorithmError),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// No threads.
    #[error("could not start a hashing thread: {0}")]
    Threads(#[from] io::Error),
}

#[cfg(test)]
mod tests;
