//! What every store promises of letters to be sent and of links for a new password.

use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, UserName};
use mcp_throttle::Lock;

use super::past::past;
use super::people::{
    addressed, edit, fail, keep, log_in, minute, password, plain, policy, read_one, read_sessions,
    session_id, user,
};
use super::races::{successes, together};
use crate::account::{AdminsLeft, StoredHash, UserEdit, UserRecord};
use crate::change::Change;
use crate::contract::{hold, told};
use crate::recovery_store::{
    FARTHEST, LetterMatter, Minting, QueuedLetter, REMEMBERED, RecoveryStore, ResetLook,
    SpendRejection, Spending, Spent, Whom,
};

const EMAIL: &str = "User.1@Example.org";

/// Runs every check of a store of letters and links, each on a new and empty store from `make`.
///
/// # Panics
/// When the store breaks a promise.
pub async fn recovery<S: RecoveryStore>(make: impl AsyncFn() -> S) {
    letters_are_taken_in_the_order_in_which_they_are_due(&make().await).await;
    a_letter_is_one_takers_until_his_time_is_over(&make().await).await;
    a_clock_that_went_back_keeps_no_letter(&make().await).await;
    of_those_who_race_for_letters_each_gets_another(&make().await).await;
    a_link_is_minted_for_the_account_it_is_for_and_nobody_else(&make().await).await;
    looking_at_a_link_changes_nothing(&make().await).await;
    a_newer_link_voids_the_older(&make().await).await;
    a_link_is_void_once_its_account_changed(&make().await).await;
    a_link_that_is_over_is_told_from_one_that_never_was(&make().await).await;
    a_link_sets_the_password_once(&make().await).await;
    a_link_lifts_a_lock_and_ends_the_sessions(&make().await).await;
    sessions_stay_where_that_is_asked_for(&make().await).await;
    of_fifty_who_spend_a_link_one_does(&make().await).await;
    a_link_remembers_the_password_that_goes(&make().await).await;
    a_link_is_not_spent_over_a_password_that_nobody_looked_at(&make().await).await;
}

async fn letters_are_taken_in_the_order_in_which_they_are_due(store: &dyn RecoveryStore) {
    hold("nothing waits in a new store", &take(store, 1, 2).await, &None);
    let matters = [
        LetterMatter::ResetLink("Nobody@Example.org".to_owned()),
        LetterMatter::PasswordReset(user(1)),
        LetterMatter::Locked(user(2)),
    ];
    for (matter, n) in matters.iter().zip([3, 1, 2]) {
        ask(store, matter.clone(), minute(n)).await;
    }
    hold("a letter is not due before it is asked for", &take(store, 0, 1).await, &None);
    let [link, word, lock] = &matters;
    for (matter, n) in [(word, 1), (lock, 2), (link, 3)] {
        let taken = must_take(store, 3, 9).await;
        hold("letters are taken as they are due", &taken.matter, matter);
        hold("a letter tells when it was asked for", &taken.asked_at, &minute(n));
        hold("the first attempt is the first", &taken.claim.attempt, &1);
    }
    hold("what is taken is not there", &take(store, 3, 9).await, &None);
}

async fn a_letter_is_one_takers_until_his_time_is_over(store: &dyn RecoveryStore) {
    ask(store, LetterMatter::Locked(user(1)), minute(1)).await;
    let first = must_take(store, 1, 5).await;
    hold("a letter that is taken is nobody else's", &take(store, 4, 9).await, &None);
    let second = must_take(store, 5, 9).await;
    hold("a taker whose time is over has a successor", &second.claim.attempt, &2);
    let late = store.postpone_letter(first.claim, minute(1)).await;
    hold("who is late does not put a letter off", &late, &Ok(false));
    let late = store.finish_letter(first.claim).await;
    hold("who is late does not take a letter away", &late, &Ok(false));
    let put_off = store.postpone_letter(second.claim, minute(7)).await;
    hold("its taker puts it off", &put_off, &Ok(true));
    hold("what was put off is not due before", &take(store, 6, 9).await, &None);
    let third = must_take(store, 7, 9).await;
    let finished = store.finish_letter(third.claim).await;
    hold("its taker takes it away", &finished, &Ok(true));
    hold("what was taken away is gone", &take(store, 60, 61).await, &None);
}

async fn a_clock_that_went_back_keeps_no_letter(store: &dyn RecoveryStore) {
    let ahead = minute(1) + FARTHEST + Duration::from_secs(1);
    ask(store, LetterMatter::Locked(user(1)), ahead).await;
    let taken = must_take(store, 1, 2).await;
    hold("a letter from beyond tomorrow is due", &taken.asked_at, &ahead);
}

