//! Where a list goes on: sealed, so that nobody makes one up or uses another's.
//!
//! ```text
//!   base64url( version 1 | first 16 bytes of HMAC-SHA-256(principal, last) | last )
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_identity::{Entropy, EntropyError, PrincipalId};
use ring::hmac;
use subtle::ConstantTimeEq as _;

const VERSION: u8 = 1;
const SEAL: usize = 16;

/// Makes cursors and reads its own. The key is this process's: after a restart a list is begun anew.
pub(crate) struct Cursors(hmac::Key);

impl Cursors {
    pub(crate) fn new(entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut secret = [0; 32];
        entropy.fill(&mut secret)?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// The cursor behind `last`, for that principal alone.
    pub(crate) fn seal(&self, to: &PrincipalId, last: &str) -> String {
        let mut cursor = vec![VERSION];
        cursor.extend_from_slice(&self.tag(to, last));
        cursor.extend_from_slice(last.as_bytes());
        URL_SAFE_NO_PAD.encode(cursor)
    }

    /// What it stands behind. `None`: it is not one of ours, or another's.
    pub(crate) fn open(&self, of: &PrincipalId, cursor: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (version, rest) = bytes.split_first()?;
        let (seal, last) = rest.split_at_checked(SEAL)?;
        let last = std::str::from_utf8(last).ok()?;
        let is_ours = *version == VERSION && bool::from(seal.ct_eq(&self.tag(of, last)));
        is_ours.then(|| last.to_owned())
    }

    fn tag(&self, principal: &PrincipalId, last: &str) -> [u8; SEAL] {
        let mut context = hmac::Context::with_key(&self.0);
        let principal = principal.to_string();
        // The length first, so that no two pairs read the same.
        context.update(&principal.len().to_be_bytes());
        context.update(principal.as_bytes());
        context.update(last.as_bytes());
        let mut tag = [0; SEAL];
        tag.copy_from_slice(&context.sign().as_ref()[..SEAL]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use mcp_identity::{SessionId, SystemEntropy};

    use super::*;

    fn session(n: u8) -> PrincipalId {
        PrincipalId::Session(SessionId::from_bytes([n; 8]))
    }

    #[test]
    fn a_cursor_is_read_by_whom_it_was_made_for_and_by_nobody_else() {
        let cursors = Cursors::new(&SystemEntropy).unwrap();
        let cursor = cursors.seal(&session(1), "étienne");
        assert_eq!(cursors.open(&session(1), &cursor).as_deref(), Some("étienne"));
        assert_eq!(cursors.open(&session(2), &cursor), None);
        let restarted = Cursors::new(&SystemEntropy).unwrap();
        assert_eq!(restarted.open(&session(1), &cursor), None);
    }

    #[test]
    fn no_bit_of_a_cursor_can_be_changed() {
        let cursors = Cursors::new(&SystemEntropy).unwrap();
        let sealed = URL_SAFE_NO_PAD.decode(cursors.seal(&session(1), "alice")).unwrap();
        for place in 0..sealed.len() * 8 {
            let mut bent = sealed.clone();
            bent[place / 8] ^= 1 << (place % 8);
            assert_eq!(cursors.open(&session(1), &URL_SAFE_NO_PAD.encode(bent)), None, "{place}");
        }
        for nothing in ["", "AQ", "not a cursor", "AQAAAAAAAAAAAAAAAAAAAAAA"] {
            assert_eq!(cursors.open(&session(1), nothing), None, "{nothing}");
        }
    }
}
