//! Whoever must change his password may do that and nothing else; whoever asks to change it knows
//! the one of before.

use std::time::Duration;

use mcp_auth::{Authenticate as _, LoginRejection, PasswordChangeDoor};
use mcp_identity::{Clock as _, CredentialFault, Denial, PrincipalId};
use mcp_store::{AccountStore as _, SessionScope, UserEdit, UserRecord};

use crate::support::{Household, PASSWORD, attempt, caller, locking_after, settings, user};

fn must_change() -> UserEdit {
    UserEdit { must_change_password: Some(true), ..UserEdit::default() }
}

#[tokio::test(start_paused = true)]
async fn who_must_change_his_password_opens_the_one_door_that_asks_for_it() {
    let house = Household::with(settings()).await;
    house.edit("alice", must_change()).await;
    let opened = house.session("alice").await;
    assert_eq!(opened.scope, SessionScope::PasswordChange);
    assert_eq!(opened.expires_at, house.clock.now() + Duration::from_mins(15));
    let unknown = mcp_auth::Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));
    assert_eq!(house.bearer(&opened.token).unwrap_err(), unknown);
    let (from, now) = (caller("192.0.2.1"), house.clock.now());
    let token = opened.token.expose().as_bytes();
    assert_eq!(house.auth.authenticate(token, &from, now).unwrap_err(), unknown);
    let door = PasswordChangeDoor::new(house.auth.clone());
    let principal = door.authenticate(token, &from, now).unwrap();
    assert_eq!(principal.id, PrincipalId::PasswordChange(opened.id));
    assert!(!principal.grants.may_write() && !principal.grants.allows_tool("query_database"));
    assert_eq!(principal.grants.databases.reached(&[]).count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_door_of_a_change_lets_in_whoever_the_common_one_does() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let door = PasswordChangeDoor::new(house.auth.clone());
    let (from, now) = (caller("192.0.2.1"), house.clock.now());
    let principal = door.authenticate(opened.token.expose().as_bytes(), &from, now).unwrap();
    assert_eq!(principal.id, PrincipalId::Session(opened.id));
    let unknown = mcp_auth::Refusal::Denied(Denial::BadCredential(CredentialFault::Unknown));
    assert_eq!(door.authenticate(b"nobody", &from, now).unwrap_err(), unknown);
    assert_eq!(door.malformed(&from, now), Denial::BadCredential(CredentialFault::Malformed));
}

#[tokio::test(start_paused = true)]
async fn an_address_of_mail_logs_in_to_its_account_in_any_spelling() {
    let house = Household::with(settings()).await;
    let email = Some("Carol@Example.org".to_owned());
    house.add_record(UserRecord { email, ..house.record("carol").await }).await;
    for typed in ["Carol@Example.org", "carol@example.ORG", "ｃａｒｏｌ@example.org"] {
        assert_eq!(house.session(typed).await.user, user("carol"), "{typed}");
    }
    let refused = house.log_in("dave@example.org", PASSWORD).await.unwrap_err();
    assert_eq!(refused, LoginRejection::Refused(CredentialFault::UnknownUser));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_confirmed_opens_nothing_and_a_wrong_one_counts() {
    let house = Household::with(locking_after(2)).await;
    let record = house.account("alice").await.record;
    let right = attempt("192.0.2.1", "alice", PASSWORD);
    let wrong = attempt("192.0.2.1", "alice", "wrong");
    assert_eq!(house.auth.confirm(&right).await, Ok(record.password));
    assert_eq!(house.store.sessions().await.unwrap(), []);
    let refused = Err(LoginRejection::Refused(CredentialFault::WrongPassword));
    assert_eq!(house.auth.confirm(&wrong).await, refused);
    assert_eq!(house.auth.confirm(&wrong).await, refused);
    let locked = Err(LoginRejection::Refused(CredentialFault::Locked));
    assert_eq!(house.auth.confirm(&right).await, locked);
}
