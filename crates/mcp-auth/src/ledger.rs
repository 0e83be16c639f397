//! What the keeper keeps: each record, and the handle that ends its lease.
//!
//! ```text
//!              settle: a record that was not there
//!   (nothing) ────────────────────────────────────▶ held ◀──┐ settle: other authority
//!       ▲                                            │  └───┘   (old lease: Replaced),
//!       │                                            │          another end (same lease)
//!       │ settle: record gone (lease: Revoked)       │
//!       ├────────────────────────────────────────────┤ sweep: its time is over (lease: Expired)
//!       │                                            ▼
//!       └──────────────────────────────────────── expired ──▶ held, when the clock goes back
//! ```

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_identity::{EndReason, Lease, LeaseEnd, Principal, PrincipalId, TokenId};
use mcp_store::TokenRecord;

use crate::index::{Digest, Entries, Entry, Index, Use};

/// The one writer of the index. Always: first the index is replaced, then old leases end; so
/// nobody finds an entry whose lease has ended already.
pub(crate) struct Ledger {
    index: Arc<Index>,
    kept: HashMap<TokenId, Kept>,
    next_expiry: Option<SystemTime>,
}

struct Kept {
    record: TokenRecord,
    /// `None`: its time is over.
    held: Option<Held>,
}

struct Held {
    principal: Arc<Principal>,
    used: Arc<Use>,
    end: LeaseEnd,
}

/// Leases that end as soon as the index no longer shows them.
type Ended = Vec<(TokenId, LeaseEnd, EndReason)>;

impl Ledger {
    pub(crate) fn new(index: Arc<Index>) -> Self {
        Self { index, kept: HashMap::new(), next_expiry: None }
    }

    /// The earliest time at which a lease must end, of those that are held.
    pub(crate) fn next_expiry(&self) -> Option<SystemTime> {
        self.next_expiry
    }

    /// Makes the index what the store says: `records` are all there are.
    pub(crate) fn settle(&mut self, records: Vec<TokenRecord>, now: SystemTime) {
        let mut ended = Ended::new();
        let mut before = std::mem::take(&mut self.kept);
        for record in records {
            let held = match before.remove(&record.id) {
                Some(kept) if kept.record.same_authority(&record) => kept.held,
                // A rotated token is good until its overlap is over, and so is what it runs.
                Some(kept) if differs_in_its_end_alone(&kept.record, &record) => {
                    kept.held.map(|held| held.until(record.expires_at))
                }
                Some(kept) => {
                    put_out(kept, EndReason::Replaced, &mut ended);
                    None
                }
                None => None,
            };
            self.kept.insert(record.id.clone(), Kept { record, held });
        }
        for gone in before.into_values() {
            // A store that removed what had expired revoked nothing.
            let expired = gone.record.is_expired(now);
            let why = if expired { EndReason::Expired } else { EndReason::Revoked };
            put_out(gone, why, &mut ended);
        }
        self.turn(now, &mut ended);
        self.publish(ended);
    }

    /// Ends what expired since, and holds again what a clock set back brings back.
    pub(crate) fn sweep(&mut self, now: SystemTime) {
        let mut ended = Ended::new();
        if self.turn(now, &mut ended) {
            self.publish(ended);
        }
    }

    /// Brings each entry to the side of its expiry on which `now` is. Did any change sides?
    fn turn(&mut self, now: SystemTime, ended: &mut Ended) -> bool {
        let mut turned = false;
        for kept in self.kept.values_mut() {
            match (kept.record.is_expired(now), kept.held.take()) {
                (true, Some(held)) => {
                    ended.push((kept.record.id.clone(), held.end, EndReason::Expired));
                    turned = true;
                }
                (false, None) => {
                    kept.held = Some(hold(&kept.record));
                    turned = true;
                }
                (_, unchanged) => kept.held = unchanged,
            }
        }
        turned
    }

    /// Lets everything go: nobody knows any more what holds.
    pub(crate) fn let_go(&mut self) {
        let mut ended = Ended::new();
        for kept in std::mem::take(&mut self.kept).into_values() {
            put_out(kept, EndReason::Unkept, &mut ended);
        }
        self.publish(ended);
    }

    fn publish(&mut self, ended: Ended) {
        let held = |kept: &Kept| kept.held.is_some().then_some(kept.record.expires_at).flatten();
        self.next_expiry = self.kept.values().filter_map(held).min();
        let entry = |kept: &Kept| {
            let entry = match &kept.held {
                Some(held) => Entry::Held(Arc::clone(&held.principal), Arc::clone(&held.used)),
                None => Entry::Expired,
            };
            (Digest(kept.record.hash), entry)
        };
        self.index.publish_tokens(self.kept.values().map(entry).collect::<Entries>());
        for (id, end, why) in ended {
            end.end(why);
            tracing::info!(token.id = %id, reason = ?why, "Put out a token");
        }
    }
}

impl Drop for Ledger {
    /// The keeper stopped or panicked: refuse everyone first. The leases end with their handles,
    /// which are dropped next.
    fn drop(&mut self) {
        self.index.close();
    }
}

fn put_out(kept: Kept, why: EndReason, ended: &mut Ended) {
    if let Some(held) = kept.held {
        ended.push((kept.record.id, held.end, why));
    }
}

fn differs_in_its_end_alone(kept: &TokenRecord, record: &TokenRecord) -> bool {
    kept.same_authority(&TokenRecord { expires_at: kept.expires_at, ..record.clone() })
}

impl Held {
    /// Under the same lease, which the sweep ends then.
    fn until(self, expires_at: Option<SystemTime>) -> Self {
        let principal = Arc::new(Principal { expires_at, ..Principal::clone(&self.principal) });
        Self { principal, ..self }
    }
}

fn hold(record: &TokenRecord) -> Held {
    let (lease, end) = Lease::new();
    let principal = Arc::new(Principal {
        id: PrincipalId::Token(record.id.clone()),
        user: None,
        grants: record.grants(),
        expires_at: record.expires_at,
        lease,
    });
    Held { principal, used: Arc::default(), end }
}
