//! The first users in PostgreSQL: the admin whom the configuration names, and the three with the
//! passwords that everybody knows, for whoever asks for them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use mcp_config::{Config, UsersBootstrap};
use mcp_identity::{
    Actor, AuditAction, AuditEvent, AuditLog, AuditOutcome, Password, RoleName, Subject, UserName,
};
use mcp_password::{Asker, Hasher, Owner, PasswordHash, Policy, Preset, Verdict};
use mcp_store::{ADMIN_ROLE, AccountStore as _, AddRejection, StoreError, StoredHash, UserRecord};
use mcp_store_postgres::PostgresStore;

use super::{algorithm, refuse};
use crate::fault::StartFault;

/// Name, which is the role, too, and password.
const DEMO: [(&str, &str); 3] =
    [("admin", "admin123"), ("operator", "operator123"), ("viewer", "viewer123")];

/// So often the admin's password is looked at, if others give one meanwhile.
const MOST_LOOKS: usize = 8;

/// What it takes to make users.
pub(super) struct FirstUsers<'a> {
    pub(super) store: &'a PostgresStore,
    pub(super) hasher: &'a Hasher,
    pub(super) audit: &'a dyn AuditLog,
    pub(super) now: SystemTime,
}

/// Refuses a configuration by which nobody could be made, whatever the database holds.
pub(super) fn check(config: &Config) -> Result<(), StartFault> {
    let bootstrap = &config.users.bootstrap;
    let Some(password) = &bootstrap.password else { return Ok(()) };
    let password = Password::presented(password.expose().to_owned());
    check_bootstrap(bootstrap, &password, config).map(|_| ())
}

/// The name of the admin whom the configuration names, if the password may be chosen.
fn check_bootstrap(
    wanted: &UsersBootstrap,
    password: &Password,
    config: &Config,
) -> Result<UserName, StartFault> {
    let fault = |key: &str, what: &dyn std::fmt::Display| {
        StartFault::mendable(format!("users.bootstrap.{key}: {what}"), None)
    };
    let name = UserName::parse(&wanted.username).map_err(|what| fault("username", &what))?;
    let preset: Preset = config.passwords.policy.as_str().parse().map_err(StartFault::ours)?;
    let owner = Owner { user_name: name.as_str(), email: wanted.email.as_deref() };
    Policy::new(preset, algorithm(config))
        .check(password, &owner)
        .map_err(|what| fault("password", &what))?;
    Ok(name)
}

