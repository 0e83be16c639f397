//! The ledger of attempts that servers share.

use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_store::{
    About, AccountStore as _, Admitted, AttemptLedger as _, AttemptLimits, Beginning, Begun, Held,
    Sought, UserEdit, contract,
};
use mcp_store_postgres::PostgresAttempts;
use mcp_throttle::{AddressKey, Quota, Refusal};

use crate::people::{add, name, now, opening, policy, session};
use crate::support::House;

const WINDOW: Duration = Duration::from_mins(15);

fn limits(attempts: u32) -> AttemptLimits {
    let quota = Quota { attempts: NonZeroU32::new(attempts).unwrap(), window: WINDOW };
    AttemptLimits { quota, lockout: policy(5), keys: NonZeroUsize::new(1_000).unwrap() }
}

fn address(n: u8) -> AddressKey {
    AddressKey::from(IpAddr::from(Ipv4Addr::new(192, 0, 2, n)))
}

fn nobody(from: u8, digest: u8) -> Beginning<'static> {
    let (address, policy) = (address(from), policy(5));
    Beginning { address, sought: Sought::Nobody, digest: [digest; 32], policy, now: now() }
}

async fn begin(ledger: &PostgresAttempts, attempt: Beginning<'_>) -> Option<Admitted> {
    match ledger.begin(attempt).await.unwrap() {
        Begun::Admitted(admitted) => Some(*admitted),
        Begun::Wait | Begun::Refused(_) => None,
    }
}

