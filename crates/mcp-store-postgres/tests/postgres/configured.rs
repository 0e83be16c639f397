//! A password that a configuration gives is given once.

use mcp_store::{AccountStore as _, StoredHash};
use mcp_throttle::Failure;

use crate::people::{HASH, add, log_in, name, now, place, policy};
use crate::support::House;

fn hash(n: u64) -> StoredHash {
    StoredHash::new(format!("$2b$12${n:0>53}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_saw_the_same_password_one_gives_another() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    add(&store, "admin").await;
    let admin = name("admin");
    for (seen, round) in [(None, 100), (Some(()), 200)] {
        let seen = match seen {
            None => None,
            Some(()) => store.configured_password(&admin).await.unwrap(),
        };
        let giving = (round..round + 20).map(|n| {
            let (store, admin, seen) = (store.clone(), admin.clone(), seen.clone());
            tokio::spawn(async move {
                store.apply_configured_password(&admin, seen.as_ref(), &hash(n)).await.unwrap()
            })
        });
        let mut given = Vec::new();
        for task in giving.collect::<Vec<_>>() {
            given.push(task.await.unwrap());
        }
        assert_eq!(given.iter().filter(|given| **given).count(), 1);
        let first = given.iter().position(|given| *given).unwrap();
        let expected = hash(round + u64::try_from(first).unwrap());
        let account = store.find_account(&admin).await.unwrap().unwrap();
        assert_eq!(account.record.password, expected);
        assert_eq!(store.configured_password(&admin).await.unwrap(), Some(expected));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_is_given_ends_the_sessions_and_the_lock_of_before_with_it() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    add(&store, "admin").await;
    let admin = name("admin");
    let late = store.apply_configured_password(&admin, Some(&hash(9)), &hash(1)).await;
    assert_eq!(late, Ok(false));
    assert_eq!(store.configured_password(&admin).await, Ok(None));
    log_in(&store, "admin", 1).await.unwrap();
    for _ in 0..5 {
        let (record, ticket) = place(&store, "admin").await.unwrap();
        let failed = store.fail_login(&admin, record.created_at, ticket, policy(5), now());
        assert_ne!(failed.await, Ok(Failure::Ignored));
    }
    assert!(place(&store, "admin").await.is_none(), "it is locked");
    let before = store.find_account(&admin).await.unwrap().unwrap().record;
    assert_eq!(
        (before.password, store.sessions().await.unwrap().len()),
        (StoredHash::new(HASH), 1)
    );
    assert_eq!(store.apply_configured_password(&admin, None, &hash(1)).await, Ok(true));
    assert_eq!(store.sessions().await, Ok(Vec::new()));
    assert!(place(&store, "admin").await.is_some());
    store.remember_configured_password(&admin, &hash(2)).await.unwrap();
    assert_eq!(store.configured_password(&admin).await, Ok(Some(hash(1))), "what is known stays");
    let nobody = store.apply_configured_password(&name("nobody"), None, &hash(1)).await;
    assert_eq!(nobody, Ok(false));
}
