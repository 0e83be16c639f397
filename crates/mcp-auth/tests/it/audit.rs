//! What the audit log is told of people: each event once.

use mcp_auth::LoginSettings;
use mcp_identity::{Actor, AuditAction, AuditOutcome, Clock as _, PrincipalId, Subject};
use mcp_store::UserEdit;

use crate::support::{
    Household, PASSWORD, Step, attempt, caller, hash_of, locking_after, outage, refusing_after,
    settings, until, user,
};

fn alice() -> Subject {
    Subject::User(user("alice"))
}

#[tokio::test(start_paused = true)]
async fn a_login_names_its_session_and_who_asked() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let events = house.audit.take();
    assert_eq!(events.len(), 1);
    let event = &events[0];
    let done = (AuditAction::Login, AuditOutcome::Done, 1);
    assert_eq!((event.action, event.outcome, event.count), done);
    assert_eq!(event.subject, Subject::Session(opened.id, user("alice")));
    assert_eq!(event.actor, Actor::Caller(caller("192.0.2.1"), None));
    assert_eq!(event.at, house.clock.now());
}

#[tokio::test(start_paused = true)]
async fn every_failure_is_told_once_and_for_what_it_was() {
    let house = Household::with(locking_after(2)).await;
    house.add("carol").await;
    house.edit("carol", UserEdit { enabled: Some(false), ..UserEdit::default() }).await;
    for (name, password) in [
        ("nobody", PASSWORD),
        ("alice", "one"),
        ("alice", "two"),
        ("alice", PASSWORD),
        ("carol", PASSWORD),
    ] {
        house.log_in(name, password).await.unwrap_err();
    }
    let login = |reason, subject| (AuditAction::Login, AuditOutcome::Refused(reason), subject);
    let expected = [
        login("unknown_user", Subject::UnknownUser),
        login("wrong_password", alice()),
        (AuditAction::Lock, AuditOutcome::Done, alice()),
        login("wrong_password", alice()),
        login("locked", alice()),
        login("disabled", Subject::User(user("carol"))),
    ];
    assert_eq!(house.audit.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_looked_at_is_told_too() {
    let house = Household::with(refusing_after(1)).await;
    house.store.turn(Some(outage("disk on fire")));
    house.log_in("alice", PASSWORD).await.unwrap_err();
    house.store.turn(None);
    house.log_in("alice", "wrong").await.unwrap_err();
    house.log_in("alice", PASSWORD).await.unwrap_err();
    house.hasher.stop();
    house.begin("192.0.2.2", "alice", PASSWORD).await.unwrap().unwrap_err();
    let login = |outcome, subject| (AuditAction::Login, outcome, subject);
    let expected = [
        login(AuditOutcome::Failed("store"), Subject::None),
        login(AuditOutcome::Refused("wrong_password"), alice()),
        login(AuditOutcome::Refused("too_many_attempts"), Subject::None),
        login(AuditOutcome::Failed("busy"), Subject::None),
    ];
    assert_eq!(house.audit.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_client_left_is_told() {
    let house = Household::with(settings()).await;
    house.store.hold(Some(Step::Found));
    let gone = house.begin("192.0.2.1", "alice", PASSWORD);
    until("it is looked at", || house.store.standing() == 1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let abandoned = AuditOutcome::Failed("abandoned");
    assert_eq!(house.audit.lines(), [(AuditAction::Login, abandoned, Subject::None)]);
}

#[tokio::test(start_paused = true)]
async fn of_fifty_parallel_logins_fifty_are_told() {
    let house = Household::with(settings()).await;
    let all: Vec<_> = (0..50).map(|_| house.begin("192.0.2.1", "alice", PASSWORD)).collect();
    let mut opened = Vec::new();
    for login in all {
        opened.push(Subject::Session(login.await.unwrap().unwrap().id, user("alice")));
    }
    let mut told = house.audit.lines();
    for subject in opened {
        let line = (AuditAction::Login, AuditOutcome::Done, subject);
        let place = told.iter().position(|other| *other == line).unwrap();
        told.remove(place);
    }
    assert_eq!(told, []);
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_told_once_however_many_guesses_were_parallel() {
    let house = Household::with(locking_after(3)).await;
    let guess = |n| house.begin(&format!("192.0.2.{n}"), "alice", &format!("guess {n}"));
    let all: Vec<_> = (0..40).map(guess).collect();
    for login in all {
        login.await.unwrap().unwrap_err();
    }
    let told = house.audit.lines();
    let actions = |action| told.iter().filter(|line| line.0 == action).count();
    assert_eq!((actions(AuditAction::Lock), actions(AuditAction::Login)), (1, 40));
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_as_a_name_is_never_told() {
    let house = Household::with(locking_after(1)).await;
    for typed in ["hunter2", "hunter2", "hunter2\n", "hunter2@example.com", "HUNTER2"] {
        house.log_in(typed, "hunter2 again").await.unwrap_err();
    }
    let told = format!("{:?}", house.audit.take()).to_lowercase();
    assert!(told.contains("unknownuser") && !told.contains("hunter2"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_makes_room_is_told_with_the_one_it_made_room_for() {
    let house = Household::with(LoginSettings { max_sessions: 1, ..settings() }).await;
    let first = house.session("alice").await;
    house.audit.take();
    let second = house.session("alice").await;
    let events = house.audit.take();
    let told: Vec<_> = events.iter().map(|event| (event.action, &event.subject)).collect();
    let subject = |id| Subject::Session(id, user("alice"));
    let (gone, opened) = (subject(first.id), subject(second.id.clone()));
    assert_eq!(told, [(AuditAction::EndSession, &gone), (AuditAction::Login, &opened)]);
    let by = PrincipalId::Session(second.id);
    assert_eq!(events[0].actor, Actor::Caller(caller("192.0.2.1"), Some(by)));
}

#[tokio::test(start_paused = true)]
async fn a_logout_is_told_once_however_often_it_is_asked_for() {
    let house = Household::with(settings()).await;
    let opened = house.session("alice").await;
    let principal = house.bearer(&opened.token).unwrap();
    house.audit.take();
    for _ in 0..2 {
        assert!(house.auth.log_out(&principal, &caller("192.0.2.1")).await.unwrap());
    }
    let subject = Subject::Session(opened.id, user("alice"));
    assert_eq!(house.audit.lines(), [(AuditAction::Logout, AuditOutcome::Done, subject)]);
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_told() {
    let house = Household::with(locking_after(1)).await;
    let opened = house.session("alice").await;
    let admitted =
        house.auth.admit(opened.token.expose().as_bytes(), &caller("::1"), house.clock.now());
    admitted.unwrap();
    let bad = "not-a-token-at-all".as_bytes();
    house.auth.admit(bad, &caller("::1"), house.clock.now()).unwrap_err();
    house.auth.log_in(&attempt("::1", "alice", "not the password")).await.unwrap_err();
    let told = format!("{:?}", house.audit.take());
    let hash = hash_of(&house.hasher, PASSWORD).await;
    let digest = mcp_identity::TokenHash::of(&opened.token).to_hex();
    for secret in [opened.token.expose(), PASSWORD, "not-a-token", "not the password", &digest] {
        assert!(!told.contains(secret), "{secret} in {told}");
    }
    assert!(!told.contains(hash.expose()));
}
