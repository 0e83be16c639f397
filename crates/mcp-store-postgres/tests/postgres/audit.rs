//! The audit log in PostgreSQL: what is recorded is there once, in order, and is read back.

use std::future::ready;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog as _, AuditOutcome, Caller, Clock as _, PrincipalId,
    RequestId, SessionId, Subject, SystemClock, SystemEntropy, TokenId, UserName,
};
use mcp_store::{
    AccountStore as _, AdminsLeft, AuditEvents as _, AuditFilter, AuditLine, AuditPage, StoredHash,
    UserRecord,
};
use mcp_store_postgres::{PostgresAudit, PostgresAuditWriter, PostgresStore};
use tokio::sync::oneshot;

use crate::support::House;

fn log(store: &PostgresStore) -> (PostgresAudit, PostgresAuditWriter) {
    let days = NonZeroU32::new(90);
    store.audit(days, Arc::new(SystemClock), &SystemEntropy).unwrap()
}

fn user(name: &str) -> Subject {
    Subject::User(UserName::parse(name).unwrap())
}

fn event(action: AuditAction, subject: Subject, actor: Actor) -> AuditEvent {
    AuditEvent::new(SystemClock.now(), action, AuditOutcome::Done, subject, actor)
}

fn caller(agent: &str) -> Actor {
    let request_id = RequestId::from_bytes([7; 16]);
    let address = [192, 0, 2, 7].into();
    Actor::Caller(Caller { address, agent: Some(agent.into()), request_id }, None)
}

/// The `n`th of many events, told by its operator.
fn numbered(n: usize) -> AuditEvent {
    event(AuditAction::EditUser, Subject::None, Actor::Operator(n.to_string()))
}

async fn lines(store: &PostgresStore, filter: AuditFilter) -> Vec<AuditLine> {
    let mut reading = store.audit_lines(filter);
    let mut lines = Vec::new();
    while let Some(line) = reading.next().await {
        lines.push(line.unwrap());
    }
    lines
}

async fn operators(store: &PostgresStore) -> Vec<String> {
    let lines = lines(store, AuditFilter::default()).await;
    lines.into_iter().filter_map(|line| line.operator).collect()
}

