//! JSON Web Tokens (RFC 7519) of one kind: HS256, made here, read here.
//!
//! ```text
//!   length ──▶ three parts ──▶ signature ──▶ header, exactly ours ──▶ claims ──▶ times
//! ```
//!
//! Nothing of a token is parsed before its signature is right. The header chooses nothing: another
//! algorithm, a key that it brings or names (`jwk`, `jku`, `x5u`, `kid`), or any other member, and
//! the token is none of ours. The claims give no rights: they name a session, and its record says
//! what it opens.

mod claims;

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_identity::{CredentialFault, PlainToken, TokenHash, UserName};
use mcp_store::LoginSession;
use ring::hmac;
use serde::Deserialize;

use self::claims::Claims;
use super::Named;
use crate::settings::JwtSettings;

/// The longest token that is read or made, in bytes.
const MAX_BYTES: usize = 2_048;

/// How far the clocks of two servers that share a store may differ, in seconds. It lets nobody in
/// for longer: the end of a session is judged without it.
const SKEW: u64 = 30;

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// Makes and reads the tokens of one issuer.
pub(crate) struct Jwt {
    key: hmac::Key,
    issuer: String,
    audience: String,
}

/// The header: these members and no other, each once.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    alg: &'a str,
    typ: Option<&'a str>,
}

impl Jwt {
    pub(crate) fn new(settings: &JwtSettings) -> Self {
        let JwtSettings { secret, issuer, audience } = settings;
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
        Self { key, issuer: issuer.clone(), audience: audience.clone() }
    }

    /// The token of a session. `None`: with names that long it would be too long to be read.
    pub(crate) fn mint(&self, session: &LoginSession) -> Option<PlainToken> {
        let issued = seconds(session.created_at);
        let claims = Claims {
            iss: self.issuer.as_str().into(),
            sub: session.user.as_str().into(),
            aud: self.audience.as_str().into(),
            exp: seconds(session.expires_at),
            nbf: issued,
            iat: issued,
            jti: session.hash.to_hex().into(),
        };
        let payload = serde_json::to_string(&claims).ok()?;
        let mut token = URL_SAFE_NO_PAD.encode(HEADER);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = hmac::sign(&self.key, token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        (token.len() <= MAX_BYTES).then(|| PlainToken::presented(token))
    }

    /// Which session a token names, if it is ours and its time is `now`. Whether there is such a
    /// session, and whose, is for the index to say.
    pub(crate) fn read(&self, presented: &[u8], now: SystemTime) -> Result<Named, CredentialFault> {
        let payload = self.signed(presented).ok_or(CredentialFault::Unknown)?;
        let claims = Claims::parse(&payload).ok_or(CredentialFault::Unknown)?;
        let now = seconds(now);
        if claims.exp <= now {
            return Err(CredentialFault::Expired);
        }
        let ours = claims.iss == self.issuer && claims.aud == self.audience;
        let begun = claims.nbf.max(claims.iat) <= now.saturating_add(SKEW);
        let named = || {
            let session = TokenHash::parse_hex(&claims.jti).ok()?;
            Some(Named { session, user: UserName::parse(&claims.sub).ok()? })
        };
        (ours && begun).then(named).flatten().ok_or(CredentialFault::Unknown)
    }

    /// The payload of a token with our signature and our header.
    fn signed(&self, presented: &[u8]) -> Option<Vec<u8>> {
        if presented.len() > MAX_BYTES {
            return None;
        }
        let (signed, signature) = std::str::from_utf8(presented).ok()?.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        // The one way to write it: without padding, and with nothing in the bits left over.
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        hmac::verify(&self.key, signed.as_bytes(), &signature).ok()?;
        let header = URL_SAFE_NO_PAD.decode(header).ok()?;
        let Header { alg, typ } = serde_json::from_slice(&header).ok()?;
        // A list of the same values would do for serde.
        let ours = header.starts_with(b"{") && alg == "HS256" && typ.is_none_or(|typ| typ == "JWT");
        if ours { URL_SAFE_NO_PAD.decode(payload).ok() } else { None }
    }
}

/// Whole seconds since 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |age| age.as_secs())
}
