//! What a change names is read by itself, and everything only where that is not enough: a login
//! must not cost what a hundred thousand accounts weigh.

use mcp_identity::{EndReason, Lease};
use mcp_store::{AccountStore as _, AdminsLeft, SessionSelector, UserEdit};

use crate::support::{Household, caller, outage, settings, settled, user};

fn lease(house: &Household, opened: &mcp_auth::OpenedSession) -> Lease {
    house.bearer(&opened.token).unwrap().lease.clone()
}

#[tokio::test(start_paused = true)]
async fn a_login_and_a_logout_read_no_other_sessions() {
    let house = Household::with(settings()).await;
    let before = house.store.read_whole();
    for _ in 0..5 {
        let opened = house.session("alice").await;
        let principal = house.bearer(&opened.token).unwrap();
        assert!(house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
        assert_eq!(principal.lease.why(), Some(EndReason::Revoked));
        assert!(!house.lets_in(&opened));
    }
    settled().await;
    assert_eq!(house.store.read_whole(), before);
}

#[tokio::test(start_paused = true)]
async fn what_another_process_does_to_one_account_is_read_by_itself() {
    let house = Household::with(settings()).await;
    let (alice, bob) = (house.session("alice").await, house.session("bob").await);
    let (hers, his) = (lease(&house, &alice), lease(&house, &bob));
    let before = house.store.read_whole();
    let read_only = UserEdit { read_only: Some(true), ..UserEdit::default() };
    house.store.edit_account(&user("alice"), read_only).await.unwrap();
    assert_eq!(hers.ended().await, EndReason::Replaced);
    let changed = house.bearer(&alice.token).unwrap();
    assert!(changed.grants.read_only);
    house.store.delete_account(&user("alice"), AdminsLeft::MayBeNone).await.unwrap();
    assert_eq!(changed.lease.ended().await, EndReason::Revoked);
    assert!(!house.lets_in(&alice));
    assert!(house.lets_in(&bob) && !his.is_ended());
    assert_eq!(house.store.read_whole(), before);
}

#[tokio::test(start_paused = true)]
async fn many_changes_at_once_are_read_as_a_whole() {
    let house = Household::with(settings()).await;
    let mut leases = Vec::new();
    for n in 0..40 {
        let name = format!("user-{n}");
        house.add(&name).await;
        leases.push(lease(&house, &house.session(&name).await));
    }
    let before = house.store.read_whole();
    house.store.end_sessions(SessionSelector::All).await.unwrap();
    for lease in leases {
        assert_eq!(lease.ended().await, EndReason::Revoked);
    }
    settled().await;
    assert_eq!(house.store.read_whole(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn who_appears_is_read_with_all_that_may_be_his() {
    let house = Household::with(settings()).await;
    let before = house.store.read_whole();
    house.store.add_account(house.record("carol").await).await.unwrap();
    settled().await;
    assert_eq!(house.store.read_whole(), before + 1);
    let opened = house.session("carol").await;
    assert!(house.lets_in(&opened));
    assert_eq!(house.store.read_whole(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_the_first_word_is_a_reason_to_read_everything() {
    let house = Household::with(settings()).await;
    let (gone, stays) = (house.session("alice").await, house.session("alice").await);
    let lease = lease(&house, &gone);
    house.store.turn(Some(outage("disk on fire")));
    house.auth.refresh().await.unwrap_err();
    house.store.turn(None);
    let before = house.store.read_whole();
    house.store.end_sessions(SessionSelector::Id(gone.id.clone())).await.unwrap();
    settled().await;
    assert_eq!(lease.why(), Some(EndReason::Revoked));
    assert!(house.lets_in(&stays));
    assert_eq!(house.store.read_whole(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_not_taken_for_gone() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    // The word arrives when the store is down already.
    let note = UserEdit { note: Some("on leave".to_owned()), ..UserEdit::default() };
    house.store.edit_account(&user("alice"), note).await.unwrap();
    house.store.turn(Some(outage("disk on fire")));
    settled().await;
    assert!(house.lets_in(&opened));
    assert!(!lease.is_ended());
}
