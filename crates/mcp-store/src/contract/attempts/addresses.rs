//! What holds for the failures of an address.

use std::sync::Arc;
use std::time::Duration;

use mcp_throttle::Refusal;
use tokio::time::{Instant, sleep};

use super::trying::{Said, WINDOW, Who, address, admitted, begin, limits, locks, said};
use crate::account_store::{AccountStore, Opening};
use crate::attempt_ledger::{AttemptLedger, AttemptLimits};
use crate::contract::accounts::people::{keep, opening, plain, read_one, session, user};
use crate::contract::{hold, second};

/// The longest that what is said by and by may take.
const BY_AND_BY: Duration = Duration::from_secs(30);

pub(super) async fn check<S: AccountStore, L: AttemptLedger>(
    make: &impl AsyncFn(AttemptLimits) -> (Arc<S>, L),
) {
    failures_refuse_and_nothing_is_looked_at(&make(limits(2)).await).await;
    places_in_flight_fill_the_quota(&make(limits(2)).await).await;
    whoever_waits_holds_nothing(&make(limits(2)).await).await;
    a_session_frees_the_place_of_its_address(&make(limits(1)).await).await;
    what_was_overheard_counts(&make(limits(2)).await).await;
    whoever_leaves_has_failed(&make(limits(1)).await).await;
    whoever_leaves_with_the_right_password_has_not(&make(limits(1)).await).await;
    a_quota_of_many_is_never_exceeded(&make(limits(50)).await).await;
}

type Made<S, L> = (Arc<S>, L);

async fn failures_refuse_and_nothing_is_looked_at<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &Made<S, L>,
) {
    keep(&**store, [plain(1)]).await;
    for (who, at) in [(Who::user(1), 0), (Who::Nobody(7), 300)] {
        let mut failing = admitted(ledger, address(1), &who, second(at)).await;
        let failed = ledger.fail(failing.held(), locks(), second(at)).await;
        hold("a failure is counted", &failed.is_ok(), &true);
    }
    let before = read_one(&**store, &user(1)).await;
    let refused = |seconds| Said::Refused(Refusal { retry_after: Duration::from_secs(seconds) });
    for who in [Who::user(1), Who::Nobody(8)] {
        let begun = begin(ledger, address(1), &who, second(301)).await;
        hold("an address over its quota is told when to come back", &said(&begun), &refused(599));
    }
    hold("nothing is looked at for it", &read_one(&**store, &user(1)).await, &before);
    admitted(ledger, address(2), &Who::user(1), second(301)).await;
    admitted(ledger, address(1), &Who::user(1), second(0) + WINDOW).await;
}

async fn places_in_flight_fill_the_quota<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &Made<S, L>,
) {
    keep(&**store, [plain(1)]).await;
    let now = second(0);
    let mut first = admitted(ledger, address(1), &Who::user(1), now).await;
    admitted(ledger, address(1), &Who::Nobody(7), now).await;
    let third = begin(ledger, address(1), &Who::Nobody(8), now).await;
    hold("places in flight fill the quota", &said(&third), &Said::Wait);
    hold("an address that waits is not refused", &ledger.look(address(1), now).await, &Ok(None));
    hold("a withdrawal gives both places back", &ledger.withdraw(first.held()).await, &Ok(()));
    let lockout = read_one(&**store, &user(1)).await.lockout;
    hold("that of the account, too", &(lockout.failures, lockout.reserved.len()), &(0, 0));
    admitted(ledger, address(1), &Who::user(1), now).await;
}

async fn whoever_waits_holds_nothing<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &Made<S, L>,
) {
    keep(&**store, [plain(1)]).await;
    for n in 1..=3 {
        admitted(ledger, address(n), &Who::user(1), second(0)).await;
    }
    for _ in 0..3 {
        let begun = begin(ledger, address(4), &Who::user(1), second(0)).await;
        hold("the places of an account are taken", &said(&begun), &Said::Wait);
    }
    for who in [Who::Nobody(7), Who::Nobody(8)] {
        admitted(ledger, address(4), &who, second(0)).await;
    }
}

