//! `notifications/cancelled`: the work on a request ends at once, and nothing is answered.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use mcp_protocol::{Output, Server, Status};
use serde_json::{Value, json};

use crate::client::{Legacy, poll, request};
use crate::offer::{builder, tool};

/// Counts those that were begun and are not yet dropped.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(count))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A server whose tool never ends by itself, and how many calls of it are alive.
fn endless() -> (Server<u32>, Arc<AtomicUsize>) {
    let alive = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&alive);
    let waits = tool("waits", move |_, output| {
        let count = Arc::clone(&count);
        Box::pin(async move {
            let _counted = Counted::new(&count);
            output.write("begun").await?;
            std::future::pending().await
        })
    });
    (builder().tool(waits).build(), alive)
}

fn cancelled(id: &Value) -> Value {
    json!({
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": { "requestId": id, "reason": "no longer needed" },
    })
}

#[test]
fn a_cancelled_call_is_dropped_and_not_answered() {
    for id in [json!(1), json!("one"), json!(-3)] {
        let (server, alive) = endless();
        let client = Legacy::new(&server);
        let call = request(id.clone(), "tools/call", &json!({ "name": "waits" }));
        let mut work = Box::pin(server.handle(client.exchange(&call), Output::held()));
        assert!(poll(work.as_mut()).is_pending());
        assert_eq!(alive.load(Ordering::SeqCst), 1);
        client.tell(&cancelled(&id));
        let Poll::Ready(reply) = poll(work.as_mut()) else { panic!("{id} was cancelled") };
        assert_eq!(reply.status, Status::Cancelled);
        assert!(reply.output.into_rest().is_empty());
        drop(work);
        assert_eq!(alive.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn what_names_no_request_under_way_cancels_nothing() {
    let (server, alive) = endless();
    let client = Legacy::new(&server);
    let call = request(1, "tools/call", &json!({ "name": "waits" }));
    let mut work = pin!(server.handle(client.exchange(&call), Output::held()));
    assert!(poll(work.as_mut()).is_pending());
    for id in [json!(2), json!("1"), json!(null)] {
        client.tell(&cancelled(&id));
    }
    client.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled" }));
    // A client cancels its own requests, not those of others.
    Legacy::new(&server).tell(&cancelled(&json!(1)));
    assert!(poll(work.as_mut()).is_pending());
    assert_eq!(alive.load(Ordering::SeqCst), 1);
}

#[test]
fn an_id_is_free_again_once_its_request_is_answered_or_cancelled() {
    let (server, _alive) = endless();
    let client = Legacy::new(&server);
    for _ in 0..2 {
        client.send("ping", &json!({}));
        let call = request(1, "tools/call", &json!({ "name": "waits" }));
        let mut work = pin!(server.handle(client.exchange(&call), Output::held()));
        assert!(poll(work.as_mut()).is_pending());
        client.tell(&cancelled(&json!(1)));
        assert!(poll(work.as_mut()).is_ready());
    }
}
