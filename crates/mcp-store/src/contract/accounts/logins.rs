//! Places are taken, given back and failed by the rule of `mcp_throttle::Lockout`, account by
//! account.

use std::time::{Duration, SystemTime};

use mcp_throttle::{Failure, Lock, Lockout, Verdict};

use super::people::{
    again, edit, fail, find, in_shape, keep, minute, name, plain, policy, read_one, reserve,
    untried, user,
};
use crate::account::{AdminsLeft, UserEdit, UserRecord};
use crate::account_store::AccountStore;
use crate::contract::hold;

pub(super) async fn check<S: AccountStore>(make: &impl AsyncFn() -> S) {
    a_place_is_taken_before_the_password_is_looked_at(&make().await).await;
    a_place_comes_back(&make().await).await;
    an_attempt_while_locked_changes_nothing(&make().await).await;
    failures_lock_and_the_lock_ends_by_itself(&make().await).await;
    a_lock_until_an_admin_ends_for_the_last_admin(&make().await).await;
    without_a_limit_nothing_is_counted(&make().await).await;
    accounts_fail_each_for_themselves(&make().await).await;
    an_admin_unlocks(&make().await).await;
    who_is_made_again_inherits_no_attempt(&make().await).await;
}

/// When the first account was made.
fn made() -> SystemTime {
    plain(1).created_at
}

async fn a_place_is_taken_before_the_password_is_looked_at(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    // A disabled account takes places as any other does: nobody may see the difference.
    let change = UserEdit { enabled: Some(false), ..UserEdit::default() };
    for (n, sentence) in [(1, "an account"), (5, "a disabled account")] {
        let before = read_one(store, &user(1)).await;
        let login = store.find_login(&name("uSER 1"), policy(3, 15), minute(n)).await;
        let Ok(Some(login)) = login else {
            panic!("contract broken: {sentence} is found in any spelling: {login:?}")
        };
        let sentence = format!("{sentence} is found as it was before the place was taken");
        hold(&sentence, &in_shape(login.account), &before);
        let mut promised = before.lockout;
        let verdict = promised.reserve(&policy(3, 15), minute(n));
        hold("find_login() takes a place", &login.verdict, &verdict);
        let found = read_one(store, &user(1)).await.lockout;
        hold("a place is kept with the account", &found, &promised);
        let _ = edit(store, &user(1), change.clone()).await;
    }
}

async fn a_place_comes_back(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let (policy, now) = (policy(2, 15), minute(1));
    let first = reserve(store, &user(1), &policy, now).await;
    let second = reserve(store, &user(1), &policy, now).await;
    hold("no two places are the same", &(first == second), &false);
    let full = find(store, &user(1), &policy, now).await;
    hold("attempts in flight fill the limit", &full, &Verdict::Wait);
    let withdrawn = store.withdraw_login(&user(1), made(), again(&first)).await;
    hold("a place is given back", &withdrawn, &Ok(()));
    let kept = read_one(store, &user(1)).await.lockout;
    let left = Lockout { reserved: vec![second.time()], ..Lockout::default() };
    hold("a place that was given back is free, and no other", &kept, &left);
    hold(
        "a place is given back once",
        &store.withdraw_login(&user(1), made(), first).await,
        &Ok(()),
    );
    let third = reserve(store, &user(1), &policy, now).await;
    hold("no two places are the same", &(second == third), &false);
    let later = now + policy.hold + Duration::from_secs(1);
    hold("a place stays held for its time", &find(store, &user(1), &policy, now).await, &full);
    let _ = reserve(store, &user(1), &policy, later).await;
    let kept = read_one(store, &user(1)).await.lockout.reserved;
    hold("a place of which nothing is heard is void after its time", &kept, &vec![later]);
}

async fn an_attempt_while_locked_changes_nothing(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let policy = policy(1, 15);
    let late = reserve(store, &user(1), &policy, minute(1)).await;
    // The late one is void by now, so that another is looked at beside it.
    let lock = Lock::Until(minute(2 + 15));
    let failed = fail(store, &user(1), &policy, minute(2)).await;
    hold("the failure that reaches the limit locks", &failed, &Failure::Locks(lock));
    let locked = read_one(store, &user(1)).await.lockout;
    for n in 3..6 {
        let verdict = find(store, &user(1), &policy, minute(n)).await;
        let sentence = "an attempt while locked does not prolong the lock";
        hold(sentence, &verdict, &Verdict::Locked(lock));
    }
    let failed = store.fail_login(&user(1), made(), late, policy, minute(7)).await;
    hold("a failure while locked is ignored", &failed, &Ok(Failure::Ignored));
    let kept = read_one(store, &user(1)).await.lockout;
    hold("an attempt while locked changes nothing", &kept, &locked);
}

