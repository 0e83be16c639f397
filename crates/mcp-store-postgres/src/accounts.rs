//! Accounts, their sessions and their failures.

use std::time::SystemTime;

use mcp_identity::{DbRole, SessionId, UserName};
use mcp_store::{
    Account, AccountStore, AddRejection, AdminsLeft, BoxFuture, Change, Changes, EditRejection,
    Entered, Excerpt, Login, LoginSession, OpenRejection, Opened, Opening, SessionSelector,
    StoreError, StoredHash, UserEdit, UserRecord,
};
use mcp_throttle::{Failure, LockoutPolicy, Ticket, Verdict};
use tokio::time::Instant;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::fault::Fault;
use crate::rows::{ACCOUNT, ACCOUNT_COLUMNS, SESSION, list, lock_until};
use crate::store::PostgresStore;
use crate::time::{lasting, micros};

/// So many sessions are swept in one statement. Between two of them, others get their turn for so
/// many times as long as it took.
const BATCH: i64 = 500;
const REST: u32 = 4;

/// What a policy is to the functions of the database.
pub(crate) struct Rule {
    pub(crate) most: Option<i64>,
    pub(crate) lasts: Option<i64>,
    pub(crate) holds: i64,
}

impl Rule {
    pub(crate) fn of(policy: &LockoutPolicy) -> Self {
        let LockoutPolicy { limit, duration, hold } = policy;
        let most = limit.map(|limit| i64::from(limit.get()));
        Self { most, lasts: lasting(*duration), holds: micros(*hold) }
    }
}

impl PostgresStore {
    async fn add(&self, record: UserRecord) -> Result<(), AddRejection> {
        const SQL: &str = "INSERT INTO users (username, name_key, email, email_key, \
            password_hash, annotation, active, is_active, roles, databases, db_role, read_only, \
            created_at, full_name, password_change_required) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9, $10, $11, $12, $13, $14)";
        let email_key = record.email.as_ref().map(|email| email.to_lowercase());
        let added = self
            .pool()
            .write(
                SQL,
                &[
                    (&record.name.as_str(), Type::TEXT),
                    (&record.name.key(), Type::TEXT),
                    (&record.email, Type::TEXT),
                    (&email_key, Type::TEXT),
                    (&record.password.expose(), Type::TEXT),
                    (&record.note, Type::TEXT),
                    (&record.enabled, Type::BOOL),
                    (&list(&record.roles), Type::JSONB),
                    (&record.databases.as_ref().map(list), Type::JSONB),
                    (&record.db_role.as_ref().map(DbRole::as_str), Type::TEXT),
                    (&record.read_only, Type::BOOL),
                    (&record.created_at, Type::TIMESTAMPTZ),
                    (&record.full_name, Type::TEXT),
                    (&record.must_change_password, Type::BOOL),
                ],
            )
            .await;
        match added {
            Ok(_) => {
                self.tell([Change::User(record.name)]);
                Ok(())
            }
            Err(Fault::Taken(index)) if is_of_email(&index) => Err(AddRejection::EmailTaken),
            Err(Fault::Taken(_)) => Err(AddRejection::NameTaken),
            Err(other) => Err(other.into_store().into()),
        }
    }

    async fn unlock(&self, name: &UserName) -> Result<bool, EditRejection> {
        let rows = self.pool().write("SELECT mcp_unlock($1)", &[(&name.key(), Type::TEXT)]).await;
        let rows = rows.map_err(Fault::into_store)?;
        let row = rows.first().ok_or(EditRejection::NotFound)?;
        let had: Option<bool> = self.reader().get(row, 0)?;
        self.tell([Change::User(name.clone())]);
        had.ok_or(EditRejection::NotFound)
    }

