//! What a login needs of the hashing threads.

use mcp_identity::Password;
use mcp_password::{Asker, HashError, Hasher, HasherError, PasswordHash, Verdict};
use mcp_store::BoxFuture;

/// What checks passwords. The tests have one that counts and waits and then does the same.
pub(crate) trait Passwords: Send + Sync {
    /// As [`Hasher::verify`].
    fn verify<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
        stored: Option<&'a PasswordHash>,
    ) -> BoxFuture<'a, Result<Verdict, HasherError>>;

    /// As [`Hasher::hash`].
    fn hash<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
    ) -> BoxFuture<'a, Result<PasswordHash, HashError>>;

    /// As [`Hasher::needs_rehash`].
    fn needs_rehash(&self, stored: &PasswordHash) -> bool;
}

impl Passwords for Hasher {
    fn verify<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
        stored: Option<&'a PasswordHash>,
    ) -> BoxFuture<'a, Result<Verdict, HasherError>> {
        Box::pin(Self::verify(self, asker, password, stored))
    }

    fn hash<'a>(
        &'a self,
        asker: &'a Asker,
        password: &'a Password,
    ) -> BoxFuture<'a, Result<PasswordHash, HashError>> {
        Box::pin(Self::hash(self, asker, password))
    }

    fn needs_rehash(&self, stored: &PasswordHash) -> bool {
        Self::needs_rehash(self, stored)
    }
}