async fn of_those_who_race_for_letters_each_gets_another(store: &dyn RecoveryStore) {
    for n in 0..10 {
        ask(store, LetterMatter::ResetLink(format!("{n}@example.org")), minute(1)).await;
    }
    let taken = together((0..20).map(|_| store.claim_letter(minute(1), minute(9)))).await;
    let mut numbers: Vec<_> =
        taken.into_iter().flatten().flatten().map(|letter| letter.claim.letter).collect();
    numbers.sort_unstable();
    numbers.dedup();
    // A store may tell some of those who come at once that there is nothing just now.
    while let Some(letter) = take(store, 1, 9).await {
        numbers.push(letter.claim.letter);
    }
    numbers.sort_unstable();
    let all = numbers.len();
    numbers.dedup();
    hold("each letter is taken once", &(all, numbers.len()), &(10, 10));
}

async fn a_link_is_minted_for_the_account_it_is_for_and_nobody_else(store: &dyn RecoveryStore) {
    keep(store, [addressed(1, EMAIL), addressed(2, "two@example.org"), plain(3)]).await;
    let by_name = mint(store, Whom::User(user(3)), 1).await;
    hold("an account needs no address for a link of an admin's", &by_name, &Some(plain(3)));
    let upper = Whom::Address(EMAIL.to_uppercase());
    let by_address = mint(store, upper, 2).await;
    hold("an address is found in upper and lower case", &by_address, &Some(addressed(1, EMAIL)));
    hold("the link is that account's", &look(store, 2).await, &valid(1, 2));
    for nobody in ["nobody@example.org", "", "User 1"] {
        let minted = mint(store, Whom::Address(nobody.to_owned()), 3).await;
        hold("nobody has no link", &minted, &None);
    }
    hold("what was minted for nobody is no link", &look(store, 3).await, &ResetLook::Invalid);
    let disabling = UserEdit { enabled: Some(false), ..UserEdit::default() };
    let _ = edit(store, &user(2), disabling).await;
    let disabled = mint(store, Whom::User(user(2)), 4).await;
    hold("who is disabled has no link", &disabled, &None);
}

async fn looking_at_a_link_changes_nothing(store: &dyn RecoveryStore) {
    keep(store, [addressed(1, EMAIL)]).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    for _ in 0..3 {
        hold("a link is as good as before it was looked at", &look(store, 1).await, &valid(1, 1));
    }
    hold("it is spent all the same", &spend(store, 1, 2).await.is_ok(), &true);
}

async fn a_newer_link_voids_the_older(store: &dyn RecoveryStore) {
    keep(store, [addressed(1, EMAIL), plain(2)]).await;
    let _ = mint(store, Whom::User(user(2)), 9).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let _ = mint(store, Whom::Address(EMAIL.to_owned()), 2).await;
    hold("a newer link voids the older", &look(store, 1).await, &ResetLook::Invalid);
    let void = spend(store, 1, 3).await;
    hold("a void link is not spent", &void, &Err(SpendRejection::Invalid));
    hold("the newer one holds", &look(store, 2).await, &valid(1, 2));
    hold("another account's is none of its business", &look(store, 9).await, &valid(2, 9));
}

async fn a_link_is_void_once_its_account_changed(store: &dyn RecoveryStore) {
    let edits = [
        UserEdit { password: Some(password(7)), ..UserEdit::default() },
        UserEdit { email: Some(Some("new@example.org".to_owned())), ..UserEdit::default() },
        UserEdit { enabled: Some(false), ..UserEdit::default() },
    ];
    for (n, change) in (1..).zip(edits) {
        keep(store, [addressed(n, &format!("{n}@example.org"))]).await;
        let _ = mint(store, Whom::User(user(n)), n).await;
        let _ = edit(store, &user(n), change.clone()).await;
        let sentence = format!("a link is void after {change:?}");
        hold(&sentence, &look(store, n).await, &ResetLook::Invalid);
        hold(&sentence, &spend(store, n, 9).await, &Err(SpendRejection::Invalid));
    }
    keep(store, [plain(5)]).await;
    let _ = mint(store, Whom::User(user(5)), 5).await;
    hold(
        "the account is deleted",
        &store.delete_account(&user(5), AdminsLeft::MayBeNone).await.is_ok(),
        &true,
    );
    keep(store, [UserRecord { created_at: minute(0), ..plain(5) }]).await;
    hold("who is made again inherits no link", &look(store, 5).await, &ResetLook::Invalid);
    let inherited = spend(store, 5, 9).await;
    hold("who is made again inherits no link", &inherited, &Err(SpendRejection::Invalid));
}

