//! A name and a password for a session.

use std::time::Duration;

use mcp_auth::{Auth, LoginRejection, LoginSettings};
use mcp_identity::{
    Clock as _, CredentialFault, DatabaseName, EntropyError, PrincipalId, RoleName,
};
use mcp_password::{Algorithm, Hasher, Settings};
use mcp_store::{AccountStore as _, AdminsLeft, MemoryTokens, StoredHash, UserEdit, UserRecord};
use tokio::time::advance;

use crate::support::{
    Household, PASSWORD, Step, attempt, hash_of, locking_after, outage, settings, settled, until,
    user,
};

const WRONG: LoginRejection = LoginRejection::Refused(CredentialFault::WrongPassword);

#[tokio::test(start_paused = true)]
async fn a_session_token_opens_the_door_at_once() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let principal = house.bearer(&opened.token).unwrap();
    assert_eq!(principal.id, PrincipalId::Session(opened.id.clone()));
    assert_eq!(principal.user, Some(user("alice")));
    assert_eq!(principal.expires_at, Some(opened.expires_at));
    assert_eq!(opened.expires_at, house.clock.now() + Duration::from_hours(24));
}

#[tokio::test(start_paused = true)]
async fn a_session_has_the_rights_of_its_user() {
    let house = Household::with(settings()).await;
    let carol = UserRecord {
        roles: [RoleName::parse("viewer").unwrap()].into(),
        databases: Some([DatabaseName::parse("staging").unwrap()].into()),
        read_only: true,
        ..house.record("carol").await
    };
    house.add_record(carol.clone()).await;
    let opened = house.session("carol").await;
    assert_eq!(house.bearer(&opened.token).unwrap().grants, carol.grants());
}

#[tokio::test(start_paused = true)]
async fn the_store_keeps_where_a_session_came_from_and_never_its_token() {
    let house = Household::with(settings()).await;
    let mut attempt = attempt("192.0.2.7", "alice", PASSWORD);
    attempt.caller.agent = Some("é".repeat(200).into());
    let opened = house.auth.log_in(&attempt).await.unwrap();
    let kept = house.store.sessions().await.unwrap().remove(0);
    assert_eq!(kept.address, Some(attempt.caller.address));
    assert_eq!(kept.agent, Some("é".repeat(128)), "256 bytes");
    assert_eq!(kept.hash, mcp_identity::TokenHash::of(&opened.token));
    assert!(!format!("{kept:?} {opened:?}").contains(opened.token.expose()));
}

