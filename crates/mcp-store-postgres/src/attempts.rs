//! Attempts to log in, as all servers on one database count them.
//!
//! ```text
//!   begin ──▶ refused a moment ago? ──▶ Refused, and the database is not asked
//!         └─▶ one statement: both places, and the account
//!   fail, withdraw, open, count, look ──▶ one statement each
//!   abandon, release, or dropped midway ──▶ Loose ──▶ the keeper, by and by
//! ```

use std::fmt;
use std::time::{Duration, SystemTime};

use mcp_store::{
    About, AddressPlace, Admitted, AttemptLedger, AttemptLimits, Beginning, Begun, BoxFuture,
    Entered, Held, OpenRejection, Opening, Sought, StoreError,
};
use mcp_throttle::{AddressKey, Failure, LockoutPolicy, Refusal, Ticket};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::accounts::Rule;
use crate::fault::Fault;
use crate::loose::{Ends, Loose, Untied};
use crate::pool::Values;
use crate::refused::Refused;
use crate::rows::{ACCOUNT, ACCOUNT_COLUMNS};
use crate::store::PostgresStore;
use crate::time::micros;

/// The attempts that lie beside the accounts of a store, shared by all servers on its database.
///
/// What must be said after its client left is said by the keeper of the store.
pub struct PostgresAttempts {
    store: PostgresStore,
    limits: AttemptLimits,
    refused: Refused,
}

/// What a quota is to the functions of the database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tries {
    pub(crate) most: i64,
    pub(crate) spans: i64,
    pub(crate) holds: i64,
}

impl Tries {
    fn of(limits: &AttemptLimits) -> Self {
        let most = i64::from(limits.quota.attempts.get());
        Self { most, spans: micros(limits.quota.window), holds: micros(limits.lockout.hold) }
    }
}

/// What an attempt is about, to the functions of the database.
struct Subject<'a> {
    key: Option<&'a str>,
    made: Option<SystemTime>,
    digest: Option<Vec<u8>>,
    ticket: Option<SystemTime>,
}

impl<'a> Subject<'a> {
    fn of(about: About<'a>, ticket: Option<&Ticket>) -> Self {
        let ticket = ticket.map(Ticket::time);
        match about {
            About::Account(name, made) => {
                Self { key: Some(name.key()), made: Some(made), digest: None, ticket }
            }
            About::Nobody(digest) => {
                Self { key: None, made: None, digest: Some(digest.to_vec()), ticket }
            }
        }
    }
}

impl PostgresStore {
    /// The attempts to log in of all servers on this database: what an `Auth` over these accounts
    /// is given, on each server with the same limits.
    #[must_use]
    pub fn attempts(&self, limits: AttemptLimits) -> PostgresAttempts {
        self.remember(limits.keys);
        PostgresAttempts { store: self.clone(), limits, refused: Refused::default() }
    }
}

impl PostgresAttempts {
    async fn take(&self, attempt: Beginning<'_>) -> Result<Begun, StoreError> {
        if let Some(refusal) = self.refused.lately(attempt.address, attempt.now, Instant::now()) {
            return Ok(Begun::Refused(refusal));
        }
        let address = attempt.address.to_string();
        let untied = self.untied(&address, Ends::Left(attempt.now));
        let row = self.ask_to_begin(&address, &attempt).await;
        untied.tie();
        row?.map_or(Ok(Begun::Wait), |row| self.begun(&row, &attempt))
    }

