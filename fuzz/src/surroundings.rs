//! Time, randomness and callers, the same in every run: an input that fails does so again.

use std::sync::atomic::{AtomicU64, Ordering};

use mcp_identity::{Entropy, EntropyError, LeaseEnd, Principal, PrincipalId, TokenId};
use mcp_protocol::{RequestStates, Surroundings};

/// A source of bytes that never repeats itself, and is no secret.
#[derive(Default)]
pub struct Numbers(AtomicU64);

impl Numbers {
    fn write(&self, bytes: &mut [u8]) {
        let number = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = number[place % number.len()];
        }
    }
}

impl Entropy for Numbers {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.write(bytes);
        Ok(())
    }
}

#[derive(Default)]
struct Stage(Numbers);

impl Surroundings<Principal> for Stage {
    fn identity(&self, principal: &Principal) -> String {
        principal.id.to_string()
    }

    fn now(&self) -> u64 {
        1_000_000
    }

    fn fill(&self, bytes: &mut [u8]) -> bool {
        self.0.write(bytes);
        true
    }
}

/// States of requests, sealed with a key that is no secret.
#[must_use]
pub fn states() -> RequestStates<Principal> {
    RequestStates::new(&[7; 32], Stage::default()).expect("the cipher takes every key")
}

/// A caller of that name, for as long as the handle lives.
#[must_use]
pub fn principal(name: &str) -> (Principal, LeaseEnd) {
    let (mut principal, end) = Principal::local();
    principal.id = PrincipalId::Token(TokenId::parse(name).expect("the name of a token"));
    (principal, end)
}