#[tokio::test(start_paused = true)]
async fn two_spellings_of_a_name_log_in_to_one_account() {
    let house = Household::with(settings()).await;
    for spelling in ["alice", "ALICE", "ａｌｉｃｅ"] {
        assert_eq!(house.session(spelling).await.user, user("alice"), "{spelling}");
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_wrong_and_locked_are_one_to_whoever_has_no_password() {
    let house = Household::with(locking_after(1)).await;
    let mut said = Vec::new();
    for (name, fault) in [
        ("nobody", CredentialFault::UnknownUser),
        ("no\u{7}body", CredentialFault::UnknownUser),
        ("alice@example.com", CredentialFault::UnknownUser),
        ("", CredentialFault::UnknownUser),
        ("alice", CredentialFault::WrongPassword),
        ("alice", CredentialFault::Locked),
    ] {
        let refused = house.log_in(name, "wrong").await.unwrap_err();
        assert_eq!(refused, LoginRejection::Refused(fault), "{name:?}");
        said.push(refused.to_string());
    }
    said.dedup();
    assert_eq!(said, ["invalid username or password"]);
}

#[tokio::test(start_paused = true)]
async fn that_an_account_is_disabled_is_told_to_whoever_has_its_password() {
    let house = Household::with(locking_after(2)).await;
    house.edit("alice", UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
    assert_eq!(house.log_in("alice", "wrong").await.unwrap_err(), WRONG);
    assert_eq!(house.log_in("alice", PASSWORD).await.unwrap_err(), LoginRejection::Disabled);
    assert_eq!(house.account("alice").await.lockout.reserved, [], "its place was given back");
}

#[tokio::test(start_paused = true)]
async fn locked_comes_before_disabled_and_before_a_right_password() {
    let house = Household::with(locking_after(1)).await;
    for (name, enabled) in [("alice", true), ("bob", false)] {
        house.log_in(name, "wrong").await.unwrap_err();
        // Straight into the store: to enable an account lifts its lock.
        if !enabled {
            house.edit(name, UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
        }
        let refused = house.log_in(name, PASSWORD).await.unwrap_err();
        assert_eq!(refused, LoginRejection::Refused(CredentialFault::Locked), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_answer_about_an_account_comes_before_its_time() {
    let floor = LoginSettings { min_response: Duration::from_millis(250), ..locking_after(1) };
    let house = Household::with(floor).await;
    house.add("disabled").await;
    house.edit("disabled", UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
    let attempts = [
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("bob", PASSWORD),
        ("alice", "wrong"),
        ("alice", "locked by now"),
    ];
    for (name, password) in attempts {
        house.audit.take();
        let answer = house.begin("192.0.2.1", name, password);
        until("it is judged", || house.audit.count() > 0).await;
        advance(Duration::from_millis(249)).await;
        assert!(!answer.is_finished(), "{name} {password}");
        advance(Duration::from_millis(1)).await;
        until("it is answered", || answer.is_finished()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn fifty_parallel_right_passwords_from_fifty_addresses_cost_one_look() {
    let house = Household::with(locking_after(1)).await;
    let right = |n| (format!("192.0.2.{n}"), "alice", PASSWORD);
    for login in house.begin_together((0..50).map(right)).await {
        assert!(house.lets_in(&login.await.unwrap().unwrap()));
    }
    assert_eq!(house.store.looked_up(), 1);
    assert_eq!(house.store.sessions().await.unwrap().len(), 50);
    assert_eq!(house.account("alice").await.lockout.reserved, []);
}

#[tokio::test(start_paused = true)]
async fn parallel_right_passwords_of_one_address_need_one_of_its_places() {
    let house = Household::with(crate::support::refusing_after(1)).await;
    let right = ("192.0.2.1".to_owned(), "alice", PASSWORD);
    for login in house.begin_together(vec![right; 50]).await {
        login.await.unwrap().unwrap();
    }
    assert_eq!(house.store.looked_up(), 1);
}

#[tokio::test(start_paused = true)]
async fn right_passwords_succeed_beside_a_flood_of_wrong_ones() {
    // Hashes that take their time: five wrong ones, and the account would be locked.
    let house = Household::hashing(locking_after(5), 8).await;
    let right: Vec<_> = (0..50).map(|_| house.begin("192.0.2.1", "alice", PASSWORD)).collect();
    let wrong = |n| house.begin("198.51.100.1", "alice", &format!("guess {n}"));
    let wrong: Vec<_> = (0..40).map(wrong).collect();
    for login in right {
        login.await.unwrap().unwrap();
    }
    for login in wrong {
        login.await.unwrap().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_shares_a_check_goes_on_when_the_first_one_leaves() {
    let house = Household::with(settings()).await;
    house.store.hold(Some(Step::Found));
    let first = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it is found", || house.store.standing() == 1).await;
    let second = house.begin("192.0.2.2", "alice", PASSWORD);
    settled().await;
    first.abort();
    house.store.hold(None);
    assert!(first.await.unwrap_err().is_cancelled());
    assert!(house.lets_in(&second.await.unwrap().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_weak_hash_is_made_anew_by_one_login_and_ends_no_session() {
    let house = Household::hashing(settings(), 5).await;
    let before = house.session("alice").await;
    let weak = Settings::new(Algorithm::Bcrypt { cost: 4 });
    let weak = Hasher::start(&weak, std::sync::Arc::new(mcp_identity::SystemEntropy)).unwrap();
    let weak = hash_of(&weak, PASSWORD).await;
    house.edit("alice", UserEdit { password: Some(weak), ..UserEdit::default() }).await;
    let right = |n| (format!("192.0.2.{n}"), "alice", PASSWORD);
    for login in house.begin_together((0..10).map(right)).await {
        login.await.unwrap().unwrap();
    }
    let strong = house.account("alice").await.record.password;
    assert!(strong.expose().starts_with("$2b$05$"));
    house.session("alice").await;
    assert_eq!(house.account("alice").await.record.password, strong, "once is enough");
    assert!(house.lets_in(&before));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_changed_meanwhile_is_wrong() {
    let house = Household::with(settings()).await;
    house.store.hold(Some(Step::Opening));
    let late = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it was right", || house.store.standing() == 1).await;
    let other = Some(hash_of(&house.hasher, "another password").await);
    house.edit("alice", UserEdit { password: other, ..UserEdit::default() }).await;
    house.store.hold(None);
    assert_eq!(late.await.unwrap().unwrap_err(), WRONG);
    assert_eq!(house.store.sessions().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn an_account_that_was_made_anew_meanwhile_is_another() {
    let house = Household::with(settings()).await;
    house.store.hold(Some(Step::Opening));
    let late = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it was right", || house.store.standing() == 1).await;
    house.store.delete_account(&user("alice"), AdminsLeft::MayBeNone).await.unwrap();
    advance(Duration::from_secs(1)).await;
    let other = hash_of(&house.hasher, "another password").await;
    house.add_record(UserRecord::new(user("alice"), other, house.clock.now())).await;
    house.store.hold(None);
    assert_eq!(late.await.unwrap().unwrap_err(), WRONG);
}

#[tokio::test(start_paused = true)]
async fn a_hash_that_cannot_be_read_lets_nobody_in() {
    let house = Household::with(settings()).await;
    let broken = Some(StoredHash::new("correct horse battery staple"));
    house.edit("alice", UserEdit { password: broken, ..UserEdit::default() }).await;
    assert_eq!(house.log_in("alice", PASSWORD).await.unwrap_err(), WRONG);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_is_no_refusal() {
    let house = Household::with(settings()).await;
    house.store.turn(Some(outage("disk on fire")));
    let down = LoginRejection::Store(outage("disk on fire"));
    for (name, password) in [("alice", PASSWORD), ("alice", "wrong"), ("nobody", PASSWORD)] {
        assert_eq!(house.log_in(name, password).await.unwrap_err(), down, "{name} {password}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_opened_just_before_an_outage_is_in_force_after_it() {
    let house = Household::with(settings()).await;
    house.store.hold(Some(Step::Opening));
    let login = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it was right", || house.store.standing() == 1).await;
    house.store.hold(None);
    let opened = login.await.unwrap().unwrap();
    house.store.turn(Some(outage("disk on fire")));
    house.auth.refresh().await.unwrap_err();
    assert!(house.lets_in(&opened), "it is known already");
}

#[tokio::test(start_paused = true)]
async fn without_accounts_everybody_is_unknown() {
    let tokens = std::sync::Arc::new(MemoryTokens::new());
    let (auth, _keeper) = Auth::builder(tokens).open().await.unwrap();
    assert!(!auth.has_accounts());
    let refused = auth.log_in(&attempt("192.0.2.1", "alice", PASSWORD)).await.unwrap_err();
    assert_eq!(refused, LoginRejection::Refused(CredentialFault::UnknownUser));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_shows_neither_name_nor_password() {
    let attempt = attempt("192.0.2.1", "typed-as-a-name", "typed-as-a-password");
    let shown = format!("{attempt:?}");
    assert!(!shown.contains("typed"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn without_randomness_nothing_is_opened() {
    struct Dry;
    impl mcp_identity::Entropy for Dry {
        fn fill(&self, _: &mut [u8]) -> Result<(), EntropyError> {
            Err(EntropyError)
        }
    }
    let house = Household::with(settings()).await;
    let accounts = mcp_auth::Accounts {
        store: house.store.clone(),
        hasher: house.hasher.clone(),
        settings: settings(),
    };
    let tokens = std::sync::Arc::new(MemoryTokens::new());
    let builder = Auth::builder(tokens).entropy(std::sync::Arc::new(Dry)).accounts(accounts);
    assert!(matches!(builder.open().await, Err(mcp_auth::OpenError::Entropy(EntropyError))));
}