    async fn ask_to_begin(
        &self,
        address: &str,
        attempt: &Beginning<'_>,
    ) -> Result<Option<Row>, StoreError> {
        let sql = format!(
            "SELECT {ACCOUNT}, admitted, place, verdict, moment, id IS NOT NULL \
             FROM (SELECT (begun.account).*, admitted, place, verdict, moment \
             FROM mcp_begin_attempt($1, $2, $3, \
             coalesce($4, (SELECT name_key FROM users WHERE email_key = $10)), $5, $6, $7, $8, $9) \
             AS begun) AS begun"
        );
        let (key, email) = match attempt.sought {
            Sought::Name(name) => (Some(name.key()), None),
            Sought::Email(email) => (None, Some(email.to_lowercase())),
            Sought::Nobody => (None, None),
        };
        let Tries { most: tries, spans, .. } = Tries::of(&self.limits);
        let Rule { most, lasts, holds } = Rule::of(&attempt.policy);
        let values: Values<'_> = &[
            (&address, Type::TEXT),
            (&tries, Type::INT8),
            (&spans, Type::INT8),
            (&key, Type::TEXT),
            (&&attempt.digest[..], Type::BYTEA),
            (&most, Type::INT8),
            (&lasts, Type::INT8),
            (&holds, Type::INT8),
            (&attempt.now, Type::TIMESTAMPTZ),
            (&email, Type::TEXT),
        ];
        let rows = self.store.pool().write(&sql, values).await.map_err(Fault::into_store)?;
        Ok(rows.into_iter().next())
    }

    fn begun(&self, row: &Row, attempt: &Beginning<'_>) -> Result<Begun, StoreError> {
        let reader = self.store.reader();
        let place: SystemTime =
            match (reader.get(row, ACCOUNT_COLUMNS)?, reader.get(row, ACCOUNT_COLUMNS + 1)?) {
                ("refused", Some(until)) => {
                    return Ok(Begun::Refused(self.refuse(attempt.address, until, attempt.now)));
                }
                ("reserved", Some(place)) => place,
                _ => return Ok(Begun::Wait),
            };
        let place = AddressPlace { address: attempt.address, number: number_of(place) };
        let is_known: bool = reader.get(row, ACCOUNT_COLUMNS + 4)?;
        let account = if is_known { Some(reader.account(row)?) } else { None };
        let moment = reader.get(row, ACCOUNT_COLUMNS + 3)?;
        let is_open = reader.get::<&str>(row, ACCOUNT_COLUMNS + 2)? == "reserved";
        let ticket = is_open.then(|| Ticket::taken_at(moment));
        Ok(Begun::Admitted(Box::new(Admitted { place, account, ticket })))
    }

    async fn count_wrong(
        &self,
        held: Held<'_>,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> Result<Failure, StoreError> {
        const SQL: &str = "SELECT outcome, failures, lock FROM mcp_fail_attempt($1, $2, $3, $4, \
            $5, $6, $7, $8, $9, $10, $11, $12)";
        let (address, place) = (held.place.address.to_string(), time_of(&held.place));
        let Tries { most: tries, spans, .. } = Tries::of(&self.limits);
        let Subject { key, made, digest, ticket } = Subject::of(held.about, held.ticket.as_ref());
        let Rule { most, lasts, holds } = Rule::of(&policy);
        let values: Values<'_> = &[
            (&address, Type::TEXT),
            (&place, Type::TIMESTAMPTZ),
            (&tries, Type::INT8),
            (&spans, Type::INT8),
            (&key, Type::TEXT),
            (&made, Type::TIMESTAMPTZ),
            (&digest, Type::BYTEA),
            (&ticket, Type::TIMESTAMPTZ),
            (&most, Type::INT8),
            (&lasts, Type::INT8),
            (&holds, Type::INT8),
            (&now, Type::TIMESTAMPTZ),
        ];
        let untied = self.untied(&address, Ends::Failed(place, now));
        let rows = self.store.pool().write(SQL, values).await;
        untied.tie();
        let rows = rows.map_err(Fault::into_store)?;
        rows.first().map_or(Ok(Failure::Ignored), |row| self.store.failure(row))
    }

    async fn give_back(&self, held: Held<'_>) -> Result<(), StoreError> {
        const SQL: &str = "SELECT mcp_withdraw_attempt($1, $2, $3, $4, $5, $6)::text";
        let (address, place) = (held.place.address.to_string(), time_of(&held.place));
        let Subject { key, made, digest, ticket } = Subject::of(held.about, held.ticket.as_ref());
        let values: Values<'_> = &[
            (&address, Type::TEXT),
            (&place, Type::TIMESTAMPTZ),
            (&key, Type::TEXT),
            (&made, Type::TIMESTAMPTZ),
            (&digest, Type::BYTEA),
            (&ticket, Type::TIMESTAMPTZ),
        ];
        self.store.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(())
    }

    /// What a function says of an address: until when it is refused, if it is.
    async fn ask(
        &self,
        sql: &str,
        address: AddressKey,
        now: SystemTime,
    ) -> Result<Option<Refusal>, StoreError> {
        if let Some(refusal) = self.refused.lately(address, now, Instant::now()) {
            return Ok(Some(refusal));
        }
        let Tries { most, spans, holds } = Tries::of(&self.limits);
        let values: Values<'_> = &[
            (&address.to_string(), Type::TEXT),
            (&most, Type::INT8),
            (&spans, Type::INT8),
            (&holds, Type::INT8),
            (&now, Type::TIMESTAMPTZ),
        ];
        let rows = self.store.pool().write(sql, values).await.map_err(Fault::into_store)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let until: Option<SystemTime> = self.store.reader().get(row, 0)?;
        Ok(until.map(|until| self.refuse(address, until, now)))
    }

    fn refuse(&self, address: AddressKey, until: SystemTime, now: SystemTime) -> Refusal {
        self.refused.note(address, until, Instant::now());
        refusal(until, now)
    }

    /// Nobody may be there to say how it ended.
    fn untied<'a>(&'a self, address: &'a str, ends: Ends) -> Untied<'a> {
        Untied::new(self.store.loose(), address, ends, Tries::of(&self.limits))
    }

    fn let_go(&self, place: &AddressPlace, ends: Ends) {
        let address = place.address.to_string();
        self.store.loose().send(Loose { address, ends, tries: Tries::of(&self.limits) });
    }
}

