//! What every store promises that servers share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, TokenId};

use super::accounts::people::{keep, log_in, minute, plain, read_one, user};
use super::{hold, must};
use crate::account::{AdminsLeft, LoginSession, SessionSelector};
use crate::account_store::AccountStore;
use crate::change::Change;
use crate::record::TokenRecord;
use crate::shared_store::SharedStore;
use crate::token_store::{TokenSelector, TokenStore};

/// Runs every check of a store that servers share, each on new and empty ones from `make`: where
/// accounts are, where tokens are, and what is asked for both.
///
/// # Panics
/// When the store breaks a promise.
pub async fn shared<A: AccountStore, T: TokenStore, S: SharedStore>(
    make: impl AsyncFn() -> (Arc<A>, Arc<T>, S),
) {
    let (accounts, tokens, shared) = make().await;
    what_is_held_is_found_by_its_digest(&*accounts, &*tokens, &shared).await;
    let (accounts, tokens, shared) = make().await;
    what_has_ended_is_not_found(&*accounts, &*tokens, &shared).await;
    let (accounts, tokens, shared) = make().await;
    what_is_over_is_not_found(&*accounts, &*tokens, &shared).await;
}

fn token(n: u64) -> TokenRecord {
    let id = must(TokenId::parse(&format!("token-{n}")));
    TokenRecord::new(id, TokenHash::of_presented(format!("shared-{n}").as_bytes()), minute(0))
}

async fn add(store: &dyn TokenStore, records: &[TokenRecord]) {
    for record in records {
        hold("a new token is kept", &store.insert(record.clone()).await, &Ok(()));
    }
}

async fn found(
    sentence: &str,
    shared: &dyn SharedStore,
    hashes: &[TokenHash],
    now: SystemTime,
    promised: &[Change],
) {
    let found = shared.changes_behind(hashes, now).await.map(|mut changes| {
        changes.sort_by_key(|change| format!("{change:?}"));
        changes
    });
    hold(sentence, &found, &Ok(promised.to_vec()));
}

async fn what_is_held_is_found_by_its_digest(
    accounts: &dyn AccountStore,
    tokens: &dyn TokenStore,
    shared: &dyn SharedStore,
) {
    let foreign = TokenHash::of_presented(b"nobody's");
    found("nothing is found of nothing", shared, &[], minute(9), &[]).await;
    found("nothing is found in an empty store", shared, &[foreign], minute(9), &[]).await;
    keep(accounts, [plain(1), plain(2)]).await;
    let one = log_in(accounts, &plain(1), 1).await;
    let two = log_in(accounts, &plain(2), 2).await;
    log_in(accounts, &plain(2), 3).await;
    add(tokens, &[token(1), token(2), token(3)]).await;
    let of = |session: &LoginSession| Change::Session(session.id.clone());
    let of_token = |n| Change::Token(token(n).id);
    let sentence = "a session is found by its digest";
    found(sentence, shared, &[one.hash], minute(9), &[of(&one)]).await;
    let sentence = "a token is found by its digest";
    found(sentence, shared, &[token(2).hash], minute(9), &[of_token(2)]).await;
    // One of them twice.
    let asked = [two.hash, token(1).hash, foreign, one.hash, token(3).hash, two.hash];
    let promised = [of(&one), of(&two), of_token(1), of_token(3)];
    let sentence = "exactly what has one of the digests is found, once";
    found(sentence, shared, &asked, minute(9), &promised).await;
    found("a foreign digest finds nothing", shared, &[foreign], minute(9), &[]).await;
}

async fn what_has_ended_is_not_found(
    accounts: &dyn AccountStore,
    tokens: &dyn TokenStore,
    shared: &dyn SharedStore,
) {
    keep(accounts, [plain(1), plain(2)]).await;
    let ended = log_in(accounts, &plain(1), 1).await;
    let deleted = log_in(accounts, &plain(2), 2).await;
    add(tokens, &[token(1)]).await;
    let all = [ended.hash, deleted.hash, token(1).hash];
    let seen = shared.changes_behind(&all, minute(9)).await.map(|changes| changes.len());
    hold("all are found while they hold", &seen, &Ok(3));
    let ending = accounts.end_sessions(SessionSelector::Id(ended.id.clone())).await;
    hold("the session ends", &ending, &Ok(vec![ended]));
    let record = read_one(accounts, &user(2)).await.record;
    hold(
        "the account is deleted",
        &accounts.delete_account(&user(2), AdminsLeft::MayBeNone).await,
        &Ok(record),
    );
    let removed = tokens.remove(TokenSelector::Id(token(1).id)).await;
    hold("the token is removed", &removed, &Ok(token(1)));
    found("what has ended is not found", shared, &all, minute(9), &[]).await;
}

async fn what_is_over_is_not_found(
    accounts: &dyn AccountStore,
    tokens: &dyn TokenStore,
    shared: &dyn SharedStore,
) {
    keep(accounts, [plain(1)]).await;
    let session = log_in(accounts, &plain(1), 1).await;
    let end = session.expires_at;
    add(tokens, &[TokenRecord { expires_at: Some(end), ..token(1) }]).await;
    let both = [session.hash, token(1).hash];
    let promised = [Change::Session(session.id), Change::Token(token(1).id)];
    let before = end - Duration::from_secs(1);
    found("what is not over is found", shared, &both, before, &promised).await;
    found("what is over is not found", shared, &both, end, &[]).await;
}
