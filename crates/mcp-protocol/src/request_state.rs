//! The state of a request that asked its client something (modern era): carried by the client,
//! sealed by the server.
//!
//! A client that is asked sends the same request again, with its answers and the state it was
//! given. The state holds the answers of the rounds before. It is sealed with ChaCha20-Poly1305
//! (RFC 8439), and bound to who asks, to the request, and to a time after which it is void; so a
//! client can neither read nor change it, nor use it for another request or another caller.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{Context as Digest, SHA256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Code, RpcError};

/// Seals and opens the states of requests made by callers of type `P`.
pub struct RequestStates<P> {
    key: LessSafeKey,
    surroundings: Box<dyn Surroundings<P>>,
}

/// What sealing needs to know and this crate cannot.
pub trait Surroundings<P>: Send + Sync {
    /// Who somebody is: the same text for the same caller, never for another.
    fn identity(&self, principal: &P) -> String;

    /// The time now, in seconds since 1970-01-01 UTC.
    fn now(&self) -> u64;

    /// Fills bytes with what nobody can predict; `false` if it cannot.
    fn fill(&self, bytes: &mut [u8]) -> bool;
}

/// The version of the sealed form; it stands in front and is sealed too.
const VERSION: &str = "v1.";
/// How long a client may take to answer, in seconds.
const LIFETIME: u64 = 3_600;
/// The most answers that are carried, in bytes.
const MAX_ANSWERS: usize = 64 * 1024;

#[derive(Serialize, Deserialize)]
struct Sealed {
    expires: u64,
    answers: BTreeMap<String, Value>,
}

/// What a request is bound to: its method, what it is about, and its arguments.
pub(crate) struct Binding<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) arguments: Option<&'a RawValue>,
}

/// The answers that came with a request, those of earlier rounds included.
#[derive(Debug, Default)]
pub(crate) struct Given {
    earlier: BTreeMap<String, Value>,
    now: BTreeMap<String, Value>,
}

impl Given {
    pub(crate) fn answer(&self, key: &str) -> Option<&Value> {
        self.now.get(key).or_else(|| self.earlier.get(key))
    }

    /// All answers, for the next round; a newer one replaces an older one.
    fn merged(&self) -> BTreeMap<String, Value> {
        let mut all = self.earlier.clone();
        all.extend(self.now.iter().map(|(key, answer)| (key.clone(), answer.clone())));
        all
    }
}

impl<P> RequestStates<P> {
    /// Seals with `key`. Servers that stand for each other share one; it should be random.
    /// `None` if the cipher does not take it, which it does.
    #[must_use]
    pub fn new(key: &[u8; 32], surroundings: impl Surroundings<P> + 'static) -> Option<Self> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, key).ok()?;
        Some(Self { key: LessSafeKey::new(key), surroundings: Box::new(surroundings) })
    }

    /// Reads what came along: `inputResponses` and `requestState`, each if there is one.
    pub(crate) fn open(
        &self,
        principal: &P,
        binding: &Binding<'_>,
        responses: Option<&RawValue>,
        state: Option<&str>,
    ) -> Result<Given, RpcError> {
        let now = match responses {
            None => BTreeMap::new(),
            Some(raw) => read_responses(raw)?,
        };
        let earlier = match state {
            None => BTreeMap::new(),
            Some(state) => self.unseal(principal, binding, state).ok_or_else(|| {
                RpcError::invalid_params(
                    "params.requestState is not one that this request was given, or has expired",
                )
            })?,
        };
        Ok(Given { earlier, now })
    }

    /// The state for the next round; an error if it grew too large or nothing random can be had.
    pub(crate) fn seal(
        &self,
        principal: &P,
        binding: &Binding<'_>,
        given: &Given,
    ) -> Result<String, RpcError> {
        let expires = self.surroundings.now().saturating_add(LIFETIME);
        let sealed = Sealed { expires, answers: given.merged() };
        let internal = || RpcError::new(Code::InternalError, "Internal error");
        let mut bytes = serde_json::to_vec(&sealed).map_err(|_| internal())?;
        if bytes.len() > MAX_ANSWERS {
            return Err(RpcError::invalid_params("the answers are too long to be carried on"));
        }
        let mut nonce = [0; NONCE_LEN];
        if !self.surroundings.fill(&mut nonce) {
            return Err(internal());
        }
        let aad = Aad::from(self.bound_to(principal, binding));
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .map_err(|_| internal())?;
        bytes.splice(..0, nonce);
        Ok(format!("{VERSION}{}", URL_SAFE_NO_PAD.encode(bytes)))
    }

    fn unseal(
        &self,
        principal: &P,
        binding: &Binding<'_>,
        state: &str,
    ) -> Option<BTreeMap<String, Value>> {
        if state.len() > 2 * MAX_ANSWERS {
            return None;
        }
        let mut bytes = URL_SAFE_NO_PAD.decode(state.strip_prefix(VERSION)?).ok()?;
        let (nonce, _) = bytes.split_first_chunk::<NONCE_LEN>()?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let aad = Aad::from(self.bound_to(principal, binding));
        let plain = self.key.open_within(nonce, aad, &mut bytes, NONCE_LEN..).ok()?;
        let sealed: Sealed = serde_json::from_slice(plain).ok()?;
        (sealed.expires >= self.surroundings.now()).then_some(sealed.answers)
    }