impl FirstUsers<'_> {
    /// Makes whom the configuration asks for. `beyond_loopback`: others than this machine can come.
    pub(super) async fn make(
        &self,
        config: &Config,
        beyond_loopback: bool,
    ) -> Result<(), StartFault> {
        let nobody = self.store.accounts().await.map_err(|fault| refuse(&fault))?.is_empty();
        let bootstrap = &config.users.bootstrap;
        if let Some(password) = &bootstrap.password {
            let password = Password::presented(password.expose().to_owned());
            self.bootstrap(bootstrap, &password, config, nobody).await?;
        }
        if nobody && config.users.create_demo_users {
            for (name, password) in DEMO {
                self.demonstrate(name, password).await?;
            }
        }
        self.refuse_known_passwords(beyond_loopback).await
    }

    async fn bootstrap(
        &self,
        wanted: &UsersBootstrap,
        password: &Password,
        config: &Config,
        nobody: bool,
    ) -> Result<(), StartFault> {
        let name = check_bootstrap(wanted, password, config)?;
        if nobody {
            let hash = self.hash(&name, password).await?;
            let admin = UserRecord {
                email: wanted.email.clone(),
                ..self.record(&name, ADMIN_ROLE, hash.clone())
            };
            return match self.add(admin).await? {
                Ok(()) => {
                    tracing::info!("Made the user {name}, who is admin, of users.bootstrap");
                    self.remember(&name, &hash).await
                }
                // Another server was quicker.
                Err(_) => Ok(()),
            };
        }
        self.rotate(&name, password).await
    }

    /// Gives the admin the password of the configuration, unless it was given before: by an
    /// earlier start, or by another server that starts now.
    async fn rotate(&self, name: &UserName, password: &Password) -> Result<(), StartFault> {
        let down = |fault: StoreError| refuse(&fault);
        // What another server gives meanwhile is looked at again. That has an end, unless servers
        // that are configured differently start without one.
        for _ in 0..MOST_LOOKS {
            let Some(account) = self.store.find_account(name).await.map_err(down)? else {
                return Ok(());
            };
            if !account.record.roles.iter().any(|role| role.as_str() == ADMIN_ROLE) {
                tracing::warn!("users.bootstrap: {name} is no admin, and keeps the password");
                return Ok(());
            }
            let applied = self.store.configured_password(name).await.map_err(down)?;
            // Given by other means, it may be this one all the same.
            let known = applied.as_ref().unwrap_or(&account.record.password);
            if self.is_of(name, password, known).await? {
                return match applied {
                    Some(_) => Ok(()),
                    None => self.remember(name, known).await,
                };
            }
            if self.give(name, password, applied.as_ref()).await? {
                return Ok(());
            }
        }
        tracing::warn!("users.bootstrap: other servers give {name} other passwords");
        Ok(())
    }

    /// Gives it, unless another server gave one since `seen`.
    async fn give(
        &self,
        name: &UserName,
        password: &Password,
        seen: Option<&StoredHash>,
    ) -> Result<bool, StartFault> {
        let hash = self.hash(name, password).await?;
        let giving = self.store.apply_configured_password(name, seen, &hash);
        let given = giving.await.map_err(|fault| refuse(&fault))?;
        if given {
            tracing::warn!(
                "Gave {name} the changed password of users.bootstrap; old sessions ended"
            );
            self.record_event(AuditAction::SetPassword, name);
        }
        Ok(given)
    }

    async fn demonstrate(&self, name: &str, password: &str) -> Result<(), StartFault> {
        let role = name;
        let name = UserName::parse(name).map_err(StartFault::ours)?;
        let hash = self.hash(&name, &Password::presented(password.to_owned())).await?;
        let record = UserRecord {
            must_change_password: true,
            note: "demo user".to_owned(),
            ..self.record(&name, role, hash)
        };
        // One of that name is there: it stays as it is.
        let _ = self.add(record).await?;
        Ok(())
    }

    /// Passwords that everybody knows are for this machine alone, whoever set them.
    async fn refuse_known_passwords(&self, beyond_loopback: bool) -> Result<(), StartFault> {
        for (name, password) in DEMO {
            let name = UserName::parse(name).map_err(StartFault::ours)?;
            let found = self.store.find_account(&name).await.map_err(|fault| refuse(&fault))?;
            let Some(account) = found.filter(|account| account.record.enabled) else { continue };
            let password = Password::presented(password.to_owned());
            if !self.is_of(&name, &password, &account.record.password).await? {
                continue;
            }
            if beyond_loopback {
                return Err(StartFault::mendable(
                    format!("{name} still has the password of the demonstration"),
                    format!("mcp-admin users update {name}, or listen on 127.0.0.1"),
                ));
            }
            tracing::warn!("{name} still has the password of the demonstration");
        }
        Ok(())
    }

    async fn add(&self, record: UserRecord) -> Result<Result<(), AddRejection>, StartFault> {
        let name = record.name.clone();
        match self.store.add_account(record).await {
            Ok(()) => {
                self.record_event(AuditAction::AddUser, &name);
                Ok(Ok(()))
            }
            Err(AddRejection::Store(fault)) => Err(refuse(&fault)),
            Err(taken) => Ok(Err(taken)),
        }
    }

    async fn remember(&self, name: &UserName, hash: &StoredHash) -> Result<(), StartFault> {
        let remembering = self.store.remember_configured_password(name, hash);
        remembering.await.map_err(|fault| refuse(&fault))
    }

    fn record(&self, name: &UserName, role: &str, hash: StoredHash) -> UserRecord {
        UserRecord {
            roles: RoleName::parse(role).into_iter().collect(),
            ..UserRecord::new(name.clone(), hash, self.now)
        }
    }

    fn record_event(&self, action: AuditAction, name: &UserName) {
        let subject = Subject::User(name.clone());
        let done = AuditOutcome::Done;
        self.audit.record(AuditEvent::new(self.now, action, done, subject, Actor::Server));
    }

    async fn hash(&self, name: &UserName, password: &Password) -> Result<StoredHash, StartFault> {
        let hash = self.hasher.hash(&asker(name), password).await.map_err(StartFault::ours)?;
        Ok(StoredHash::new(hash.expose()))
    }

    /// Was the hash made from this password?
    async fn is_of(
        &self,
        name: &UserName,
        password: &Password,
        hash: &StoredHash,
    ) -> Result<bool, StartFault> {
        let hash = PasswordHash::parse(hash.expose()).ok();
        let verdict = self.hasher.verify(&asker(name), password, hash.as_ref()).await;
        Ok(verdict.map_err(StartFault::ours)? == Verdict::Right)
    }
}

fn asker(name: &UserName) -> Asker {
    Asker::new(name.as_str(), IpAddr::V4(Ipv4Addr::LOCALHOST))
}