async fn a_link_that_is_over_is_told_from_one_that_never_was(store: &dyn RecoveryStore) {
    keep(store, [plain(1), plain(2)]).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let end = minted(1) + HOUR;
    let last = store.look_at_reset(secret(1), end - Duration::from_secs(1)).await;
    hold("a link holds until its time is over", &last, &Ok(valid(1, 1)));
    let over = store.look_at_reset(secret(1), end).await;
    hold("a link is over at the instant it names", &over, &Ok(ResetLook::Expired));
    let spent = store.spend_reset(Spending { now: end, ..spending(1, 5) }).await;
    hold("a link that is over is not spent", &spent, &Err(SpendRejection::Expired));
    let before = read_one(store, &user(1)).await.record;
    hold("nothing changed", &before, &plain(1));
    // Whoever mints forgets what was over long before.
    let much_later = end + REMEMBERED + Duration::from_secs(1);
    let minting = Minting { now: much_later, ..minting(Whom::User(user(2)), 2) };
    hold("a link is minted", &store.mint_reset(minting).await, &Ok(Some(plain(2))));
    let forgotten = store.look_at_reset(secret(1), much_later).await;
    hold("what was over for a day is forgotten", &forgotten, &Ok(ResetLook::Invalid));
}

async fn a_link_sets_the_password_once(store: &dyn RecoveryStore) {
    keep(store, [UserRecord { must_change_password: true, ..addressed(1, EMAIL) }]).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let mut changes = store.changes();
    let reset = UserRecord { password: password(5), ..addressed(1, EMAIL) };
    let spent = spend(store, 1, 5).await;
    let expected = Spent { record: reset.clone(), ended: Vec::new() };
    hold("a link sets the password", &spent, &Ok(expected));
    told(&mut changes, &[Change::User(user(1))], "a password that is reset is told").await;
    hold("the password is set", &read_one(store, &user(1)).await.record, &reset);
    hold("a link that was spent is none", &look(store, 1).await, &ResetLook::Invalid);
    hold("a link is spent once", &spend(store, 1, 6).await, &Err(SpendRejection::Invalid));
    hold("nothing else changed", &read_one(store, &user(1)).await.record, &reset);
    let word = must_take(store, 90, 91).await;
    hold("word of it waits", &word.matter, &LetterMatter::PasswordReset(user(1)));
    hold("one word", &take(store, 90, 91).await, &None);
}

async fn a_link_lifts_a_lock_and_ends_the_sessions(store: &dyn RecoveryStore) {
    keep(store, [plain(1), plain(2)]).await;
    let theirs = log_in(store, &plain(2), 1).await;
    for n in [2, 3] {
        let _ = log_in(store, &plain(1), n).await;
    }
    let strict = policy(1, 0);
    let _ = fail(store, &user(1), &strict, minute(4)).await;
    let lock = read_one(store, &user(1)).await.lockout.lock;
    hold("the account is locked", &lock, &Some(Lock::UntilUnlocked));
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let mut changes = store.changes();
    let ended = spend(store, 1, 5).await.map(|spent| spent.ended);
    let mut ended = ended.unwrap_or_default();
    ended.sort();
    hold("its sessions end", &ended, &vec![session_id(2), session_id(3)]);
    let words = [2, 3].map(|n| Change::Session(session_id(n)));
    told(&mut changes, &words, "the end of sessions by a link is told").await;
    hold("others stay", &read_sessions(store).await, &vec![theirs]);
    let lockout = read_one(store, &user(1)).await.lockout;
    hold("no lock stays", &(lockout.lock, lockout.failures), &(None, 0));
}

async fn sessions_stay_where_that_is_asked_for(store: &dyn RecoveryStore) {
    keep(store, [plain(1)]).await;
    let session = log_in(store, &plain(1), 1).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let quiet = Spending { end_sessions: false, confirm: false, ..spending(1, 5) };
    let ended = store.spend_reset(quiet).await.map(|spent| spent.ended);
    hold("no session ends", &ended, &Ok(Vec::new()));
    hold("sessions stay", &read_sessions(store).await, &vec![session]);
    hold("no word waits", &take(store, 90, 91).await, &None);
}

async fn of_fifty_who_spend_a_link_one_does(store: &dyn RecoveryStore) {
    keep(store, [plain(1)]).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let spendings = (1..=50).map(|n| store.spend_reset(spending(1, n)));
    let spent = together(spendings).await;
    hold("of fifty who spend a link, one does", &successes(&spent), &1);
    let refused = spent.iter().filter(|spent| **spent == Err(SpendRejection::Invalid)).count();
    hold("the others are told that it is none", &refused, &49);
    let winner = spent.into_iter().flatten().next().map(|spent| spent.record);
    let now = read_one(store, &user(1)).await.record;
    hold("the password is the winner's", &Some(now), &winner);
    let _ = must_take(store, 90, 91).await;
    hold("one word waits", &take(store, 90, 91).await, &None);
}

