//! Each statement of a caller is recorded once, and its text never.

use mcp_identity::{Actor, AuditAction, AuditOutcome, Subject};

use crate::support::{Lines, Wall};

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_is_recorded_with_what_became_of_it() {
    let wall = Wall::to_write();
    let (read, change) = (AuditAction::Read, AuditAction::Change);
    let done = AuditOutcome::Done;
    for (text, action, command, outcome) in [
        ("SELECT 'secret'", read, "SELECT", done),
        ("SHOW work_mem", read, "SHOW", done),
        ("EXPLAIN SELECT 1", read, "EXPLAIN", done),
        ("SELECT 1/0", read, "SELECT", AuditOutcome::Failed("database_error")),
        ("SELECT pg_sleep(1)", read, "unknown", AuditOutcome::Refused("denied_name")),
        ("COMMIT", read, "unknown", AuditOutcome::Refused("not_allowed")),
        ("INSERT INTO customers VALUES (9, 'secret')", change, "INSERT", done),
        ("CREATE TABLE t (a int)", change, "CREATE TABLE", done),
        ("DROP TABLE nowhere", change, "DROP TABLE", AuditOutcome::Failed("database_error")),
    ] {
        drop(wall.run(text).await);
        let events = wall.log.take();
        let [event] = events.as_slice() else { panic!("{text}: {events:?}") };
        let subject = Subject::Statement(wall.shop.clone(), command);
        assert_eq!((event.action, event.outcome), (action, outcome), "{text}");
        assert_eq!(event.subject, subject, "{text}");
        assert_eq!(event.actor, Actor::Principal(wall.agent.id.clone()), "{text}");
        assert!(!format!("{event:?}").contains("secret"), "{event:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_whose_caller_goes_away_is_recorded_too() {
    let wall = Wall::to_read();
    let mut lines = Lines::default();
    let endless = "SELECT count(*) FROM generate_series(1, 1000000000)";
    let running = wall.databases.read(&wall.agent, &wall.shop, endless, (1, 0), &mut lines);
    tokio::select! {
        biased;
        answer = running => panic!("{answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    let events = wall.log.take();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].outcome, AuditOutcome::Failed("gone"));
}