async fn failures_lock_and_the_lock_ends_by_itself(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let (policy, end) = (policy(3, 15), minute(3 + 15));
    for failures in 1..3 {
        let failed = fail(store, &user(1), &policy, minute(u64::from(failures))).await;
        hold("a failure is counted", &failed, &Failure::Counted { failures });
    }
    let failed = fail(store, &user(1), &policy, minute(3)).await;
    hold("the last failure locks", &failed, &Failure::Locks(Lock::Until(end)));
    let kept = read_one(store, &user(1)).await.lockout;
    let promised = Lockout {
        failures: 3,
        last_failure: Some(minute(3)),
        lock: Some(Lock::Until(end)),
        reserved: Vec::new(),
    };
    hold("a lock is kept with the account", &kept, &promised);
    let verdict = find(store, &user(1), &policy, minute(17)).await;
    hold("a locked account takes no attempt", &verdict, &Verdict::Locked(Lock::Until(end)));
    let failed = fail(store, &user(1), &policy, end).await;
    let promised = Failure::Counted { failures: 1 };
    hold("a lock ends by itself, and the count starts anew", &failed, &promised);
}

async fn a_lock_until_an_admin_ends_for_the_last_admin(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let policy = policy(1, 0);
    let failed = fail(store, &user(1), &policy, minute(1)).await;
    hold("a lock may last until an admin", &failed, &Failure::Locks(Lock::UntilUnlocked));
    let years = 60 * 24 * 3650;
    let verdict = find(store, &user(1), &policy, minute(years)).await;
    let promised = Verdict::Locked(Lock::UntilUnlocked);
    hold("a lock until an admin does not end by itself", &verdict, &promised);
    let last = policy.for_the_last_admin();
    for n in [0, 7, 14] {
        let verdict = find(store, &user(1), &last, minute(years + n)).await;
        let promised = Verdict::Locked(Lock::Until(minute(years + 15)));
        let sentence = "the last admin's lock ends from the first attempt on, not from the last";
        hold(sentence, &verdict, &promised);
    }
    let _ = reserve(store, &user(1), &last, minute(years + 15)).await;
}

async fn without_a_limit_nothing_is_counted(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    for n in 1..6 {
        let failed = fail(store, &user(1), &policy(0, 15), minute(n)).await;
        hold("without a limit a failure is ignored", &failed, &Failure::Ignored);
    }
    let kept = read_one(store, &user(1)).await.lockout;
    hold("without a limit nothing is counted", &kept, &Lockout::default());
}

async fn accounts_fail_each_for_themselves(store: &dyn AccountStore) {
    keep(store, [plain(1), plain(2)]).await;
    let _ = fail(store, &user(1), &policy(1, 0), minute(1)).await;
    let other = store.find_account(&user(2)).await;
    let promised = Ok(untried([plain(2)]).pop());
    hold("a failure counts for its account alone", &other, &promised);
    let _ = reserve(store, &user(2), &policy(1, 0), minute(1)).await;
    let foreign = reserve(store, &user(2), &policy(2, 0), minute(1)).await;
    let withdrawn = store.withdraw_login(&user(1), made(), again(&foreign)).await;
    hold("a place is given back", &withdrawn, &Ok(()));
    let held = read_one(store, &user(2)).await.lockout.reserved.len();
    hold("a place is one of its account alone", &held, &2);
}

async fn an_admin_unlocks(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let unlocked = store.unlock_account(&user(1)).await;
    hold("there is nothing to unlock in a new account", &unlocked, &Ok(false));
    let policy = policy(2, 0);
    let place = reserve(store, &user(1), &policy, minute(1)).await;
    let _ = fail(store, &user(1), &policy, minute(1)).await;
    let unlocked = store.unlock_account(&name("USER 1")).await;
    hold("unlocking forgets failures", &unlocked, &Ok(true));
    let kept = read_one(store, &user(1)).await.lockout;
    let held = Lockout { reserved: vec![place.time()], ..Lockout::default() };
    hold("attempts in flight keep their places when an admin unlocks", &kept, &held);
    for _ in 0..2 {
        let _ = fail(store, &user(1), &policy, minute(2)).await;
    }
    hold("unlocking lifts a lock", &store.unlock_account(&user(1)).await, &Ok(true));
    let kept = read_one(store, &user(1)).await.lockout;
    hold("an unlocked account is as new", &kept, &Lockout::default());
}

async fn who_is_made_again_inherits_no_attempt(store: &dyn AccountStore) {
    keep(store, [plain(1)]).await;
    let (policy, now) = (policy(3, 15), minute(1));
    let late = reserve(store, &user(1), &policy, now).await;
    hold(
        "the account is deleted",
        &store.delete_account(&user(1), AdminsLeft::MayBeNone).await,
        &Ok(plain(1)),
    );
    keep(store, [UserRecord { created_at: now, ..plain(1) }]).await;
    // At the same instant: of all that names a place, the account alone tells them apart.
    let own = reserve(store, &user(1), &policy, now).await;
    hold("a place is named by its time", &own, &late);
    let before = read_one(store, &user(1)).await;
    let failed = store.fail_login(&user(1), made(), again(&late), policy, minute(2)).await;
    let sentence = "a late failure is none of who was made again";
    hold(sentence, &failed, &Ok(Failure::Ignored));
    hold(sentence, &read_one(store, &user(1)).await, &before);
    let withdrawn = store.withdraw_login(&user(1), made(), late).await;
    let sentence = "a late withdrawal is none of who was made again";
    hold(sentence, &withdrawn, &Ok(()));
    hold(sentence, &read_one(store, &user(1)).await, &before);
}