    async fn reserve(
        &self,
        name: &UserName,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Result<Option<Login>, StoreError> {
        let sql = format!(
            "SELECT {ACCOUNT}, verdict, moment FROM (SELECT (found.account).*, verdict, moment \
             FROM mcp_find_login($1, $2, $3, $4, $5) AS found) AS found"
        );
        let Rule { most, lasts, holds } = Rule::of(policy);
        let rows = self
            .pool()
            .write(
                &sql,
                &[
                    (&name.key(), Type::TEXT),
                    (&most, Type::INT8),
                    (&lasts, Type::INT8),
                    (&holds, Type::INT8),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await
            .map_err(Fault::into_store)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let account = self.reader().account(row)?;
        let moment: SystemTime = self.reader().get(row, ACCOUNT_COLUMNS + 1)?;
        let verdict = match self.reader().get(row, ACCOUNT_COLUMNS)? {
            "reserved" => Verdict::Reserved(Ticket::taken_at(moment)),
            "locked" => Verdict::Locked(lock_until(moment)),
            _ => Verdict::Wait,
        };
        Ok(Some(Login { account, verdict }))
    }

    async fn fail(
        &self,
        name: &UserName,
        made: SystemTime,
        ticket: Ticket,
        policy: &LockoutPolicy,
        now: SystemTime,
    ) -> Result<Failure, StoreError> {
        const SQL: &str =
            "SELECT outcome, failures, lock FROM mcp_fail_login($1, $2, $3, $4, $5, $6, $7)";
        let Rule { most, lasts, holds } = Rule::of(policy);
        let rows = self
            .pool()
            .write(
                SQL,
                &[
                    (&name.key(), Type::TEXT),
                    (&made, Type::TIMESTAMPTZ),
                    (&ticket.time(), Type::TIMESTAMPTZ),
                    (&most, Type::INT8),
                    (&lasts, Type::INT8),
                    (&holds, Type::INT8),
                    (&now, Type::TIMESTAMPTZ),
                ],
            )
            .await
            .map_err(Fault::into_store)?;
        let Some(row) = rows.first() else { return Ok(Failure::Ignored) };
        self.failure(row)
    }

    pub(crate) fn failure(&self, row: &Row) -> Result<Failure, StoreError> {
        let failures: Option<i32> = self.reader().get(row, 1)?;
        let lock: Option<SystemTime> = self.reader().get(row, 2)?;
        Ok(match (self.reader().get(row, 0)?, failures, lock) {
            ("counted", Some(failures), _) => {
                Failure::Counted { failures: u32::try_from(failures).unwrap_or_default() }
            }
            ("locks", _, Some(end)) => Failure::Locks(lock_until(end)),
            _ => Failure::Ignored,
        })
    }

    async fn withdraw(
        &self,
        name: &UserName,
        made: SystemTime,
        ticket: Ticket,
    ) -> Result<(), StoreError> {
        const SQL: &str = "SELECT mcp_withdraw_login($1, $2, $3)::text";
        let values: crate::pool::Values<'_> = &[
            (&name.key(), Type::TEXT),
            (&made, Type::TIMESTAMPTZ),
            (&ticket.time(), Type::TIMESTAMPTZ),
        ];
        self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(())
    }

    async fn all_sessions(&self) -> Result<Vec<LoginSession>, StoreError> {
        let sql = format!(
            "SELECT {SESSION} FROM user_sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.public_id IS NOT NULL ORDER BY s.id"
        );
        let rows = self.pool().read(&sql, &[]).await?;
        rows.iter().map(|row| self.reader().session(row)).collect()
    }

    async fn his_sessions(&self, user: &UserName) -> Result<Vec<LoginSession>, StoreError> {
        let sql = format!(
            "SELECT {SESSION} FROM user_sessions s JOIN users u ON u.id = s.user_id \
             WHERE u.name_key = $1 AND s.public_id IS NOT NULL ORDER BY s.id"
        );
        let rows = self.pool().read(&sql, &[(&user.key(), Type::TEXT)]).await?;
        rows.iter().map(|row| self.reader().session(row)).collect()
    }

    async fn one_session(&self, id: &SessionId) -> Result<Option<LoginSession>, StoreError> {
        let sql = format!(
            "SELECT {SESSION} FROM user_sessions s JOIN users u ON u.id = s.user_id \
             WHERE s.public_id = $1"
        );
        let rows = self.pool().read(&sql, &[(&id.as_str(), Type::TEXT)]).await?;
        rows.first().map(|row| self.reader().session(row)).transpose()
    }

    async fn end(&self, selector: &SessionSelector) -> Result<Vec<LoginSession>, StoreError> {
        let ended = |condition: &str| {
            format!(
                "DELETE FROM user_sessions s USING users u WHERE u.id = s.user_id \
                 AND s.public_id IS NOT NULL AND {condition} RETURNING {SESSION}"
            )
        };
        let rows = match selector {
            SessionSelector::Id(id) => {
                let sql = ended("s.public_id = $1");
                self.pool().write(&sql, &[(&id.as_str(), Type::TEXT)]).await
            }
            SessionSelector::OfUser(name, except) => {
                let sql = ended("u.name_key = $1 AND s.public_id IS DISTINCT FROM $2");
                let except = except.as_ref().map(SessionId::as_str);
                let values: crate::pool::Values<'_> =
                    &[(&name.key(), Type::TEXT), (&except, Type::TEXT)];
                self.pool().write(&sql, values).await
            }
            SessionSelector::All => self.pool().write(&ended("true"), &[]).await,
        };
        let rows = rows.map_err(Fault::into_store)?;
        let ended: Vec<LoginSession> =
            rows.iter().map(|row| self.reader().session(row)).collect::<Result<_, _>>()?;
        self.tell(ended.iter().map(|session| Change::Session(session.id.clone())));
        Ok(ended)
    }

    async fn touch(&self, used: &[(SessionId, SystemTime)]) -> Result<(), StoreError> {
        // Locked in one order, whoever else notes uses of the same sessions.
        const SQL: &str = "WITH used AS (SELECT id, max(at) AS at \
              FROM unnest($1::text[], $2::timestamptz[]) AS used (id, at) GROUP BY id), \
            locked AS (SELECT s.id, used.at FROM user_sessions s JOIN used ON s.public_id = used.id \
              WHERE s.last_used_at < used.at ORDER BY s.id FOR NO KEY UPDATE OF s) \
            UPDATE user_sessions s SET last_used_at = locked.at FROM locked \
            WHERE s.id = locked.id AND s.last_used_at < locked.at";
        let (ids, times): (Vec<&str>, Vec<SystemTime>) =
            used.iter().map(|(id, at)| (id.as_str(), *at)).unzip();
        let values: crate::pool::Values<'_> =
            &[(&ids, Type::TEXT_ARRAY), (&times, Type::TIMESTAMPTZ_ARRAY)];
        self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(())
    }

    /// Several servers may sweep at once: each takes what no other has taken. What is over is over
    /// on every server by its own record: it need not reach the disk at once, and nobody is told. A
    /// word for each, or one for all, would have every server read a million sessions again.
    async fn sweep_expired(&self, now: SystemTime) -> Result<usize, StoreError> {
        let mut swept = 0;
        loop {
            let begun = Instant::now();
            let batch = self.sweep_batch(now).await?;
            // Rows of another system have no public name, and were no sessions here.
            swept += batch.iter().filter(|is_ours| **is_ours).count();
            if i64::try_from(batch.len()).is_ok_and(|rows| rows < BATCH) {
                return Ok(swept);
            }
            tokio::time::sleep(begun.elapsed() * REST).await;
        }
    }

    async fn sweep_batch(&self, now: SystemTime) -> Result<Vec<bool>, StoreError> {
        const SQL: &str = "DELETE FROM user_sessions WHERE id IN (SELECT id FROM user_sessions \
              WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED) \
            AND (SELECT set_config('synchronous_commit', 'off', true) IS NOT NULL \
                 AND set_config('mcp.sweeps', 'on', true) IS NOT NULL) \
            RETURNING public_id IS NOT NULL";
        let values: crate::pool::Values<'_> = &[(&now, Type::TIMESTAMPTZ), (&BATCH, Type::INT8)];
        let rows = self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        rows.iter().map(|row| self.reader().get(row, 0)).collect()
    }
}

/// Is this the index that keeps addresses apart?
pub(crate) fn is_of_email(index: &str) -> bool {
    matches!(index, "uq_users_email" | "users_email_key")
}

impl AccountStore for PostgresStore {
    fn accounts(&self) -> BoxFuture<'_, Result<Vec<Account>, StoreError>> {
        Box::pin(self.all_accounts())
    }

    fn accounts_after<'a>(
        &'a self,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Account>, StoreError>> {
        Box::pin(self.page(after, limit))
    }

