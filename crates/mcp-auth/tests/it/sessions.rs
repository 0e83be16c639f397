//! How long a session lasts, and what ends it.

use std::sync::Arc;
use std::time::Duration;

use mcp_auth::{LoginSettings, Refusal};
use mcp_identity::{CredentialFault, Denial, EndReason, Lease, PrincipalId, RoleName};
use mcp_store::{AccountStore as _, AdminsLeft, SessionSelector, UserEdit};
use tokio::time::{Instant, advance};

use crate::support::{Household, Step, caller, hash_of, outage, settings, settled, until, user};

const DAY: Duration = Duration::from_hours(24);

fn lease(house: &Household, opened: &mcp_auth::OpenedSession) -> Lease {
    house.bearer(&opened.token).unwrap().lease.clone()
}

fn end_of_session() -> UserEdit {
    UserEdit { end_sessions: Some(None), ..UserEdit::default() }
}

#[tokio::test(start_paused = true)]
async fn a_session_lasts_a_day_by_the_clock() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    house.clock.set_to(Duration::from_nanos(24 * 3_600_000_000_000 - 1));
    assert!(house.lets_in(&opened));
    house.clock.set_to(DAY);
    let expired: Refusal = Denial::BadCredential(CredentialFault::Expired).into();
    assert_eq!(house.bearer(&opened.token).unwrap_err(), expired);
    // The keeper looks at the clock twice a minute.
    advance(Duration::from_secs(30)).await;
    assert_eq!(lease.ended().await, EndReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_session_ends_when_its_day_does() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    for _ in 0..24 * 60 - 1 {
        advance(Duration::from_mins(1)).await;
    }
    assert!(!lease.is_ended());
    advance(Duration::from_mins(1)).await;
    assert_eq!(lease.ended().await, EndReason::Expired);
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_in_force_when_it_is_answered() {
    let house = Household::with(settings()).await;
    let (gone, stays) = (house.session("alice").await, house.session("alice").await);
    let principal = house.bearer(&gone.token).unwrap();
    assert!(house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
    assert!(!house.lets_in(&gone));
    assert_eq!(principal.lease.why(), Some(EndReason::Revoked));
    assert!(house.lets_in(&stays));
}

#[tokio::test(start_paused = true)]
async fn who_holds_no_session_cannot_log_out() {
    let house = Household::with(settings()).await;
    let (local, _end) = mcp_identity::Principal::local();
    assert!(!house.auth.log_out(&local, &caller("192.0.2.1")).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_logout_that_the_store_does_not_take_is_no_logout() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let principal = house.bearer(&opened.token).unwrap();
    house.store.turn(Some(outage("disk on fire")));
    let fault = house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap_err();
    assert_eq!(fault, outage("disk on fire"));
    assert!(house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_another_process_ends_is_refused() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    house.store.end_sessions(SessionSelector::Id(opened.id.clone())).await.unwrap();
    assert_eq!(lease.ended().await, EndReason::Revoked);
    assert!(!house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn disabling_a_user_ends_all_his_sessions_and_nobody_elses() {
    let house = Household::with(settings()).await;
    let (one, two) = (house.session("alice").await, house.session("alice").await);
    let other = house.session("bob").await;
    let leases = [lease(&house, &one), lease(&house, &two)];
    house.edit("alice", UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
    for (lease, opened) in leases.iter().zip([&one, &two]) {
        assert_eq!(lease.why(), Some(EndReason::Revoked));
        assert!(!house.lets_in(opened));
    }
    assert!(house.lets_in(&other));
    house.edit("alice", UserEdit { enabled: Some(true), ..UserEdit::default() }).await;
    assert!(!house.lets_in(&one), "what has ended stays ended");
}

#[tokio::test(start_paused = true)]
async fn deleting_a_user_ends_his_sessions() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    house.store.delete_account(&user("alice"), AdminsLeft::MayBeNone).await.unwrap();
    assert_eq!(lease.ended().await, EndReason::Revoked);
    assert!(!house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn whoever_is_made_again_under_a_name_inherits_no_session() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    advance(Duration::from_secs(1)).await;
    let again = house.record("alice").await;
    // No word of it is heard in between: the keeper reads once.
    house.store.delete_account(&user("alice"), AdminsLeft::MayBeNone).await.unwrap();
    house.add_record(again).await;
    assert!(!house.lets_in(&opened));
    assert_eq!(lease.why(), Some(EndReason::Revoked));
    house.session("alice").await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_read_before_its_account_was_made_again_is_not_inherited() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    settled().await;
    advance(Duration::from_secs(1)).await;
    house.store.replace_while_read("alice", Some(house.record("alice").await));
    house.auth.refresh().await.unwrap();
    assert!(!house.lets_in(&opened));
    settled().await;
    assert!(!house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_account_is_made_again_while_both_are_read_is_not_inherited() {
    let house = Household::with(settings()).await;
    advance(Duration::from_secs(1)).await;
    house.store.replace_while_read("alice", Some(house.record("alice").await));
    let opened = house.session("alice").await;
    assert!(!house.lets_in(&opened));
    settled().await;
    assert!(!house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn other_rights_are_another_principal_with_another_lease() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let before = house.bearer(&opened.token).unwrap();
    let admin: std::collections::BTreeSet<_> = [RoleName::parse("admin").unwrap()].into();
    house.edit("alice", UserEdit { roles: Some(admin.clone()), ..UserEdit::default() }).await;
    assert_eq!(before.lease.why(), Some(EndReason::Replaced));
    let after = house.bearer(&opened.token).unwrap();
    assert_eq!(after.id, PrincipalId::Session(opened.id.clone()));
    assert_eq!(after.grants.roles, admin);
    assert!(!after.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn what_opens_no_door_puts_nobody_out() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let before = house.bearer(&opened.token).unwrap();
    let password = Some(hash_of(&house.hasher, "another password").await);
    for edit in [
        UserEdit { note: Some("on leave".to_owned()), ..UserEdit::default() },
        UserEdit { email: Some(Some("alice@example.com".to_owned())), ..UserEdit::default() },
        UserEdit { password, ..UserEdit::default() },
    ] {
        house.edit("alice", edit).await;
        let after = house.bearer(&opened.token).unwrap();
        assert!(Arc::ptr_eq(&before, &after));
        assert!(!before.lease.is_ended());
    }
    house.edit("alice", end_of_session()).await;
    assert!(before.lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_user_may_have_several_sessions() {
    let house = Household::with(settings()).await;
    let (one, two) = (house.session("alice").await, house.session("alice").await);
    assert!(house.lets_in(&one) && house.lets_in(&two));
    assert_ne!(one.id, two.id);
    assert_ne!(one.token.expose(), two.token.expose());
    let leases = [lease(&house, &one), lease(&house, &two)];
    house.store.end_sessions(SessionSelector::Id(one.id.clone())).await.unwrap();
    assert_eq!(leases[0].ended().await, EndReason::Revoked);
    assert!(!leases[1].is_ended());
}

#[tokio::test(start_paused = true)]
async fn one_session_too_many_ends_the_one_that_was_used_least_recently() {
    let house = Household::with(LoginSettings { max_sessions: 2, ..settings() }).await;
    let used = house.session("alice").await;
    advance(Duration::from_secs(10)).await;
    let unused = house.session("alice").await;
    advance(Duration::from_mins(2)).await;
    assert!(house.lets_in(&used));
    advance(Duration::from_mins(1)).await;
    until("its use is written down", || house.store.touched() == 1).await;
    let newest = house.session("alice").await;
    assert!(house.lets_in(&used) && house.lets_in(&newest));
    assert!(!house.lets_in(&unused));
    house.session("bob").await;
    assert!(house.lets_in(&used), "others' sessions are others'");
}

#[tokio::test(start_paused = true)]
async fn a_use_is_written_down_once() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    advance(Duration::from_mins(2)).await;
    house.lets_in(&opened);
    for _ in 0..10 {
        advance(Duration::from_mins(1)).await;
        house.auth.refresh().await.unwrap();
    }
    assert_eq!(house.store.touched(), 1);
    let kept = house.store.sessions().await.unwrap().remove(0);
    assert!(kept.last_used > kept.created_at);
}

#[tokio::test(start_paused = true)]
async fn a_user_who_is_kept_while_others_come_and_go_keeps_his_session() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    for n in 0..20 {
        house.add(&format!("user-{n}")).await;
        house.session(&format!("user-{n}")).await;
    }
    house.store.delete_account(&user("user-1"), AdminsLeft::MayBeNone).await.unwrap();
    house.auth.refresh().await.unwrap();
    assert!(house.lets_in(&opened));
    assert!(!lease.is_ended());
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_user_is_not_there_opens_nothing() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    settled().await;
    house.store.replace_while_read("alice", None);
    house.auth.refresh().await.unwrap();
    assert!(!house.lets_in(&opened));
}

#[tokio::test(start_paused = true)]
async fn an_outage_puts_nobody_out_and_a_stopped_keeper_everybody() {
    let mut house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let lease = lease(&house, &opened);
    house.store.turn(Some(outage("disk on fire")));
    house.auth.refresh().await.unwrap_err();
    assert!(house.lets_in(&opened));
    house.stop().await;
    assert_eq!(lease.why(), Some(EndReason::Unkept));
    let ended: Refusal = Denial::BadCredential(CredentialFault::Ended).into();
    assert_eq!(house.bearer(&opened.token).unwrap_err(), ended);
}

#[tokio::test(start_paused = true)]
async fn the_last_uses_are_written_down_when_the_keeper_stops() {
    let mut house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    advance(Duration::from_secs(70)).await;
    settled().await;
    assert!(house.lets_in(&opened));
    house.stop().await;
    let kept = house.store.sessions().await.unwrap().remove(0);
    assert!(kept.last_used > kept.created_at);
}

#[tokio::test(start_paused = true)]
async fn what_ends_while_the_store_forgets_what_is_over_ends_at_once() {
    let house = Household::with(settings()).await;
    let (one, other) = (house.session("alice").await, house.session("alice").await);
    let (hers, another) = (lease(&house, &one), lease(&house, &other));
    house.store.hold(Some(Step::Sweeping));
    advance(Duration::from_mins(1)).await;
    until("it is about to forget", || house.store.standing() == 1).await;
    let began = Instant::now();
    let principal = house.bearer(&one.token).unwrap();
    assert!(house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
    assert!(hers.is_ended());
    house.store.end_sessions(SessionSelector::All).await.unwrap();
    assert_eq!(another.ended().await, EndReason::Revoked);
    assert_eq!(began.elapsed(), Duration::ZERO, "by a clock that runs while nobody does anything");
}
