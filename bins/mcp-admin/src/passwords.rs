//! New passwords: what the policy says of them, and their hashes.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::sync::Arc;

use mcp_config::{Config, PasswordAlgorithm, UserStore};
use mcp_identity::{Password, SystemEntropy};
use mcp_password::{
    Algorithm, Asker, HashError, Hasher, Owner, PasswordHash, PasswordRejection, Policy, Preset,
    Settings, Verdict,
};
use mcp_store::{AccountStore, StoreError, StoredHash, UserRecord};

use crate::output::Fault;
use crate::prompt;

/// Where an operator's password comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source<'a> {
    /// Typed at the terminal, hidden and twice.
    Asked,
    /// The first line of standard input.
    StandardInput,
    /// The command line, where everybody on the machine sees it.
    Argument(&'a str),
}

/// So many of them are named; any more are counted.
pub(crate) const MOST_NAMED: usize = 10;

/// An account that nobody can log in to, because no server looks at its hash.
pub(crate) struct Unusable {
    pub(crate) detail: String,
    pub(crate) hint: String,
}

/// Those of `records` whose hashes are of an unknown form, or dearer than a server takes. Nobody who
/// tries is told: to him it is a wrong password.
pub(crate) fn unusable<'a>(records: impl IntoIterator<Item = &'a UserRecord>) -> Vec<Unusable> {
    let fault = |record: &UserRecord| {
        let error = PasswordHash::parse(record.password.expose()).err()?;
        let name = &record.name;
        Some(Unusable {
            detail: format!("{name} cannot log in: the password hash {error}"),
            hint: format!("set the password anew: mcp-admin users update {name}"),
        })
    };
    records.into_iter().filter_map(fault).collect()
}

/// The policy and the hashing of the configuration.
pub(crate) struct Passwords {
    policy: Policy,
    algorithm: Algorithm,
}

impl Passwords {
    /// As `config` says. What it leaves to the store is bcrypt for the users file, which promises
    /// it, and Argon2id for PostgreSQL.
    pub(crate) fn new(config: &Config) -> Result<Self, Fault> {
        Self::with(config, config.passwords.algorithm)
    }

    /// The same, with another algorithm.
    pub(crate) fn with(config: &Config, algorithm: PasswordAlgorithm) -> Result<Self, Fault> {
        let store = config.users.store;
        let config = &config.passwords;
        let bcrypt = Algorithm::Bcrypt { cost: config.bcrypt_cost };
        let argon2id = Algorithm::Argon2id {
            memory_kib: config.argon2_memory_kib,
            time: config.argon2_time,
            parallelism: config.argon2_parallelism,
        };
        let algorithm = match (algorithm, store) {
            (PasswordAlgorithm::Auto, UserStore::File) | (PasswordAlgorithm::Bcrypt, _) => bcrypt,
            (PasswordAlgorithm::Auto, UserStore::Postgres) | (PasswordAlgorithm::Argon2id, _) => {
                argon2id
            }
        };
        algorithm.check().map_err(Fault::from_fault)?;
        let preset: Preset = config.policy.as_str().parse().map_err(Fault::from_fault)?;
        Ok(Self { policy: Policy::new(preset, algorithm), algorithm })
    }

    /// So many passwords of an account are remembered beside the one that it has.
    pub(crate) fn past(&self) -> usize {
        self.policy.past()
    }

    /// The hashes of the last passwords of an account, as many as the policy remembers: that of
    /// `record` first, and those before it.
    pub(crate) async fn last_of<S: AccountStore + ?Sized>(
        &self,
        record: &UserRecord,
        store: &S,
    ) -> Result<Vec<StoredHash>, StoreError> {
        if self.policy.history() == 0 {
            return Ok(Vec::new());
        }
        let past = store.past_passwords(&record.name, self.past()).await?;
        Ok([record.password.clone()].into_iter().chain(past).collect())
    }

    /// A new password for `owner` that keeps the policy and is none of his `last`, and its hash.
    pub(crate) async fn obtain(
        &self,
        source: Source<'_>,
        owner: Owner<'_>,
        last: &[StoredHash],
    ) -> Result<PasswordHash, Fault> {
        let accept = |password: &Password| self.policy.check(password, &owner);
        let password = match source {
            Source::Asked => prompt::ask_for_password("Password: ", |password| {
                accept(password).map_err(|rejection| rejection.to_string())
            })?,
            Source::StandardInput => prompt::read_password()?,
            Source::Argument(text) => Password::presented(text.to_owned()),
        };
        accept(&password).map_err(|rejection| self.refused(&rejection))?;
        let (hasher, asker) = self.hasher(owner.user_name)?;
        self.is_new(&hasher, &asker, &password, last).await?;
        hash(&hasher, &asker, &password).await
    }

    /// The hash of a password that no person chose.
    pub(crate) async fn hash(
        &self,
        user: &str,
        password: &Password,
    ) -> Result<PasswordHash, Fault> {
        let (hasher, asker) = self.hasher(user)?;
        hash(&hasher, &asker, password).await
    }

    fn hasher(&self, user: &str) -> Result<(Hasher, Asker), Fault> {
        let settings = Settings { workers: NonZeroUsize::MIN, ..Settings::new(self.algorithm) };
        let hasher =
            Hasher::start(&settings, Arc::new(SystemEntropy)).map_err(Fault::from_failure)?;
        Ok((hasher, Asker::new(user, IpAddr::V4(Ipv4Addr::LOCALHOST))))
    }

    async fn is_new(
        &self,
        hasher: &Hasher,
        asker: &Asker,
        password: &Password,
        last: &[StoredHash],
    ) -> Result<(), Fault> {
        // One that cannot be verified is nobody's password.
        for hash in last.iter().filter_map(|hash| PasswordHash::parse(hash.expose()).ok()) {
            match hasher.verify(asker, password, Some(&hash)).await.map_err(Fault::from_failure)? {
                Verdict::Wrong => {}
                Verdict::Right => {
                    return Err(self.refused(&PasswordRejection::used_before(&self.policy)));
                }
            }
        }
        Ok(())
    }

    fn refused(&self, rejection: &PasswordRejection) -> Fault {
        let rules: Vec<String> = self.policy.rules().iter().map(ToString::to_string).collect();
        Fault::refused(rejection.to_string()).hint(format!("the policy: {}", rules.join("; ")))
    }
}

async fn hash(hasher: &Hasher, asker: &Asker, password: &Password) -> Result<PasswordHash, Fault> {
    hasher.hash(asker, password).await.map_err(|error| match error {
        HashError::Rejected(rejection) => Fault::from_fault(rejection),
        HashError::Hasher(_) | HashError::Entropy(_) => Fault::from_failure(error),
    })
}
