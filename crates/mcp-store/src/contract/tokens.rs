//! What every store of tokens promises.

use mcp_identity::{DatabaseName, DbRole, RoleName, TokenHash, TokenId, ToolName};

use super::{Dice, hold, must, second, told};
use crate::change::Change;
use crate::memory::MemoryTokens;
use crate::record::TokenRecord;
use crate::rotation::{RotateRejection, Rotated, Rotation};
use crate::token_store::{InsertRejection, RemoveRejection, TokenSelector, TokenStore};

/// Runs every check of a store of tokens, each on a new and empty store from `make`.
///
/// # Panics
/// When the store breaks a promise.
pub async fn all<S: TokenStore>(make: impl Fn() -> S) {
    an_empty_store_holds_nothing(&make()).await;
    records_are_kept_whole_and_in_order(&make()).await;
    a_taken_id_is_refused(&make()).await;
    a_taken_hash_is_refused(&make()).await;
    of_two_that_race_for_an_id_one_is_kept(&make()).await;
    a_rotated_record_ends_and_its_successor_takes_over(&make()).await;
    a_record_is_rotated_by_a_prefix_that_is_its_alone(&make()).await;
    what_cannot_be_rotated_stays_as_it_is(&make()).await;
    of_two_rotations_that_race_for_an_id_one_is_kept(&make()).await;
    a_record_is_removed_by_its_id(&make()).await;
    a_record_is_removed_by_a_prefix_that_is_its_alone(&make()).await;
    an_ambiguous_prefix_removes_nothing(&make()).await;
    what_is_no_prefix_removes_nothing(&make()).await;
    exactly_the_expired_are_removed(&make()).await;
    every_change_is_told(&make()).await;
    any_history_ends_as_in_memory(&make).await;
}

async fn an_empty_store_holds_nothing(store: &dyn TokenStore) {
    hold("a new store is empty", &read(store).await, &Vec::new());
    let found = store.find(hash_of(1)).await;
    hold("an empty store finds nothing", &found, &Ok(None));
    let removed = store.remove(TokenSelector::Id(id_of(1))).await;
    hold("an empty store removes nothing", &removed, &Err(RemoveRejection::NotFound));
    let expired = store.remove_expired(second(0)).await;
    hold("nothing expires in an empty store", &expired, &Ok(0));
}

async fn records_are_kept_whole_and_in_order(store: &dyn TokenStore) {
    // Neither the order of their ids nor of their hashes.
    let records = [plain(3), full(1), plain(2)];
    keep(store, &records).await;
    hold("all() gives every record, whole and in order", &read(store).await, &records.to_vec());
    for record in &records {
        let found = store.find(record.hash).await;
        hold("find() gives the record of a digest", &found, &Ok(Some(record.clone())));
    }
    let found = store.find(hash_of(9)).await;
    hold("find() gives nothing for a foreign digest", &found, &Ok(None));
}

async fn a_taken_id_is_refused(store: &dyn TokenStore) {
    keep(store, &[plain(1)]).await;
    let twin = TokenRecord { id: id_of(1), ..full(2) };
    let refused = store.insert(twin).await;
    hold("a second record of an id is refused", &refused, &Err(InsertRejection::IdTaken));
    hold("a refused id changes nothing", &read(store).await, &vec![plain(1)]);
}

async fn a_taken_hash_is_refused(store: &dyn TokenStore) {
    keep(store, &[plain(1)]).await;
    let twin = TokenRecord { hash: hash_of(1), ..full(2) };
    let refused = store.insert(twin).await;
    hold("a second record of a hash is refused", &refused, &Err(InsertRejection::HashTaken));
    hold("a refused hash changes nothing", &read(store).await, &vec![plain(1)]);
}

async fn of_two_that_race_for_an_id_one_is_kept(store: &dyn TokenStore) {
    let other = TokenRecord { hash: hash_of(2), ..plain(1) };
    let (one, two) = tokio::join!(store.insert(plain(1)), store.insert(other));
    let kept = usize::from(one.is_ok()) + usize::from(two.is_ok());
    hold("of two inserts that race for an id, one succeeds", &kept, &1);
    hold("of two inserts that race for an id, one is kept", &read(store).await.len(), &1);
}

