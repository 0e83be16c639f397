//! The authority of one credential, for as long as it holds.
//!
//! ```text
//!            LeaseEnd::end(why), parent ended, LeaseEnd dropped
//!   held ──────────────────────────────────────────────────────▶ ended(why), for ever
//! ```

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

/// Why a credential no longer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Its time is over.
    Expired,
    /// An operator or its owner ended it.
    Revoked,
    /// Its record changed; the new record has a lease of its own.
    Replaced,
    /// Nobody is left who could end it: the keeper stopped. Refusing is the safe answer.
    Unkept,
}

/// The senders of a lease's children; those that are gone are cleared when the next one comes.
type Children = Arc<Mutex<Vec<Weak<watch::Sender<Option<EndReason>>>>>>;

/// Held by everything that acts for a credential; each holder waits on it and stops when it ends.
///
/// Cheap to clone. Ends once and never starts again.
///
/// ```
/// use mcp_identity::{EndReason, Lease};
///
/// let (lease, end) = Lease::new();
/// assert!(!lease.is_ended());
/// end.end(EndReason::Revoked);
/// assert_eq!(lease.why(), Some(EndReason::Revoked));
/// ```
#[derive(Clone, Debug)]
pub struct Lease(Arc<Held>);

/// What all clones of a lease share.
#[derive(Debug)]
struct Held {
    state: watch::Receiver<Option<EndReason>>,
    children: Children,
}

impl Lease {
    /// A lease, and the one handle that ends it. Dropping the handle ends it too: a lease that
    /// nobody can end would outlive its revocation.
    #[must_use]
    pub fn new() -> (Self, LeaseEnd) {
        let (sender, state) = watch::channel(None);
        let children = Children::default();
        let end = LeaseEnd { sender: Arc::new(sender), children: Arc::clone(&children) };
        (Self(Arc::new(Held { state, children })), end)
    }

    /// A lease that ends with this one, or earlier by its own handle: a session of a user.
    #[must_use]
    pub fn child(&self) -> (Self, LeaseEnd) {
        let (lease, end) = Self::new();
        {
            let mut children = self.0.children.lock().unwrap_or_else(PoisonError::into_inner);
            children.retain(|child| child.strong_count() > 0);
            children.push(Arc::downgrade(&end.sender));
        }
        // Looked at after the child is listed: a parent that ended in between is seen here.
        if let Some(why) = self.why() {
            end.sender.send_replace(Some(why));
        }
        (lease, end)
    }

    /// Has the credential ended?
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.why().is_some()
    }

    /// Is this the same lease? A credential whose record changed has another one, and for a moment
    /// both hold.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.state.same_channel(&other.0.state)
    }

    /// Why it ended; `None` while it holds.
    #[must_use]
    pub fn why(&self) -> Option<EndReason> {
        let said = *self.0.state.borrow();
        said.or_else(|| self.0.state.has_changed().is_err().then_some(EndReason::Unkept))
    }

    /// Waits until the credential ends, and says why. Safe to drop and to call again.
    pub async fn ended(&self) -> EndReason {
        let mut state = self.0.state.clone();
        match state.wait_for(Option::is_some).await {
            Ok(why) => why.unwrap_or(EndReason::Unkept),
            Err(_) => EndReason::Unkept,
        }
    }
}

/// The handle that ends a [`Lease`]. Only the keeper of the index holds it.
#[derive(Debug)]
pub struct LeaseEnd {
    sender: Arc<watch::Sender<Option<EndReason>>>,
    children: Children,
}

impl LeaseEnd {
    /// Ends the lease and its children. The first reason stays.
    pub fn end(&self, why: EndReason) {
        let first = self.sender.send_if_modified(|state| {
            let first = state.is_none();
            state.get_or_insert(why);
            first
        });
        if first {
            let children = self.children.lock().unwrap_or_else(PoisonError::into_inner);
            for child in children.iter().filter_map(Weak::upgrade) {
                child.send_if_modified(|state| state.replace(state.unwrap_or(why)).is_none());
            }
        }
    }
}

impl Drop for LeaseEnd {
    fn drop(&mut self) {
        self.end(EndReason::Unkept);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_is_the_same_lease_and_a_child_is_not() {
        let (lease, _end) = Lease::new();
        let (child, _child_end) = lease.child();
        assert!(lease.is_same(&lease.clone()));
        assert!(!lease.is_same(&child));
    }

    #[test]
    fn a_lease_whose_keeper_is_gone_has_ended() {
        let (lease, end) = Lease::new();
        drop(end);
        assert_eq!(lease.why(), Some(EndReason::Unkept));
    }

    #[test]
    fn a_lease_ends_with_its_parent() {
        let (user, user_end) = Lease::new();
        let (session, _session_end) = user.child();
        user_end.end(EndReason::Revoked);
        assert_eq!(session.why(), Some(EndReason::Revoked));
    }

    #[test]
    fn a_child_of_an_ended_lease_is_born_ended() {
        let (user, user_end) = Lease::new();
        user_end.end(EndReason::Revoked);
        let (session, _end) = user.child();
        assert!(session.is_ended());
    }

    #[test]
    fn a_parent_holds_when_its_child_ends() {
        let (user, _user_end) = Lease::new();
        let (session, session_end) = user.child();
        session_end.end(EndReason::Expired);
        assert!(session.is_ended());
        assert!(!user.is_ended());
    }

    #[test]
    fn the_first_reason_stays() {
        let (lease, end) = Lease::new();
        end.end(EndReason::Expired);
        end.end(EndReason::Revoked);
        assert_eq!(lease.why(), Some(EndReason::Expired));
    }
}
