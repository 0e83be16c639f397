//! A connection in the hands of one request.

use std::ops::{Deref, DerefMut};

use deadpool::managed::Object;
use mcp_connect::Connection;
use tokio::sync::mpsc;

use crate::manager::Manager;

/// A connection of one principal, lent for one statement. Goes back when it is dropped idle and
/// whole; in any other state it is closed, and what still runs on it is cancelled.
pub struct Lent {
    pooled: Option<Object<Manager>>,
    wrecks: mpsc::Sender<Object<Manager>>,
}

impl Lent {
    pub(crate) fn new(pooled: Object<Manager>, wrecks: mpsc::Sender<Object<Manager>>) -> Self {
        Self { pooled: Some(pooled), wrecks }
    }
}

/// The object is there from `new` until `drop`.
const LENT: &str = "a lent connection is held until it is dropped";

impl Deref for Lent {
    type Target = Connection;

    #[expect(clippy::expect_used, reason = "only `drop` takes the object")]
    fn deref(&self) -> &Connection {
        &self.pooled.as_ref().expect(LENT).connection
    }
}

impl DerefMut for Lent {
    #[expect(clippy::expect_used, reason = "only `drop` takes the object")]
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.pooled.as_mut().expect(LENT).connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(pooled) = self.pooled.take() else { return };
        if !pooled.connection.is_idle() {
            // The statement may still run, and closing the socket alone would not stop it. The
            // keeper ends it; until then it holds its place among the principal's connections, or
            // a caller who keeps going away would have as many as he likes. If the keeper is gone
            // or overwhelmed, `statement_timeout` ends it.
            if let Err(refused) = self.wrecks.try_send(pooled) {
                drop(Object::take(refused.into_inner()));
            }
            return;
        }
        let Some(pool) = Object::pool(&pooled) else { return };
        if pool.manager().is_contended() {
            drop(Object::take(pooled));
            return;
        }
        drop(pooled);
        // Whoever began to wait just now found nothing idle: it was on its way back.
        if pool.manager().is_contended() {
            pool.manager().make_room_for_waiting();
        }
    }
}