fn in_order(most: usize) -> Vec<String> {
    (0..most).map(|n| n.to_string()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_an_event_is_in_its_row_and_comes_back() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let alice = UserName::parse("Alice").unwrap();
    let hash = StoredHash::new("$2b$12$x");
    store.add_account(UserRecord::new(alice.clone(), hash, SystemClock.now())).await.unwrap();
    let session = SessionId::from_bytes([1; 8]);
    let by = PrincipalId::Session(session.clone());
    let unknown = AuditEvent {
        outcome: AuditOutcome::Refused("unknown_user"),
        ..event(AuditAction::Login, Subject::UnknownUser, caller("curl"))
    };
    let (audit, writer) = log(&store);
    for event in [
        event(AuditAction::Login, Subject::Session(session, alice), caller("curl/8\0\u{202e}\n")),
        unknown,
        event(
            AuditAction::RemoveToken,
            Subject::Token(TokenId::parse("token-1").unwrap()),
            Actor::Principal(by),
        ),
        AuditEvent { count: 3, ..event(AuditAction::Reload, Subject::None, Actor::Server) },
    ] {
        audit.record(event);
    }
    writer.run(ready(())).await.unwrap();

    let columns = "SELECT event_type, success, users.username, login_hint, ip_address, user_agent,
        failure_reason FROM auth_events LEFT JOIN users ON users.id = user_id ORDER BY auth_events.id";
    assert_eq!(
        house.sql(&database, columns),
        "login|t|Alice|Alice|192.0.2.7|curl/8\\u{0}\\u{202e}\\u{a}|\n\
         login|f|||192.0.2.7|curl|unknown_user\n\
         remove_token|t|||||\n\
         reload|t|||||"
    );
    let read = lines(&store, AuditFilter::default()).await;
    let [login, unknown, token, reload] = &read[..] else { panic!("four lines: {read:?}") };
    assert_eq!(login.user.as_deref(), Some("Alice"));
    assert_eq!(login.session.as_deref(), Some("0101010101010101"));
    assert_eq!(login.request_id.as_deref(), Some("07070707070707070707070707070707"));
    assert_eq!((unknown.user.as_deref(), unknown.known), (None, false));
    assert_eq!(token.token.as_deref(), Some("token-1"));
    assert_eq!(token.principal.as_deref(), Some("session:0101010101010101"));
    assert_eq!((reload.count, reload.outcome.as_str()), (3, "done"));
    let age = SystemClock.now().duration_since(login.time).unwrap();
    assert!(age < Duration::from_mins(5), "{age:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_where_the_writer_is_told_to_stop() {
    let house = House::new();
    let (store, _) = house.open(&house.database()).await;
    let (audit, writer) = log(&store);
    let (stop, stopped) = oneshot::channel::<()>();
    let writing = tokio::spawn(writer.run(async move { drop(stopped.await) }));
    for n in 0..2_500 {
        audit.record(numbered(n));
    }
    drop(stop);
    writing.await.unwrap().unwrap();
    assert_eq!(operators(&store).await, in_order(2_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_while_the_database_is_down_is_written_when_it_is_back() {
    let mut house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let (audit, writer) = log(&store);
    let (stop, stopped) = oneshot::channel::<()>();
    let writing = tokio::spawn(writer.run(async move { drop(stopped.await) }));
    let mut reading = store.audit_lines(AuditFilter::default());
    audit.record(numbered(0));
    assert_eq!(reading.wait().await.unwrap().operator.as_deref(), Some("0"));
    house.server.stop();
    assert!(reading.wait().await.is_err());
    for n in 1..1_000 {
        audit.record(numbered(n));
    }
    house.server.resume().unwrap();
    for n in 1..1_000 {
        let line = loop {
            if let Ok(line) = reading.wait().await {
                break line;
            }
        };
        assert_eq!(line.operator, Some(n.to_string()));
    }
    drop(stop);
    writing.await.unwrap().unwrap();
    assert_eq!(operators(&store).await, in_order(1_000));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_ends_in_an_outage_says_how_much_is_lost() {
    let mut house = House::new();
    let (store, _) = house.open(&house.database()).await;
    let (audit, writer) = log(&store);
    house.server.stop();
    for n in 0..7 {
        audit.record(numbered(n));
    }
    let error = writer.run(ready(())).await.unwrap_err();
    assert!(error.fault.ends_with("7 lines of the audit log are lost"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_written_again_is_one_row() {
    let house = House::new();
    let database = house.database();
    drop(house.open(&database).await);
    let write = r#"SELECT mcp_write_events(ARRAY['{"v":1,"time":"2026-01-01T00:00:00Z",
        "action":"login","outcome":"done"}'::jsonb], ARRAY[NULL], ARRAY['server-1'])"#;
    house.sql(&database, write);
    house.sql(&database, write);
    assert_eq!(house.sql(&database, "SELECT count(*) FROM auth_events"), "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_misses_nothing_of_two_servers() {
    const EACH: usize = 700;
    let house = House::new();
    let database = house.database();
    let (reader, _) = house.open(&database).await;
    let mut writing = Vec::new();
    for server in 0..2 {
        let (store, _) = house.open(&database).await;
        writing.push(tokio::spawn(async move {
            for n in 0..EACH {
                // One statement for each few: many commits of either side, in any order.
                let (audit, writer) = log(&store);
                audit.record(numbered(server * EACH + n));
                writer.run(ready(())).await.unwrap();
            }
        }));
    }
    let mut followed = reader.audit_lines(AuditFilter::default());
    let mut seen = Vec::new();
    while seen.len() < 2 * EACH {
        seen.push(followed.wait().await.unwrap().operator.unwrap().parse::<usize>().unwrap());
    }
    for written in writing {
        written.await.unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..2 * EACH).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_guesses_is_a_few_rows_and_a_count() {
    let house = House::new();
    let (store, _) = house.open(&house.database()).await;
    let (audit, writer) = log(&store);
    for _ in 0..1_000 {
        let guess = event(AuditAction::Login, Subject::UnknownUser, caller("hydra"));
        audit.record(AuditEvent { outcome: AuditOutcome::Refused("unknown_user"), ..guess });
    }
    writer.run(ready(())).await.unwrap();
    let rows = lines(&store, AuditFilter::default()).await;
    assert!(rows.len() < 100, "{}", rows.len());
    assert_eq!(rows.iter().map(|line| line.count).sum::<u64>(), 1_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wanted_is_found_by_user_in_any_spelling_and_by_time() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let (audit, writer) = log(&store);
    let now = SystemClock.now();
    for (name, minutes) in [("Zoë", 90), ("bob", 30), ("ZOË", 10)] {
        let at = now - Duration::from_mins(minutes);
        audit.record(AuditEvent { at, ..event(AuditAction::Lock, user(name), Actor::Server) });
    }
    writer.run(ready(())).await.unwrap();
    let found = async |since: Option<u64>, user: Option<&str>| {
        let since = since.map(|minutes| now - Duration::from_mins(minutes));
        let user = user.map(|name| UserName::parse(name).unwrap());
        let lines = lines(&store, AuditFilter { since, user }).await;
        lines.into_iter().filter_map(|line| line.user).collect::<Vec<_>>()
    };
    assert_eq!(found(None, None).await, ["Zoë", "bob", "ZOË"]);
    assert_eq!(found(None, Some("zoë")).await, ["Zoë", "ZOË"]);
    assert_eq!(found(Some(60), None).await, ["bob", "ZOË"]);
    assert_eq!(found(Some(60), Some("zoë")).await, ["ZOË"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_by_hand_is_read_and_one_that_cannot_be_hides_no_other() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    house.sql(
        &database,
        "INSERT INTO auth_events (event_type, success, login_hint, ip_address, failure_reason, details)
         VALUES ('login', false, 'bob', '192.0.2.1', 'by_hand', NULL),
                ('login', true, NULL, 'no address', NULL, NULL),
                ('login', true, NULL, NULL, NULL, '{\"v\": 2, \"when\": \"now\"}'),
                ('logout', true, 'eve', NULL, NULL, '{\"of\": \"another system\"}')",
    );
    let mut reading = store.audit_lines(AuditFilter::default());
    let bob = reading.next().await.unwrap().unwrap();
    assert_eq!((bob.outcome.as_str(), bob.reason.as_deref()), ("refused", Some("by_hand")));
    let broken = reading.next().await.unwrap().unwrap_err();
    assert!(broken.fault.contains("the audit event with id 2: no line"), "{broken}");
    let newer = reading.next().await.unwrap().unwrap_err();
    assert!(newer.fault.contains("its version is 2"), "{newer}");
    assert_eq!(reading.next().await.unwrap().unwrap().user.as_deref(), Some("eve"));
    assert!(reading.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_are_old_enough_are_deleted_a_thousand_at_a_time() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    house.sql(
        &database,
        "INSERT INTO auth_events (ts, event_type, success)
         SELECT now() - interval '91 days', 'login', true FROM generate_series(1, 1500);
         INSERT INTO auth_events (ts, event_type, success)
         VALUES (now() - interval '89 days', 'logout', true)",
    );
    let (_audit, writer) = log(&store);
    let (stop, stopped) = oneshot::channel::<()>();
    let writing = tokio::spawn(writer.run(async move { drop(stopped.await) }));
    let mut counts = Vec::new();
    while counts.last() != Some(&1) {
        let left: usize = house.sql(&database, "SELECT count(*) FROM auth_events").parse().unwrap();
        if counts.last() != Some(&left) {
            counts.push(left);
        }
        tokio::task::yield_now().await;
    }
    assert!(counts.iter().all(|left| [1_501, 501, 1].contains(left)), "{counts:?}");
    assert_eq!(house.sql(&database, "SELECT event_type FROM auth_events"), "logout");
    drop(stop);
    writing.await.unwrap().unwrap();
}

/// The reasons of the newest events, which tests use as their names.
async fn newest(store: &PostgresStore, user: Option<&str>, page: (usize, usize)) -> Vec<String> {
    let user = user.map(|name| UserName::parse(name).unwrap());
    let filter = AuditFilter { since: None, user };
    let page = AuditPage { filter, limit: page.0, offset: page.1 };
    let lines = store.newest(page).await.unwrap();
    lines.into_iter().filter_map(|line| line.reason).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_come_first_and_an_account_has_those_of_no_other_of_its_name() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let alice = UserName::parse("Alice").unwrap();
    let record = || UserRecord::new(alice.clone(), StoredHash::new("$2b$12$x"), SystemClock.now());
    let write = async |reasons: &[&'static str]| {
        let (audit, writer) = log(&store);
        for reason in reasons {
            let outcome = AuditOutcome::Refused(reason);
            audit.record(AuditEvent {
                outcome,
                ..event(AuditAction::Login, user("Alice"), caller("x"))
            });
        }
        writer.run(ready(())).await.unwrap();
    };
    store.add_account(record()).await.unwrap();
    write(&["before"]).await;
    store.delete_account(&alice, AdminsLeft::MayBeNone).await.unwrap();
    store.add_account(record()).await.unwrap();
    write(&["one", "two", "three"]).await;
    house.sql(
        &database,
        "INSERT INTO auth_events (event_type, success, failure_reason, details)
         VALUES ('login', false, 'by_hand', NULL), ('login', true, NULL, '{\"v\": 2}')",
    );

    assert_eq!(newest(&store, Some("aLICE"), (100, 0)).await, ["three", "two", "one"]);
    assert_eq!(newest(&store, Some("alice"), (1, 1)).await, ["two"]);
    assert_eq!(newest(&store, Some("bob"), (100, 0)).await, [""; 0]);
    let all = ["by_hand", "three", "two", "one", "before"];
    assert_eq!(newest(&store, None, (100, 0)).await, all, "what cannot be read is passed over");
    house.sql(
        &database,
        "INSERT INTO auth_events (event_type, success, failure_reason)
         SELECT 'login', false, 'flood' FROM generate_series(1, 200)",
    );
    assert_eq!(newest(&store, None, (5_000, 0)).await.len(), 100, "whatever is asked for");
}