async fn a_rotated_record_ends_and_its_successor_takes_over(store: &dyn TokenStore) {
    keep(store, &[plain(1), full(2), plain(3)]).await;
    let (rotation, by_id) = (rotation(4, 50, 60), TokenSelector::Id(id_of(2)));
    let promised = must(rotation.apply(&full(2)));
    let rotated = store.rotate(by_id, rotation).await;
    hold("rotate() gives both records", &rotated, &Ok(promised.clone()));
    let Rotated { old, new } = promised;
    let kept = vec![plain(1), old.clone(), plain(3), new.clone()];
    hold("the old one stays in its place, the new one is the last", &read(store).await, &kept);
    for record in [old, new] {
        let found = store.find(record.hash).await;
        hold("both are found until the old one is over", &found, &Ok(Some(record)));
    }
}

async fn a_record_is_rotated_by_a_prefix_that_is_its_alone(store: &dyn TokenStore) {
    keep(store, &[plain(1), plain(2)]).await;
    let prefix = hash_of(1).to_hex()[..TokenSelector::MIN_PREFIX].to_owned();
    let rotation = rotation(3, 50, 60);
    let promised = must(rotation.apply(&plain(1)));
    let rotated = store.rotate(TokenSelector::HashPrefix(prefix), rotation).await;
    hold("eight digits that are one record's alone rotate it", &rotated, &Ok(promised.clone()));
    let kept = vec![promised.old, plain(2), promised.new];
    hold("no other record is changed", &read(store).await, &kept);
}

async fn what_cannot_be_rotated_stays_as_it_is(store: &dyn TokenStore) {
    let over = TokenRecord { expires_at: Some(second(50)), ..plain(3) };
    let shared = [("00c0ffeea", 4), ("00c0ffeeb", 5)];
    let twins = shared.map(|(hash, n)| TokenRecord { hash: hash_from(hash), ..plain(n) });
    let [four, five] = twins;
    let records = [plain(1), plain(2), over, four, five];
    keep(store, &records).await;
    let refusals = [
        (id_of(9), rotation(8, 50, 60), RotateRejection::NotFound),
        (id_of(3), rotation(8, 50, 60), RotateRejection::Expired),
        (id_of(1), rotation(2, 50, 60), RotateRejection::IdTaken),
        (id_of(1), rotation(1, 50, 60), RotateRejection::IdTaken),
        (id_of(1), Rotation { id: id_of(8), ..rotation(2, 50, 60) }, RotateRejection::HashTaken),
        (id_of(1), Rotation { id: id_of(8), ..rotation(1, 50, 60) }, RotateRejection::HashTaken),
    ];
    for (named, rotation, rejection) in refusals {
        let sentence = format!("a rotation of {named} to {} is refused", rotation.id);
        let refused = store.rotate(TokenSelector::Id(named), rotation).await;
        // Where both are taken, a store may name either.
        let refused = refused.map_err(|refused| match (refused, &rejection) {
            (RotateRejection::HashTaken, RotateRejection::IdTaken) => RotateRejection::IdTaken,
            (refused, _) => refused,
        });
        hold(&sentence, &refused, &Err(rejection));
    }
    for (prefix, rejection) in [
        ("00c0ffee", RotateRejection::Ambiguous(2)),
        ("00c0ffe", RotateRejection::NotFound),
        ("%%%%%%%%", RotateRejection::NotFound),
    ] {
        let selector = TokenSelector::HashPrefix(prefix.to_owned());
        let refused = store.rotate(selector, rotation(8, 50, 60)).await;
        hold(&format!("{prefix:?} rotates nothing"), &refused, &Err(rejection));
    }
    hold("what is refused changes nothing", &read(store).await, &records.to_vec());
}

async fn of_two_rotations_that_race_for_an_id_one_is_kept(store: &dyn TokenStore) {
    keep(store, &[plain(1), plain(2)]).await;
    let other = Rotation { hash: hash_of(4), ..rotation(3, 50, 60) };
    let (one, two) = tokio::join!(
        store.rotate(TokenSelector::Id(id_of(1)), rotation(3, 50, 60)),
        store.rotate(TokenSelector::Id(id_of(2)), other)
    );
    let done = usize::from(one.is_ok()) + usize::from(two.is_ok());
    hold("of two rotations that race for an id, one succeeds", &done, &1);
    let records = read(store).await;
    hold("of two rotations that race for an id, one is kept", &records.len(), &3);
    let ending = records.iter().filter(|record| record.expires_at.is_some()).count();
    hold("the rotation that is refused ends nothing", &ending, &1);
}