async fn a_session_frees_the_place_of_its_address<S: AccountStore, L: AttemptLedger>(
    (store, ledger): &Made<S, L>,
) {
    keep(&**store, [plain(1)]).await;
    for n in 1..=2 {
        let mut trying = admitted(ledger, address(1), &Who::user(1), second(n)).await;
        let held = trying.held();
        let Some(ticket) = held.ticket else { panic!("contract broken: nothing is locked") };
        let opening = opening(&plain(1), session(n, &user(1)), ticket);
        let opening = Opening { policy: locks(), now: second(n), ..opening };
        let opened = ledger.open(opening, Some(held.place)).await;
        let opened = opened.map(|entered| entered.ended);
        hold("a right password opens a session", &opened, &Ok(Vec::new()));
    }
    let lockout = read_one(&**store, &user(1)).await.lockout;
    hold("no place of the account is held", &lockout.reserved, &Vec::new());
}

async fn what_was_overheard_counts<S: AccountStore, L: AttemptLedger>((_, ledger): &Made<S, L>) {
    let (now, full) = (second(0), Refusal { retry_after: WINDOW });
    hold("a failure overheard is counted", &ledger.count(address(1), now).await, &Ok(None));
    hold("one of two refuses nobody", &ledger.look(address(1), now).await, &Ok(None));
    hold("and another", &ledger.count(address(1), now).await, &Ok(None));
    hold("two of two refuse", &ledger.look(address(1), now).await, &Ok(Some(full)));
    hold("a third is not counted", &ledger.count(address(1), now).await, &Ok(Some(full)));
    hold("another address is another", &ledger.look(address(2), now).await, &Ok(None));
    hold("the window passes", &ledger.look(address(1), now + WINDOW).await, &Ok(None));
}

async fn whoever_leaves_has_failed<S: AccountStore, L: AttemptLedger>((_, ledger): &Made<S, L>) {
    let trying = admitted(ledger, address(1), &Who::Nobody(7), second(0)).await;
    ledger.abandon(trying.place, second(1));
    let refused = async || {
        let looked = ledger.look(address(1), second(1)).await;
        looked == Ok(Some(Refusal { retry_after: WINDOW }))
    };
    by_and_by("whoever leaves in the middle has failed", refused).await;
}

async fn whoever_leaves_with_the_right_password_has_not<S: AccountStore, L: AttemptLedger>(
    (_, ledger): &Made<S, L>,
) {
    let trying = admitted(ledger, address(1), &Who::Nobody(7), second(0)).await;
    ledger.release(trying.place);
    let admits = async || {
        let begun = begin(ledger, address(1), &Who::Nobody(8), second(1)).await;
        let unharmed = matches!(said(&begun), Said::Open | Said::Wait);
        hold("whoever leaves with the right password has not failed", &unharmed, &true);
        begun.is_ok()
    };
    by_and_by("whoever leaves gives his place back", admits).await;
}

/// Above 32, failures may share their time: none counts for less than the window, and none for
/// more than a 32nd of it longer.
async fn a_quota_of_many_is_never_exceeded<S: AccountStore, L: AttemptLedger>(
    (_, ledger): &Made<S, L>,
) {
    for n in 0..50 {
        let counted = ledger.count(address(1), second(n)).await;
        hold("as many as the quota says are counted", &counted, &Ok(None));
    }
    let just_before = second(0) + WINDOW - Duration::from_millis(1);
    let refused = ledger.look(address(1), just_before).await;
    hold("the quota holds for all of the window", &refused.map(|it| it.is_some()), &Ok(true));
    let after = second(50) + WINDOW + WINDOW / 32;
    hold("and for a 32nd longer at most", &ledger.look(address(1), after).await, &Ok(None));
    for _ in 0..50 {
        hold("all of it is free again", &ledger.count(address(1), after).await, &Ok(None));
    }
}

async fn by_and_by(sentence: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < BY_AND_BY, "contract broken: {sentence}, within {BY_AND_BY:?}");
        sleep(Duration::from_millis(5)).await;
    }
}