    fn find_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(self.account(name))
    }

    fn find_email<'a>(
        &'a self,
        email: &'a str,
    ) -> BoxFuture<'a, Result<Option<Account>, StoreError>> {
        Box::pin(self.addressed(email))
    }

    fn past_passwords<'a>(
        &'a self,
        name: &'a UserName,
        most: usize,
    ) -> BoxFuture<'a, Result<Vec<StoredHash>, StoreError>> {
        Box::pin(self.past(name, most))
    }

    fn add_account(&self, record: UserRecord) -> BoxFuture<'_, Result<(), AddRejection>> {
        Box::pin(self.add(record))
    }

    fn edit_account<'a>(
        &'a self,
        name: &'a UserName,
        edit: UserEdit,
    ) -> BoxFuture<'a, Result<Account, EditRejection>> {
        Box::pin(async move { self.edit(name, &edit).await })
    }

    fn delete_account<'a>(
        &'a self,
        name: &'a UserName,
        admins: AdminsLeft,
    ) -> BoxFuture<'a, Result<UserRecord, EditRejection>> {
        Box::pin(self.delete(name, admins))
    }

    fn unlock_account<'a>(
        &'a self,
        name: &'a UserName,
    ) -> BoxFuture<'a, Result<bool, EditRejection>> {
        Box::pin(self.unlock(name))
    }

    fn find_login<'a>(
        &'a self,
        name: &'a UserName,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Option<Login>, StoreError>> {
        Box::pin(async move { self.reserve(name, &policy, now).await })
    }

    fn fail_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
        policy: LockoutPolicy,
        now: SystemTime,
    ) -> BoxFuture<'a, Result<Failure, StoreError>> {
        Box::pin(async move { self.fail(name, account_made, ticket, &policy, now).await })
    }

    fn withdraw_login<'a>(
        &'a self,
        name: &'a UserName,
        account_made: SystemTime,
        ticket: Ticket,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(self.withdraw(name, account_made, ticket))
    }

    fn open_session(&self, opening: Opening) -> BoxFuture<'_, Result<Opened, OpenRejection>> {
        Box::pin(async {
            let Entered { ended, seen: _ } = self.let_in(opening, None).await?;
            Ok(Opened { ended })
        })
    }

    fn sessions(&self) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(self.all_sessions())
    }

    fn sessions_of<'a>(
        &'a self,
        user: &'a UserName,
    ) -> BoxFuture<'a, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(self.his_sessions(user))
    }

    fn find_session<'a>(
        &'a self,
        id: &'a SessionId,
    ) -> BoxFuture<'a, Result<Option<LoginSession>, StoreError>> {
        Box::pin(self.one_session(id))
    }

    fn excerpt<'a>(
        &'a self,
        users: &'a [UserName],
        sessions: &'a [SessionId],
    ) -> BoxFuture<'a, Result<Excerpt, StoreError>> {
        Box::pin(self.some(users, sessions))
    }

    fn end_sessions(
        &self,
        selector: SessionSelector,
    ) -> BoxFuture<'_, Result<Vec<LoginSession>, StoreError>> {
        Box::pin(async move { self.end(&selector).await })
    }

    fn touch_sessions(
        &self,
        used: Vec<(SessionId, SystemTime)>,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.touch(&used).await })
    }

    fn sweep(&self, now: SystemTime) -> BoxFuture<'_, Result<usize, StoreError>> {
        Box::pin(self.sweep_expired(now))
    }

    fn changes(&self) -> Changes {
        self.told().accounts.listen()
    }
}
