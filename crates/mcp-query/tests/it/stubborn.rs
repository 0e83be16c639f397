//! A block that catches its own cancellation.

use std::time::Duration;

use mcp_query::QueryFault;

use crate::support::Wall;

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_catches_its_cancellation_is_ended_with_its_backend() {
    let wall = Wall::new(false, Duration::from_millis(100));
    let before = wall.look("SELECT md5(string_agg(c::text, '')) FROM customers AS c");
    let answer = wall.run("SELECT stubborn()").await;
    assert!(matches!(answer, Err(QueryFault::TimedOut(_))), "{answer:?}");
    // The principal has one connection, so that this waits until the backend of the first is gone.
    assert_eq!(wall.run("SELECT count(*) FROM customers").await.unwrap(), "4\n");
    let running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%stubborn()%' \
                   AND pid <> pg_backend_pid()";
    assert_eq!(wall.look(running), "0");
    assert_eq!(wall.look("SELECT md5(string_agg(c::text, '')) FROM customers AS c"), before);
}
