//! A link for a new password: its secret, and where it leads.

use std::fmt;
use std::time::{Duration, SystemTime};

use mcp_identity::{Entropy, EntropyError, PlainToken, TokenHash, UserName};
use mcp_store::{Minting, RecoveryStore, StoreError, UserRecord, Whom};

use crate::contact;

/// A link that was minted: to be shown to whom it is for, once.
pub struct MintedLink {
    /// The account as it is.
    pub record: UserRecord,
    /// The first instant at which the link no longer holds.
    pub expires_at: SystemTime,
    url: PlainToken,
}

impl MintedLink {
    /// The link itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.url.expose()
    }
}

impl fmt::Debug for MintedLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MintedLink").field("user", &self.record.name).finish_non_exhaustive()
    }
}

/// Why there is no link.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MintRejection {
    /// Nobody has this name or address, or the account is disabled.
    #[error("there is no such account, or it is disabled")]
    NotFound,
    /// The random source failed.
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Mints a link for an account, and voids those that it had. `public_url` is where people reach
/// the server.
///
/// # Errors
/// [`MintRejection`]; nothing is voided then.
pub async fn mint_link(
    store: &dyn RecoveryStore,
    entropy: &dyn Entropy,
    whom: Whom,
    public_url: &str,
    now: SystemTime,
    life: Duration,
) -> Result<MintedLink, MintRejection> {
    let token = PlainToken::generate(entropy)?;
    // What ends in `=` is cut there by some programs that make links of text.
    let secret = token.expose().trim_end_matches('=');
    let hash = TokenHash::of_presented(secret.as_bytes());
    // A clock at the end of time mints what is over.
    let expires_at = now.checked_add(life).unwrap_or(now);
    let minting = |whom| Minting { whom, hash, now, expires_at };
    let kept_form = in_kept_form(&whom);
    let mut minted = store.mint_reset(minting(whom)).await?;
    if let (None, Some(whom)) = (&minted, kept_form) {
        minted = store.mint_reset(minting(whom)).await?;
    }
    let record = minted.ok_or(MintRejection::NotFound)?;
    let base = public_url.trim_end_matches('/');
    let url = PlainToken::presented(format!("{base}/admin/reset-password/{secret}"));
    Ok(MintedLink { record, expires_at, url })
}

/// An address in the form in which it is kept, if it was typed in another: what an operator wrote
/// by hand may be kept as it was typed, so that one is looked for first.
fn in_kept_form(whom: &Whom) -> Option<Whom> {
    match whom {
        Whom::User(_) => None,
        Whom::Address(typed) => {
            contact::email(typed).filter(|kept| kept != typed).map(Whom::Address)
        }
    }
}

/// The hash of a secret as somebody presents it; `None`: it cannot be one.
pub(super) fn hash_of(presented: &str) -> Option<TokenHash> {
    const SHAPE: std::ops::RangeInclusive<usize> = 1..=128;
    let fits = SHAPE.contains(&presented.len());
    fits.then(|| TokenHash::of_presented(presented.trim_end_matches('=').as_bytes()))
}

/// How an account is found for a link: what has an `@` is an address, and all else a name.
#[must_use]
pub(super) fn whom(text: &str) -> Option<Whom> {
    if text.contains('@') {
        return Some(Whom::Address(text.to_owned()));
    }
    UserName::parse(text).ok().map(Whom::User)
}
