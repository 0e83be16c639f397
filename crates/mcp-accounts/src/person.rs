//! Accounts and sessions as they are told.

use std::net::IpAddr;
use std::time::SystemTime;

use mcp_identity::{RoleName, SessionId, UserName};
use mcp_store::{ADMIN_ROLE, Account, LoginSession};
use mcp_throttle::Lock;

/// An account, without anything that opens something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Its name.
    pub name: UserName,
    /// Its address.
    pub email: Option<String>,
    /// What its owner is called. Hostile text.
    pub full_name: Option<String>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Whether its owner is an admin.
    pub is_admin: bool,
    /// Whether the password must be changed first.
    pub must_change_password: bool,
    /// When it was made.
    pub created_at: SystemTime,
    /// When somebody logged in last.
    pub last_login: Option<SystemTime>,
    /// Failed logins in a row.
    pub failures: u32,
    /// Whether it is locked.
    pub lock: Option<LockState>,
}

/// How long an account stays locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockState {
    /// Until this time.
    Until(SystemTime),
    /// Until an admin unlocks it.
    UntilUnlocked,
}

/// A session, without what opens it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// Its public name.
    pub id: SessionId,
    /// When it was opened.
    pub created_at: SystemTime,
    /// When it was used last, to the minute.
    pub last_used: SystemTime,
    /// The first instant at which it no longer holds.
    pub expires_at: SystemTime,
    /// Where it was opened from.
    pub address: Option<IpAddr>,
    /// The agent that opened it, as it said. Hostile text.
    pub agent: Option<String>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl Person {
    pub(crate) fn of(account: Account, now: SystemTime) -> Self {
        let Account { record, last_login, lockout } = account;
        let lock = lockout.lock.filter(|lock| *lock > Lock::Until(now));
        Self {
            is_admin: record.roles.iter().map(RoleName::as_str).any(|role| role == ADMIN_ROLE),
            name: record.name,
            email: record.email,
            full_name: record.full_name,
            is_active: record.enabled,
            must_change_password: record.must_change_password,
            created_at: record.created_at,
            last_login,
            failures: lockout.failures,
            lock: lock.map(|lock| match lock {
                Lock::Until(end) => LockState::Until(end),
                Lock::UntilUnlocked => LockState::UntilUnlocked,
            }),
        }
    }
}

impl SessionInfo {
    pub(crate) fn of(session: LoginSession, current: Option<&SessionId>) -> Self {
        Self {
            is_current: current == Some(&session.id),
            id: session.id,
            created_at: session.created_at,
            last_used: session.last_used,
            expires_at: session.expires_at,
            address: session.address,
            agent: session.agent,
        }
    }
}