/// Guesses wrong at what nobody is called. Was it looked at?
async fn guess(ledger: &PostgresAttempts, from: u8, digest: u8) -> bool {
    let Some(admitted) = begin(ledger, nobody(from, digest)).await else { return false };
    let Admitted { place, ticket, .. } = admitted;
    let is_open = ticket.is_some();
    let held = Held { place, about: About::Nobody([digest; 32]), ticket };
    ledger.fail(held, policy(5), now()).await.unwrap();
    is_open
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_in_postgresql_keep_the_contract() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    contract::attempts(async |limits| {
        house.empty(&database).await;
        (Arc::new(store.clone()), store.attempts(limits))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_spread_over_three_servers_are_guesses_of_one_address() {
    let house = House::new();
    let database = house.database();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(Arc::new(house.open(&database).await.0.attempts(limits(7))));
    }
    let guessing: Vec<_> = (0..60_u8)
        .map(|n| {
            let server = Arc::clone(&servers[usize::from(n) % 3]);
            tokio::spawn(async move { guess(&server, 1, n).await })
        })
        .collect();
    let mut evaluated = 0;
    for guess in guessing {
        evaluated += usize::from(guess.await.unwrap());
    }
    assert!(evaluated <= 7, "{evaluated}");
    // Those that found the places of others taken may come back.
    for n in 100..110 {
        evaluated += usize::from(guess(&servers[0], 1, n).await);
    }
    assert_eq!(evaluated, 7);
    for server in &servers {
        let refused = server.look(address(1), now()).await.unwrap();
        assert!(refused.is_some_and(|it| it.retry_after <= WINDOW), "{refused:?}");
    }
    assert!(guess(&servers[2], 2, 0).await, "another address is another");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_of_nobody_is_locked_on_every_server() {
    let house = House::new();
    let database = house.database();
    let mut servers = Vec::new();
    for _ in 0..3 {
        servers.push(house.open(&database).await.0.attempts(limits(100)));
    }
    for n in 0..5 {
        assert!(guess(&servers[n % 3], 1, 7).await);
    }
    for server in &servers {
        assert!(!guess(server, 2, 7).await);
        assert!(guess(server, 2, 8).await);
    }
    let kept = house.sql(&database, "SELECT count(*), min(octet_length(digest)) FROM mcp_nobody");
    assert_eq!(kept, "2|32");
    let plain =
        house.sql(&database, "SELECT count(*) FROM mcp_nobody WHERE digest = '\\x07'::bytea");
    assert_eq!(plain, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_typed_is_kept_under_a_key_that_goes_with_it() {
    let house = House::new();
    let database = house.database();
    let ledger = house.open(&database).await.0.attempts(limits(100));
    guess(&ledger, 1, 7).await;
    let given = "decode(repeat('07', 32), 'hex')";
    let plain =
        format!("SELECT count(*) FROM mcp_nobody WHERE digest IN ({given}, sha256({given}))");
    assert_eq!(house.sql(&database, &plain), "0");
    let logged = "SELECT count(*) FROM pg_class WHERE relpersistence <> 'u'
        AND relname IN ('mcp_addresses', 'mcp_nobody', 'mcp_nobody_key')";
    assert_eq!(house.sql(&database, logged), "0");
}

/// What a login costs beside its hash.
#[tokio::test(flavor = "multi_thread")]
async fn every_login_is_two_statements() {
    let house = House::new();
    let database = house.database();
    let (store, _) = house.open(&database).await;
    let ledger = store.attempts(limits(100));
    add(&store, "alice").await;
    let counted = || house.sql(&database, "SELECT txid_current()").parse::<u64>().unwrap();
    let alice = name("alice");
    let email = Some(Some("alice@example.org".to_owned()));
    store.edit_account(&alice, UserEdit { email, ..UserEdit::default() }).await.unwrap();
    let attempt = |sought| Beginning { sought, ..nobody(1, 7) };
    // The first of all makes the key of the names.
    guess(&ledger, 9, 9).await;

    for (n, sought) in [(1, Sought::Name(&alice)), (2, Sought::Email("Alice@Example.org"))] {
        let before = counted();
        let begun = begin(&ledger, attempt(sought)).await.unwrap();
        let Admitted { place, account, ticket } = begun;
        let record = account.unwrap().record;
        let opening = opening(&record, session("alice", n), ticket.unwrap());
        ledger.open(opening, Some(place)).await.unwrap();
        assert_eq!(counted() - before, 3, "right: one for both places, one for the session");

        let before = counted();
        let begun = begin(&ledger, attempt(sought)).await.unwrap();
        let Admitted { place, ticket, .. } = begun;
        let held = Held { place, about: About::Account(&alice, record.created_at), ticket };
        ledger.fail(held, policy(5), now()).await.unwrap();
        assert_eq!(counted() - before, 3, "wrong");
    }

    for sought in [Sought::Nobody, Sought::Email("nobody@example.org")] {
        let before = counted();
        let Admitted { place, account, ticket } = begin(&ledger, attempt(sought)).await.unwrap();
        assert_eq!(account, None);
        let held = Held { place, about: About::Nobody([7; 32]), ticket };
        ledger.fail(held, policy(5), now()).await.unwrap();
        assert_eq!(counted() - before, 3, "nobody");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_refused_asks_the_database_once_a_second() {
    let house = House::new();
    let database = house.database();
    let ledger = house.open(&database).await.0.attempts(limits(1));
    let begun = std::time::Instant::now();
    guess(&ledger, 1, 7).await;
    assert!(begin(&ledger, nobody(1, 8)).await.is_none());
    house.sql(&database, "DELETE FROM mcp_addresses");
    let mut asked = 0;
    // A limit that was lifted by hand is lifted on every server within a moment.
    while begin(&ledger, nobody(1, 8)).await.is_none() {
        asked += 1;
        tokio::task::yield_now().await;
    }
    assert!(asked > 0 || begun.elapsed() > Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_while_it_is_asked_for_has_failed() {
    let house = House::new();
    let database = house.database();
    let (store, _kept) = house.kept(&database).await;
    let ledger = store.attempts(limits(1_000));
    let failures = "SELECT coalesce(sum(number), 0) FROM mcp_addresses, unnest(failures) AS number";
    for _ in 0..20 {
        let mut asking = Box::pin(ledger.begin(nobody(1, 7)));
        let left = std::future::poll_fn(|cx| {
            std::task::Poll::Ready(asking.as_mut().poll(cx).is_pending())
        });
        assert!(left.await, "nothing answers at once");
    }
    while house.sql(&database, failures) != "20" {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_of_a_server_that_died_is_void_after_a_while() {
    let house = House::new();
    let ledger = house.open(&house.database()).await.0.attempts(limits(1));
    let begun = now();
    assert!(begin(&ledger, Beginning { now: begun, ..nobody(1, 7) }).await.is_some());
    let hold = policy(5).hold;
    let later = |after| Beginning { now: begun + after, ..nobody(1, 8) };
    assert!(begin(&ledger, later(hold / 2)).await.is_none());
    assert!(begin(&ledger, later(hold)).await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_set_back_makes_no_failure_last_longer_than_its_window() {
    let house = House::new();
    let database = house.database();
    let (here, there) = (house.open(&database).await.0, house.open(&database).await.0);
    let (here, there) = (here.attempts(limits(1)), there.attempts(limits(1)));
    let (wrong, right) = (now() + Duration::from_hours(10_000), now());
    assert_eq!(here.count(address(1), wrong).await, Ok(None));
    assert_eq!(here.look(address(1), right).await, Ok(Some(Refusal { retry_after: WINDOW })));
    let attempt = |after| Beginning { now: right + after, ..nobody(1, 7) };
    // Whoever tries first brings the end forward for good.
    assert!(begin(&there, attempt(Duration::ZERO)).await.is_none());
    assert!(begin(&here, attempt(WINDOW / 2)).await.is_none());
    assert!(begin(&here, attempt(WINDOW)).await.is_some());
}

fn rows(house: &House, database: &str, keys: u64, at: SystemTime) -> String {
    let at = at.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    house.sql(database, &format!("SELECT mcp_sweep_attempts({keys}, to_timestamp({at}))"));
    house.sql(
        database,
        "SELECT (SELECT count(*) FROM mcp_addresses), (SELECT count(*) FROM mcp_nobody)",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_any_more_is_forgotten_and_too_many_are_not_kept() {
    let house = House::new();
    let database = house.database();
    let ledger = house.open(&database).await.0.attempts(limits(2));
    for n in 0..20 {
        guess(&ledger, n, n).await;
    }
    // Refused, and its name locked.
    guess(&ledger, 19, 19).await;
    for from in 100..104 {
        guess(&ledger, from, 18).await;
    }
    // Holds its places.
    let held = begin(&ledger, nobody(50, 50)).await.unwrap();
    assert_eq!(rows(&house, &database, 1_000, now()), "25|21");
    assert_eq!(rows(&house, &database, 10, now()), "10|10");
    assert!(begin(&ledger, nobody(19, 60)).await.is_none(), "who is refused is remembered");
    assert!(!guess(&ledger, 70, 18).await, "and what is locked");
    drop(held);
    // Names that are not locked stay until there are too many.
    assert_eq!(rows(&house, &database, 3, now() + WINDOW + WINDOW), "0|3");
}