async fn a_link_remembers_the_password_that_goes(store: &dyn RecoveryStore) {
    keep(store, [plain(1)]).await;
    for (n, remembered) in [(1, vec![1]), (2, vec![5, 1]), (3, vec![6, 5])] {
        let _ = mint(store, Whom::User(user(1)), n).await;
        let most = if n == 3 { 2 } else { 4 };
        for again in [false, true] {
            let spending = Spending { past: most, ..spending(n, 4 + n) };
            let spent = store.spend_reset(spending).await.is_ok();
            hold("a link is spent once", &spent, &!again);
            let sentence = "a link remembers the password that goes";
            let expected: Vec<StoredHash> = remembered.iter().map(|n| password(*n)).collect();
            hold(sentence, &past(store, &user(1), 9).await, &expected);
        }
    }
    let _ = mint(store, Whom::User(user(1)), 4).await;
    hold("a link is spent", &spend(store, 4, 8).await.is_ok(), &true);
    let sentence = "a link that is to remember none forgets all";
    hold(sentence, &past(store, &user(1), 9).await, &Vec::new());
}

async fn a_link_is_not_spent_over_a_password_that_nobody_looked_at(store: &dyn RecoveryStore) {
    keep(store, [plain(1)]).await;
    let _ = mint(store, Whom::User(user(1)), 1).await;
    let looked_at = |n| Spending { checked: Some(password(n)), past: 4, ..spending(1, 5) };
    let sentence = "a link is not spent over a password that nobody looked at";
    let other = store.spend_reset(looked_at(9)).await;
    hold(sentence, &other, &Err(SpendRejection::Changed));
    hold("it changes nothing", &read_one(store, &user(1)).await.record, &plain(1));
    hold("it remembers nothing", &past(store, &user(1), 9).await, &Vec::new());
    hold("the link holds", &look(store, 1).await, &valid(1, 1));
    let over = store.spend_reset(Spending { now: minted(1) + HOUR, ..looked_at(9) }).await;
    hold("a link that is over is told to be", &over, &Err(SpendRejection::Expired));
    let spent = store.spend_reset(looked_at(1)).await.map(|spent| spent.record.password);
    hold("it is spent over the password that was looked at", &spent, &Ok(password(5)));
    let again = store.spend_reset(looked_at(5)).await;
    hold("a link is spent once", &again, &Err(SpendRejection::Invalid));
}

const HOUR: Duration = Duration::from_hours(1);

fn secret(n: u64) -> TokenHash {
    TokenHash::of_presented(format!("contract-link-{n}").as_bytes())
}

/// When the link of that number is minted.
fn minted(n: u64) -> SystemTime {
    minute(30 + n)
}

fn minting(whom: Whom, n: u64) -> Minting {
    Minting { whom, hash: secret(n), now: minted(n), expires_at: minted(n) + HOUR }
}

async fn mint(store: &dyn RecoveryStore, whom: Whom, n: u64) -> Option<UserRecord> {
    match store.mint_reset(minting(whom, n)).await {
        Ok(minted) => minted,
        Err(error) => panic!("contract broken: a link is minted: {error}"),
    }
}

/// A link of that account is worth its password.
fn valid(account: u64, n: u64) -> ResetLook {
    let user: UserName = user(account);
    ResetLook::Valid { user, expires_at: minted(n) + HOUR }
}

async fn look(store: &dyn RecoveryStore, n: u64) -> ResetLook {
    match store.look_at_reset(secret(n), minute(45)).await {
        Ok(look) => look,
        Err(error) => panic!("contract broken: a link can be looked at: {error}"),
    }
}

fn spending(n: u64, new: u64) -> Spending {
    let password: StoredHash = password(new);
    let (hash, now) = (secret(n), minute(45));
    Spending { hash, checked: None, password, past: 0, now, end_sessions: true, confirm: true }
}

async fn spend(store: &dyn RecoveryStore, n: u64, new: u64) -> Result<Spent, SpendRejection> {
    store.spend_reset(spending(n, new)).await
}

async fn ask(store: &dyn RecoveryStore, matter: LetterMatter, now: SystemTime) {
    hold("word of a letter is kept", &store.ask_letter(matter, now).await, &Ok(()));
}

/// Takes a letter at one minute, until another.
async fn take(store: &dyn RecoveryStore, at: u64, until: u64) -> Option<QueuedLetter> {
    match store.claim_letter(minute(at), minute(until)).await {
        Ok(taken) => taken,
        Err(error) => panic!("contract broken: a letter can be taken: {error}"),
    }
}

async fn must_take(store: &dyn RecoveryStore, at: u64, until: u64) -> QueuedLetter {
    match take(store, at, until).await {
        Some(letter) => letter,
        None => panic!("contract broken: a letter is due in minute {at}"),
    }
}