async fn a_record_is_removed_by_its_id(store: &dyn TokenStore) {
    keep(store, &[plain(1), full(2), plain(3)]).await;
    let by_id = TokenSelector::Id(id_of(2));
    let removed = store.remove(by_id.clone()).await;
    hold("remove() by id gives the record", &removed, &Ok(full(2)));
    hold("the others stay in order", &read(store).await, &vec![plain(1), plain(3)]);
    let found = store.find(hash_of(2)).await;
    hold("a removed record is not found", &found, &Ok(None));
    let again = store.remove(by_id).await;
    hold("a record is removed once", &again, &Err(RemoveRejection::NotFound));
    let part = TokenSelector::Id(id("token-"));
    let refused = store.remove(part).await;
    hold("a part of an id is no id", &refused, &Err(RemoveRejection::NotFound));
}

async fn a_record_is_removed_by_a_prefix_that_is_its_alone(store: &dyn TokenStore) {
    keep(store, &[plain(1), plain(2)]).await;
    let shortest = hash_of(1).to_hex()[..TokenSelector::MIN_PREFIX].to_owned();
    let removed = store.remove(TokenSelector::HashPrefix(shortest)).await;
    hold("eight digits that are one record's alone remove it", &removed, &Ok(plain(1)));
    let whole = TokenSelector::HashPrefix(hash_of(2).to_hex());
    hold("a whole hash removes its record", &store.remove(whole).await, &Ok(plain(2)));
    hold("both are gone", &read(store).await, &Vec::new());
}

async fn an_ambiguous_prefix_removes_nothing(store: &dyn TokenStore) {
    let shared = "00c0ffee";
    let twins: Vec<_> = ["a", "b"]
        .iter()
        .zip(1..)
        .map(|(digit, n)| TokenRecord { hash: hash_from(&format!("{shared}{digit}")), ..plain(n) })
        .collect();
    keep(store, &twins).await;
    let refused = store.remove(TokenSelector::HashPrefix(shared.to_owned())).await;
    hold("a prefix of two is refused", &refused, &Err(RemoveRejection::Ambiguous(2)));
    hold("a prefix of two removes neither", &read(store).await, &twins);
    let longer = TokenSelector::HashPrefix(format!("{shared}b"));
    hold("one more digit tells them apart", &store.remove(longer).await, &Ok(twins[1].clone()));
}

async fn what_is_no_prefix_removes_nothing(store: &dyn TokenStore) {
    keep(store, &[plain(1)]).await;
    let hash = hash_of(1).to_hex();
    let too_short = &hash[..TokenSelector::MIN_PREFIX - 1];
    let too_long = format!("{hash}0");
    let from_the_middle = &hash[1..=TokenSelector::MIN_PREFIX + 8];
    // The last two are every hash, to a store that pastes them into a LIKE.
    for text in ["", too_short, &too_long, from_the_middle, "%%%%%%%%", "________"] {
        let refused = store.remove(TokenSelector::HashPrefix(text.to_owned())).await;
        let sentence = format!("{text:?} is the beginning of no hash");
        hold(&sentence, &refused, &Err(RemoveRejection::NotFound));
    }
    hold("what is no prefix removes nothing", &read(store).await, &vec![plain(1)]);
}

async fn exactly_the_expired_are_removed(store: &dyn TokenStore) {
    let ending = |n, end| TokenRecord { expires_at: Some(second(end)), ..plain(n) };
    let records = [ending(1, 100), plain(2), ending(3, 99), ending(4, 101)];
    keep(store, &records).await;
    let early = store.remove_expired(second(98)).await;
    hold("nothing is removed before its time", &early, &Ok(0));
    hold("all are there before their time", &read(store).await, &records.to_vec());
    let removed = store.remove_expired(second(100)).await;
    hold("a record is over at the instant it names", &removed, &Ok(2));
    let left = vec![records[1].clone(), records[3].clone()];
    hold("what is not over stays, in order", &read(store).await, &left);
}

async fn every_change_is_told(store: &dyn TokenStore) {
    let mut changes = store.changes();
    keep(store, &[plain(1)]).await;
    told(&mut changes, &[Change::Token(id_of(1))], "an insert is told").await;

    let mut changes = store.changes();
    let rotated = store.rotate(TokenSelector::Id(id_of(1)), rotation(3, 50, 60)).await;
    hold("the record is rotated", &rotated.is_ok(), &true);
    let both = [Change::Token(id_of(1)), Change::Token(id_of(3))];
    told(&mut changes, &both, "a rotation is told, of both records").await;

    let mut changes = store.changes();
    let removed = store.remove(TokenSelector::Id(id_of(1))).await;
    hold("the record is removed", &removed.is_ok(), &true);
    told(&mut changes, &[Change::Token(id_of(1))], "a removal is told").await;

    keep(store, &[TokenRecord { expires_at: Some(second(100)), ..plain(2) }]).await;
    let mut changes = store.changes();
    hold("the record is over", &store.remove_expired(second(100)).await, &Ok(1));
    told(&mut changes, &[Change::Token(id_of(2))], "the removal of the expired is told").await;
}

