//! Time and random bytes, as arguments.

use std::time::SystemTime;

use ring::rand::{SecureRandom, SystemRandom};

/// The wall clock. Only the owner of a loop or a process holds one; everything below takes `now`.
pub trait Clock: Send + Sync {
    /// The time now, in UTC. May jump in either direction; nothing may depend on it being monotonic.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that asks the system for the time"
    )]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A source of bytes that nobody can predict.
pub trait Entropy: Send + Sync {
    /// Fills the whole of `bytes`.
    ///
    /// # Errors
    /// When the source cannot give that many bytes; `bytes` must not be used then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError>;
}

/// The random source of the operating system (`getrandom` on Linux), by way of ring.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        SystemRandom::new().fill(bytes).map_err(|_| EntropyError)
    }
}

/// The random source gave nothing. Whoever meets this makes no secret at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system's random source failed")]
pub struct EntropyError;