    /// A digest of all that a state is bound to. Each part carries its length, so that no two
    /// different requests make the same bytes.
    fn bound_to(&self, principal: &P, binding: &Binding<'_>) -> [u8; 32] {
        let identity = self.surroundings.identity(principal);
        // Key order and spaces are not part of a request: a client may write it anew.
        let arguments = binding.arguments.and_then(|raw| serde_json::from_str(raw.get()).ok());
        let arguments = arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
        let mut digest = Digest::new(&SHA256);
        for part in [VERSION, &identity, binding.method, binding.target, &arguments.to_string()] {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.finish().as_ref());
        bytes
    }
}

/// `inputResponses`: an object of objects.
fn read_responses(raw: &RawValue) -> Result<BTreeMap<String, Value>, RpcError> {
    let responses: Option<BTreeMap<String, Value>> = serde_json::from_str(raw.get()).ok();
    responses.filter(|responses| responses.values().all(Value::is_object)).ok_or_else(|| {
        RpcError::invalid_params("params.inputResponses must be an object of objects")
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use serde_json::json;

    use super::*;

    #[derive(Default)]
    struct Stage {
        clock: Arc<AtomicU64>,
        filled: AtomicU64,
    }

    impl Surroundings<u32> for Stage {
        fn identity(&self, principal: &u32) -> String {
            principal.to_string()
        }

        fn now(&self) -> u64 {
            self.clock.load(Ordering::Relaxed)
        }

        fn fill(&self, bytes: &mut [u8]) -> bool {
            bytes[..8].copy_from_slice(&self.filled.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            true
        }
    }

    fn states(clock: &Arc<AtomicU64>) -> RequestStates<u32> {
        let stage = Stage { clock: Arc::clone(clock), ..Stage::default() };
        RequestStates::new(&[7; 32], stage).unwrap()
    }

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.into()).unwrap()
    }

    fn binding<'a>(target: &'a str, arguments: &'a RawValue) -> Binding<'a> {
        Binding { method: "tools/call", target, arguments: Some(arguments) }
    }

    #[test]
    fn a_state_carries_the_answers_of_the_rounds_before() {
        let states = states(&Arc::default());
        let arguments = raw(r#"{"a":1,"b":2}"#);
        let responses = raw(r#"{"name":{"action":"accept"}}"#);
        let first = states.open(&1, &binding("t", &arguments), Some(&responses), None).unwrap();
        let state = states.seal(&1, &binding("t", &arguments), &first).unwrap();
        let again = raw(r#"{ "b": 2, "a": 1 }"#);
        let second = states.open(&1, &binding("t", &again), None, Some(&state)).unwrap();
        assert_eq!(second.answer("name"), Some(&json!({ "action": "accept" })));
        assert_eq!(second.answer("other"), None);
    }

    #[test]
    fn a_state_opens_for_its_caller_its_request_and_its_time_alone() {
        let clock = Arc::new(AtomicU64::new(1_000));
        let states = states(&clock);
        let arguments = raw(r#"{"a":1}"#);
        let bound = binding("t", &arguments);
        let state = states.seal(&1, &bound, &Given::default()).unwrap();
        assert!(states.open(&1, &bound, None, Some(&state)).is_ok());

        assert!(states.open(&2, &bound, None, Some(&state)).is_err());
        assert!(states.open(&1, &binding("u", &arguments), None, Some(&state)).is_err());
        assert!(states.open(&1, &binding("t", &raw(r#"{"a":2}"#)), None, Some(&state)).is_err());
        let other = Binding { method: "prompts/get", ..binding("t", &arguments) };
        assert!(states.open(&1, &other, None, Some(&state)).is_err());
        clock.store(1_000 + LIFETIME + 1, Ordering::Relaxed);
        assert!(states.open(&1, &bound, None, Some(&state)).is_err());
    }

    #[test]
    fn a_state_that_was_touched_anywhere_does_not_open() {
        let states = states(&Arc::default());
        let arguments = raw("{}");
        let bound = binding("t", &arguments);
        let state = states.seal(&1, &bound, &Given::default()).unwrap();
        for place in 0..state.len() {
            let mut touched = state.clone().into_bytes();
            touched[place] = if touched[place] == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(touched).unwrap();
            assert!(states.open(&1, &bound, None, Some(&touched)).is_err(), "{place}");
        }
        for other in ["", "v1.", "v2.AAAA", &format!("{state}-TAMPERED"), &state[..state.len() - 4]]
        {
            assert!(states.open(&1, &bound, None, Some(other)).is_err(), "{other}");
        }
    }

    #[test]
    fn two_states_of_the_same_request_differ() {
        let states = states(&Arc::default());
        let arguments = raw("{}");
        let bound = binding("t", &arguments);
        let seal = || states.seal(&1, &bound, &Given::default()).unwrap();
        assert_ne!(seal(), seal());
    }
}
