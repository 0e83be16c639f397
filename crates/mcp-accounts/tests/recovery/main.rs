//! Letters that are asked for and sent, over the store in memory.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

mod support;

use std::time::Duration;

use mcp_accounts::{ForgotRejection, ResetRejection};
use mcp_identity::{
    AuditAction, AuditLog as _, AuditOutcome, Password, PrincipalId, Subject, TokenHash,
};
use mcp_password::Preset;
use mcp_store::{AccountStore as _, LetterMatter, RecoveryStore as _, ResetLook, UserEdit};

use crate::support::{House, MINUTE, caller, locked, name};

#[tokio::test(start_paused = true)]
async fn a_known_and_an_unknown_address_are_one_row_and_one_answer() {
    let house = House::new().await;
    for email in ["alice@example.com", "nobody@example.com"] {
        let begin = tokio::time::Instant::now();
        assert_eq!(house.recovery.forgot(email, &caller()).await, Ok(()));
        assert_eq!(begin.elapsed(), Duration::from_millis(250), "{email}");
        let now = house.now();
        let row = house.store.claim_letter(now, now + MINUTE).await.unwrap().unwrap();
        assert_eq!(row.matter, LetterMatter::ResetLink(email.to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_letter_goes_to_the_address_in_the_record_and_not_to_the_one_that_was_typed() {
    let house = House::new().await;
    house.recovery.forgot("ALICE@example.com", &caller()).await.unwrap();
    let sent = house.work_for(MINUTE).await;
    let [(letter, link)] = &sent[..] else { panic!("one letter: {sent:?}") };
    assert_eq!(letter.to().to_string(), "alice@example.com");
    let hash = TokenHash::of_presented(link.as_deref().unwrap().as_bytes());
    let look = house.store.look_at_reset(hash, house.now()).await.unwrap();
    assert!(matches!(look, ResetLook::Valid { user, .. } if user == name("alice")));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_written_to_who_has_no_account_or_a_disabled_one() {
    let house = House::new().await;
    let disabling = UserEdit { enabled: Some(false), ..UserEdit::default() };
    house.store.edit_account(&name("alice"), disabling).await.unwrap();
    for email in ["alice@example.com", "nobody@example.com"] {
        house.recovery.forgot(email, &caller()).await.unwrap();
    }
    assert!(house.work_for(MINUTE).await.is_empty());
    let refused = (AuditAction::SendLetter, AuditOutcome::Refused("no_recipient"));
    assert_eq!(house.recorded(refused), [Subject::UnknownUser, Subject::UnknownUser]);
    assert!(house.none_waits().await);
}

#[tokio::test(start_paused = true)]
async fn a_second_attempt_mints_anew_and_voids_the_link_of_the_first() {
    let house = House::new().await;
    house.outbox.refuse(1);
    house.recovery.forgot("alice@example.com", &caller()).await.unwrap();
    let sent = house.work_for(2 * MINUTE).await;
    let [first, second] = &house.outbox.tried()[..] else { panic!("two attempts") };
    assert_ne!(first, second);
    assert_eq!(sent.len(), 1);
    let look = |link: String| {
        let hash = TokenHash::of_presented(link.as_bytes());
        house.store.look_at_reset(hash, house.now())
    };
    assert_eq!(look(first.clone()).await, Ok(ResetLook::Invalid));
    assert!(matches!(look(second.clone()).await, Ok(ResetLook::Valid { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_nobody_takes_is_given_up_after_six_attempts_and_recorded() {
    let house = House::new().await;
    house.outbox.refuse(usize::MAX);
    house.recovery.forgot("alice@example.com", &caller()).await.unwrap();
    assert!(house.work_for(60 * MINUTE).await.is_empty());
    assert_eq!(house.outbox.tried().len(), 6);
    let failed = (AuditAction::SendLetter, AuditOutcome::Failed("mail"));
    assert_eq!(house.recorded(failed), [Subject::User(name("alice"))]);
    assert!(house.none_waits().await);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_waited_longer_than_its_link_would_hold_is_not_sent() {
    let house = House::new().await;
    house.recovery.forgot("alice@example.com", &caller()).await.unwrap();
    tokio::time::advance(61 * MINUTE).await;
    assert!(house.work_for(MINUTE).await.is_empty());
    let late = (AuditAction::SendLetter, AuditOutcome::Failed("too_late"));
    assert_eq!(house.recorded(late).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_told_to_its_owner_once_an_hour() {
    let house = House::new().await;
    for _ in 0..3 {
        house.locks.record(locked("alice", house.now()));
    }
    house.locks.record(locked("nobody", house.now()));
    let sent = house.work_for(MINUTE).await;
    let [(letter, None)] = &sent[..] else { panic!("one letter: {sent:?}") };
    assert_eq!(letter.subject().as_str(), "Locked");
    assert_eq!(house.recorded((AuditAction::Lock, AuditOutcome::Done)).len(), 4, "all on record");
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_made_since_is_not_told_of_the_one_before() {
    let house = House::new().await;
    let before = house.now() - MINUTE;
    house.store.ask_letter(LetterMatter::PasswordReset(name("alice")), before).await.unwrap();
    assert!(house.work_for(MINUTE).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_letters_for_one_address_are_limited_in_every_spelling() {
    let house = House::new().await;
    for email in
        ["a@example.com", "A@example.com", "a@EXAMPLE.com", "A@Example.Com", " a@example.com"]
    {
        assert_eq!(house.recovery.forgot(email, &caller()).await, Ok(()));
    }
    let more = house.recovery.forgot("a@exAmple.com", &caller()).await;
    assert!(matches!(more, Err(ForgotRejection::TooMany { .. })), "{more:?}");
    assert_eq!(house.recovery.forgot("b@example.com", &caller()).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_at_the_end_is_finished_and_no_more_is_begun() {
    let house = House::new().await;
    house.outbox.delay(Duration::from_secs(5));
    for _ in 0..3 {
        let confirmation = LetterMatter::PasswordReset(name("alice"));
        house.store.ask_letter(confirmation, house.now()).await.unwrap();
    }
    let sent = house.work_for(Duration::from_secs(1)).await;
    assert_eq!(sent.len(), 3, "all were under way");
    assert!(house.none_waits().await);
}

#[tokio::test]
async fn where_the_policy_remembers_a_link_does_not_set_the_password_of_before() {
    let house = House::with(Preset::Strict).await;
    let password = |text: &str| Password::presented(text.to_owned());
    let (first, second) = (password("Vivid-Otters-72"), password("Quiet-Harbour-58"));
    for (given, expected) in [(&first, true), (&first, false), (&second, true)] {
        let by = PrincipalId::Local;
        let link = house.recovery.mint_for("alice", &caller(), &by).await.unwrap();
        let secret = link.expose().rsplit('/').next().unwrap();
        let reset = house.recovery.reset(secret, given, &caller()).await;
        let is_policy = matches!(&reset, Err(ResetRejection::Policy(_)));
        assert_eq!((reset.is_ok(), is_policy), (expected, !expected), "{reset:?}");
    }
}