/// Some dozens of steps that collide often, here and in memory, with the same answers and the
/// same end; three times over.
async fn any_history_ends_as_in_memory<S: TokenStore>(make: impl Fn() -> S) {
    for seed in 1..=3 {
        let (store, twin) = (make(), MemoryTokens::new());
        let mut dice = Dice(seed);
        for step in 1..=40 {
            let (here, there) = (&store as &dyn TokenStore, &twin as &dyn TokenStore);
            same_step(here, there, &mut dice, &format!("history {seed}, step {step}")).await;
        }
        let sentence = format!("history {seed} ends as in memory");
        hold(&sentence, &read(&store).await, &read(&twin).await);
    }
}

async fn same_step(store: &dyn TokenStore, twin: &dyn TokenStore, dice: &mut Dice, place: &str) {
    let (n, other) = (dice.roll(6), dice.roll(6));
    match dice.roll(6) {
        0..=2 => {
            let expires_at = (dice.roll(2) == 0).then(|| second(dice.roll(100)));
            let record = TokenRecord { hash: hash_of(other), expires_at, ..full(n) };
            let (here, there) = (store.insert(record.clone()).await, twin.insert(record).await);
            // Where both are taken, a store may name either.
            hold(&format!("{place}: insert"), &here.is_ok(), &there.is_ok());
        }
        3 => {
            let selector = either(dice, n, other);
            let (here, there) = (store.remove(selector.clone()).await, twin.remove(selector).await);
            hold(&format!("{place}: remove"), &here, &there);
        }
        4 => {
            let (selector, at) = (either(dice, n, other), dice.roll(50));
            let rotation = rotation(dice.roll(6), at, at + dice.roll(50));
            let here = store.rotate(selector.clone(), rotation.clone()).await;
            let there = twin.rotate(selector, rotation).await;
            hold(&format!("{place}: rotate"), &here.ok(), &there.ok());
        }
        _ => {
            let now = second(dice.roll(50));
            let (here, there) = (store.remove_expired(now).await, twin.remove_expired(now).await);
            hold(&format!("{place}: remove_expired"), &here, &there);
        }
    }
}

/// By id or by prefix.
fn either(dice: &mut Dice, id: u64, hash: u64) -> TokenSelector {
    if dice.roll(2) == 0 {
        TokenSelector::HashPrefix(hash_of(hash).to_hex()[..9].to_owned())
    } else {
        TokenSelector::Id(id_of(id))
    }
}

async fn keep(store: &dyn TokenStore, records: &[TokenRecord]) {
    for record in records {
        hold("a new record is kept", &store.insert(record.clone()).await, &Ok(()));
    }
}

async fn read(store: &dyn TokenStore) -> Vec<TokenRecord> {
    match store.all().await {
        Ok(records) => records,
        Err(error) => panic!("contract broken: the store can be read: {error}"),
    }
}

/// A record without anything optional.
fn plain(n: u64) -> TokenRecord {
    TokenRecord::new(id_of(n), hash_of(n), second(n))
}

/// To a record of that number, at a time, with an end of the old one.
fn rotation(n: u64, at: u64, old_ends: u64) -> Rotation {
    Rotation { id: id_of(n), hash: hash_of(n), at: second(at), old_ends: second(old_ends) }
}

/// A record with everything optional, and a note that breaks careless writers.
fn full(n: u64) -> TokenRecord {
    TokenRecord {
        note: "it's: a \"note\", # with ümläuts & {more}\\n".to_owned(),
        database: Some(must(DatabaseName::parse("staging"))),
        expires_at: Some(second(4_000_000_000)),
        roles: ["admin", "viewer"].into_iter().map(|role| must(RoleName::parse(role))).collect(),
        db_role: Some(must(DbRole::parse("app reader"))),
        tools: Some([must(ToolName::parse("query_database"))].into()),
        read_only: true,
        ..plain(n)
    }
}

fn id_of(n: u64) -> TokenId {
    id(&format!("token-{n}"))
}

fn id(text: &str) -> TokenId {
    must(TokenId::parse(text))
}

/// Digests that differ from their first digit on, as real ones do.
fn hash_of(n: u64) -> TokenHash {
    TokenHash::of_presented(format!("contract-{n}").as_bytes())
}

fn hash_from(beginning: &str) -> TokenHash {
    must(TokenHash::parse_hex(&format!("{beginning:0<64}")))
}
