//! Which databases a principal reaches.

use std::collections::BTreeSet;

use mcp_identity::{Principal, UserName};
use mcp_pool::{AcquireError, Pools};
use mcp_testdb::Postgres;

use crate::support::{kept, name, principal, session, settings};

/// `main` for everybody, `private` for alice, `closed` for no user.
fn pools(postgres: &Postgres) -> Pools {
    let admitted = |name: &str, users: &[&str]| {
        let mut settings = settings(postgres);
        settings.name = crate::support::name(name);
        let users = users.iter().map(|user| UserName::parse(user).unwrap());
        settings.available_to_users = Some(users.collect::<BTreeSet<_>>());
        settings
    };
    kept(vec![settings(postgres), admitted("private", &["alice"]), admitted("closed", &[])])
}

fn reached(pools: &Pools, principal: &Principal) -> Vec<String> {
    pools.reached(principal).map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_reaches_the_databases_that_admit_the_user() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres);
    let ((alice, _a), (bob, _b)) = (session("ALICE", 1), session("bob", 2));
    assert_eq!(reached(&pools, &alice), ["main", "private"]);
    assert_eq!(reached(&pools, &bob), ["main"]);
    assert!(pools.acquire(&alice, &name("private")).await.is_ok());
    // A database that does not admit you and one that is not there are the same.
    for unreached in ["private", "closed", "nowhere"] {
        let refused = pools.acquire(&bob, &name(unreached)).await.err();
        assert!(matches!(refused, Some(AcquireError::NoSuchDatabase)), "{unreached}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_reaches_its_own_database_and_no_other_whoever_is_admitted() {
    let postgres = Postgres::for_tests().unwrap();
    let pools = pools(&postgres);
    let (mut token, _t) = principal("alice");
    assert_eq!(reached(&pools, &token), ["main"]);
    let refused = pools.acquire(&token, &name("private")).await.err();
    assert!(matches!(refused, Some(AcquireError::NoSuchDatabase)));
    token.grants.databases = mcp_identity::DatabaseGrant::One(name("closed"));
    assert_eq!(reached(&pools, &token), ["closed"], "the list is about users");
}
