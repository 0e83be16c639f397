//! What holds for the names that attempts are about, and for many attempts at once.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;

use mcp_throttle::{Failure, Lock};

use super::trying::{Said, Who, address, admitted, begin, limits, locks, said};
use crate::account::UserEdit;
use crate::account_store::AccountStore;
use crate::attempt_ledger::{AttemptLedger, AttemptLimits};
use crate::contract::accounts::people::{addressed, keep, plain, read_one, user};
use crate::contract::{hold, second};

pub(super) async fn check<S: AccountStore, L: AttemptLedger>(
    make: &impl AsyncFn(AttemptLimits) -> (Arc<S>, L),
) {
    every_name_locks_as_an_account_does(&make(limits(100)).await).await;
    an_address_of_mail_is_its_account(&make(limits(100)).await).await;
    a_name_that_gets_an_account_inherits_nothing(&make(limits(100)).await).await;
    however_many_at_once_no_more_are_looked_at(&make(limits(5)).await).await;
}

async fn every_name_locks_as_an_account_does<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &(Arc<S>, L),
) {
    keep(&**store, [plain(1)]).await;
    keep(&**store, [addressed(3, "Three@Example.org")]).await;
    for who in [
        Who::user(1),
        Who::Stranger(user(2)),
        Who::Addressed(user(3), "three@example.ORG"),
        Who::Foreign("nobody@example.org"),
        Who::Nobody(7),
    ] {
        let mut failures = Vec::new();
        for n in 0..3 {
            let mut failing = admitted(ledger, address(1), &who, second(n)).await;
            failures.push(ledger.fail(failing.held(), locks(), second(n)).await);
        }
        let counted = |failures| Ok(Failure::Counted { failures });
        hold("failures are counted", &&failures[..2], &&[counted(1), counted(2)][..]);
        let locks_now = matches!(failures[2], Ok(Failure::Locks(Lock::Until(_))));
        hold("the one that reaches the limit locks", &locks_now, &true);
        let mut locked = admitted(ledger, address(1), &who, second(3)).await;
        hold("a locked name is said to be locked", &locked.ticket, &None);
        let failed = ledger.fail(locked.held(), locks(), second(3)).await;
        hold("a failure while locked changes nothing", &failed, &Ok(Failure::Ignored));
        let begun = begin(ledger, address(1), &who, second(3 + 15 * 60)).await;
        hold("a lock ends by itself", &said(&begun), &Said::Open);
    }
}

async fn an_address_of_mail_is_its_account<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &(Arc<S>, L),
) {
    keep(&**store, [addressed(1, "one@example.org"), plain(2)]).await;
    let (by_name, by_address) = (Who::user(1), Who::Addressed(user(1), "ONE@example.org"));
    for (n, who) in [&by_address, &by_name, &by_address].into_iter().enumerate() {
        let now = second(u64::try_from(n).unwrap_or_default());
        let mut failing = admitted(ledger, address(1), who, now).await;
        let failed = ledger.fail(failing.held(), locks(), now).await;
        hold("a failure is counted by either name", &failed.is_ok(), &true);
    }
    for who in [by_name, by_address] {
        let begun = begin(ledger, address(1), &who, second(3)).await;
        hold("an account is locked by either name", &said(&begun), &Said::Locked);
    }
    let edit = UserEdit { email: Some(None), ..UserEdit::default() };
    let edited = store.edit_account(&user(1), edit).await;
    hold("the address is given up", &edited.is_ok(), &true);
    let begun = begin(ledger, address(1), &Who::Foreign("one@example.org"), second(4)).await;
    hold("an address that was given up is nobody's", &said(&begun), &Said::Open);
}

async fn a_name_that_gets_an_account_inherits_nothing<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &(Arc<S>, L),
) {
    let stranger = Who::Stranger(user(1));
    for n in 0..3 {
        let mut failing = admitted(ledger, address(1), &stranger, second(n)).await;
        let failed = ledger.fail(failing.held(), locks(), second(n)).await;
        hold("a failure of a name is counted", &failed.is_ok(), &true);
    }
    let mut late = admitted(ledger, address(1), &stranger, second(3)).await;
    keep(&**store, [plain(1)]).await;
    let failed = ledger.fail(late.held(), locks(), second(4)).await;
    hold("what was nobody's stays nobody's", &failed, &Ok(Failure::Ignored));
    hold("an account inherits nothing", &read_one(&**store, &user(1)).await.lockout.failures, &0);
    let begun = begin(ledger, address(1), &Who::user(1), second(4)).await;
    hold("an account inherits no lock", &said(&begun), &Said::Open);
}

async fn however_many_at_once_no_more_are_looked_at<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &(Arc<S>, L),
) {
    keep(&**store, [plain(1)]).await;
    let guess = async |from: u8, who: &Who| {
        let Ok(mut trying) = begin(ledger, address(from), who, second(0)).await else { return 0 };
        let failed = ledger.fail(trying.held(), locks(), second(0)).await;
        hold("a failure can be counted", &failed.is_ok(), &true);
        1
    };
    let strangers: Vec<_> = (10..30).map(Who::Nobody).collect();
    let at_once = strangers.iter().map(|who| guess(1, who));
    let evaluated: usize = together(at_once).await.into_iter().sum();
    hold("no more than the quota of an address", &(1..=5).contains(&evaluated), &true);
    let alice = Who::user(1);
    together((2..32).map(|from| guess(from, &alice))).await;
    let lockout = read_one(&**store, &user(1)).await.lockout;
    hold("no more than the limit of an account", &(1..=3).contains(&lockout.failures), &true);
    hold("no place is left held", &lockout.reserved, &Vec::new());
}

/// Lets all of them go on at once, and waits for all.
async fn together<T>(all: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = all.into_iter().map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        for (one, done) in running.iter_mut().filter(|(_, done)| done.is_none()) {
            if let Poll::Ready(value) = one.as_mut().poll(context) {
                *done = Some(value);
            }
        }
        let over = running.iter().all(|(_, done)| done.is_some());
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, done)| done).collect()
}
