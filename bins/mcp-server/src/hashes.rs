//! How the hashes of a store were made: what an account that does not exist has to cost.

use mcp_password::{Algorithm, PasswordHash};
use mcp_store::Account;

/// Each way once: there are few, however many accounts there are. A hash that cannot be read lets
/// nobody in, and costs what an account that does not exist costs.
pub(crate) fn ways(accounts: &[Account]) -> Vec<Algorithm> {
    let mut ways = Vec::new();
    for account in accounts {
        let Ok(hash) = PasswordHash::parse(account.record.password.expose()) else { continue };
        if !ways.contains(&hash.algorithm()) {
            ways.push(hash.algorithm());
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use mcp_identity::{Clock as _, SystemClock, UserName};
    use mcp_store::{StoredHash, UserRecord};

    use super::*;

    fn account(hash: &str) -> Account {
        let name = UserName::parse("alice").unwrap();
        Account::new(UserRecord::new(name, StoredHash::new(hash), SystemClock.now()))
    }

    #[test]
    fn each_way_of_hashing_is_found_once() {
        let bcrypt = "$2b$12$EXRkfkdmXn2gzds2SSitu.MW9.gAVqa9eLS1//RYtYCmB1eLHg.9q";
        let argon2id = "$argon2id$v=19$m=65536,t=3,p=1$c29tZXNhbHRzb21lc2FsdA\
                        $9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ";
        let accounts = [bcrypt, argon2id, "broken", bcrypt, argon2id].map(account);
        assert_eq!(ways(&accounts), [Algorithm::Bcrypt { cost: 12 }, Algorithm::ARGON2ID]);
    }
}