/// Whole seconds, rounded up, never zero: what `Retry-After` says.
pub(crate) fn refusal(until: SystemTime, now: SystemTime) -> Refusal {
    let left = until.duration_since(now).unwrap_or_default();
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    Refusal { retry_after: Duration::from_secs(seconds.max(1)) }
}

/// A place is named by the microsecond in which it was taken.
fn number_of(place: SystemTime) -> u64 {
    let age = place.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(age.as_micros()).unwrap_or_default()
}

fn time_of(place: &AddressPlace) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_micros(place.number)
}

impl AttemptLedger for PostgresAttempts {
    fn begin<'a>(&'a self, attempt: Beginning<'a>) -> BoxFuture<'a, Result<Begun, StoreError>> {
        Box::pin(self.take(attempt))
    }

    fn fail<'a>(
        &'a self,
        held: Held<'a>,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        Box::pin(self.count_wrong(held, policy, now))
    }

    fn withdraw<'a>(&'a self, held: Held<'a>) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.give_back(held))
    }

    fn open(
        &self,
        opening: Opening,
        place: Option<AddressPlace>,
    ) -> BoxFuture<'_, Result<Entered, OpenRejection>> {
        let place = place.map(|place| (place.address.to_string(), time_of(&place)));
        Box::pin(self.store.let_in(opening, place))
    }

    fn look(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>> {
        Box::pin(self.ask("SELECT mcp_look_at_address($1, $2, $3, $4, $5)", address, now))
    }

    fn count(
        &self,
        address: AddressKey,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<Option<Refusal>, StoreError>> {
        Box::pin(self.ask("SELECT mcp_count_address($1, $2, $3, $4, $5)", address, now))
    }

    fn abandon(&self, place: AddressPlace, now: SystemTime) {
        self.let_go(&place, Ends::Failed(time_of(&place), now));
    }

    fn release(&self, place: AddressPlace) {
        self.let_go(&place, Ends::Free(time_of(&place)));
    }
}

/// Says nothing of those who tried.
impl fmt::Debug for PostgresAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresAttempts").field("store", &self.store).finish_non_exhaustive()
    }
}
