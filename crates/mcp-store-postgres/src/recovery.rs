//! Letters to be sent, and links for a new password.

use std::time::SystemTime;

use mcp_identity::{SessionId, TokenHash, UserName};
use mcp_store::{
    BoxFuture, Change, FARTHEST, LetterClaim, LetterMatter, MOST_LETTERS, Minting, QueuedLetter,
    REMEMBERED, RecoveryStore, ResetLook, SpendRejection, Spending, Spent, StoreError,
    StoreErrorKind, StoredHash, UserRecord, Whom,
};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use crate::fault::{Fault, down, fault};
use crate::pool::Values;
use crate::rows::{ACCOUNT, ACCOUNT_COLUMNS};
use crate::store::PostgresStore;

impl PostgresStore {
    async fn ask(&self, matter: &LetterMatter, now: SystemTime) -> Result<(), StoreError> {
        let values: Values<'_> = &[
            (&matter.kind(), Type::TEXT),
            (&matter.whom(), Type::TEXT),
            (&now, Type::TIMESTAMPTZ),
            (&most_letters(), Type::INT8),
        ];
        let rows = self.pool().write("SELECT mcp_ask_letter($1, $2, $3, $4)", values).await;
        let rows = rows.map_err(Fault::into_store)?;
        let asked = rows.first().map(|row| self.reader().get(row, 0)).transpose()?;
        if asked != Some(true) {
            let what = format!("{MOST_LETTERS} letters wait to be sent");
            return Err(down(self.pool().place(), what));
        }
        Ok(())
    }

    async fn claim(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<Option<QueuedLetter>, StoreError> {
        const SQL: &str = "UPDATE mcp_letters SET due_at = $3, attempts = attempts + 1 \
            WHERE id = (SELECT id FROM mcp_letters WHERE due_at <= $1 OR due_at > $2 \
                        ORDER BY due_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) \
            RETURNING id, attempts, kind::text, whom, asked_at";
        let farthest = now.checked_add(FARTHEST).unwrap_or(now);
        let values: Values<'_> = &[
            (&now, Type::TIMESTAMPTZ),
            (&farthest, Type::TIMESTAMPTZ),
            (&until, Type::TIMESTAMPTZ),
        ];
        let rows = self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        rows.first().map(|row| self.letter(row)).transpose()
    }

    fn letter(&self, row: &Row) -> Result<QueuedLetter, StoreError> {
        let reader = self.reader();
        let letter: i64 = reader.get(row, 0)?;
        let attempt: i32 = reader.get(row, 1)?;
        let matter = LetterMatter::of(reader.get(row, 2)?, reader.get(row, 3)?);
        let odd = || {
            let what = format!("mcp_letters: the row with id {letter} cannot be used");
            fault(self.pool().place(), StoreErrorKind::Refused, what)
        };
        Ok(QueuedLetter {
            claim: LetterClaim { letter, attempt: u32::try_from(attempt).unwrap_or(u32::MAX) },
            matter: matter.ok_or_else(odd)?,
            asked_at: reader.get(row, 4)?,
        })
    }

    async fn postpone(&self, claim: LetterClaim, due: SystemTime) -> Result<bool, StoreError> {
        const SQL: &str =
            "UPDATE mcp_letters SET due_at = $3 WHERE id = $1 AND attempts = $2 RETURNING id";
        let attempt = i32::try_from(claim.attempt).unwrap_or(i32::MAX);
        let values: Values<'_> =
            &[(&claim.letter, Type::INT8), (&attempt, Type::INT4), (&due, Type::TIMESTAMPTZ)];
        let rows = self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(!rows.is_empty())
    }

    async fn finish(&self, claim: LetterClaim) -> Result<bool, StoreError> {
        const SQL: &str = "DELETE FROM mcp_letters WHERE id = $1 AND attempts = $2 RETURNING id";
        let attempt = i32::try_from(claim.attempt).unwrap_or(i32::MAX);
        let values: Values<'_> = &[(&claim.letter, Type::INT8), (&attempt, Type::INT4)];
        let rows = self.pool().write(SQL, values).await.map_err(Fault::into_store)?;
        Ok(!rows.is_empty())
    }

    async fn mint(&self, minting: &Minting) -> Result<Option<UserRecord>, StoreError> {
        let sql = format!("SELECT {ACCOUNT} FROM mcp_mint_reset($1, $2, $3, $4, $5, $6)");
        let Minting { whom, hash, now, expires_at } = minting;
        let (name, email) = match whom {
            Whom::User(name) => (Some(name.key()), None),
            Whom::Address(address) => (None, Some(address.to_lowercase())),
        };
        let forgotten = now.checked_sub(REMEMBERED).unwrap_or(SystemTime::UNIX_EPOCH);
        let values: Values<'_> = &[
            (&name, Type::TEXT),
            (&email, Type::TEXT),
            (&hash.to_hex(), Type::TEXT),
            (now, Type::TIMESTAMPTZ),
            (expires_at, Type::TIMESTAMPTZ),
            (&forgotten, Type::TIMESTAMPTZ),
        ];
        let rows = self.pool().write(&sql, values).await.map_err(Fault::into_store)?;
        let account = rows.first().map(|row| self.reader().account(row)).transpose()?;
        Ok(account.map(|account| account.record))
    }

    async fn look_reset(&self, hash: TokenHash, now: SystemTime) -> Result<ResetLook, StoreError> {
        const SQL: &str = "SELECT u.username::text, t.expires_at FROM password_reset_tokens t \
            JOIN users u ON u.id = t.user_id \
            WHERE t.token = $1 AND NOT t.used AND u.active AND t.seal = mcp_reset_seal(u)";
        let rows = self.pool().read(SQL, &[(&hash.to_hex(), Type::TEXT)]).await?;
        let Some(row) = rows.first() else { return Ok(ResetLook::Invalid) };
        let name: String = self.reader().get(row, 0)?;
        let expires_at: SystemTime = self.reader().get(row, 1)?;
        let Ok(user) = UserName::parse(&name) else { return Ok(ResetLook::Invalid) };
        if expires_at <= now {
            return Ok(ResetLook::Expired);
        }
        Ok(ResetLook::Valid { user, expires_at })
    }

    async fn spend(&self, spending: &Spending) -> Result<Spent, SpendRejection> {
        let sql = format!(
            "SELECT {ACCOUNT}, outcome, ended FROM (SELECT (found.account).*, outcome, ended \
             FROM mcp_spend_reset($1, $2, $3, $4, $5, $6, $7, $8) AS found) AS found"
        );
        let Spending { hash, checked, password, past, now, end_sessions, confirm } = spending;
        let values: Values<'_> = &[
            (&hash.to_hex(), Type::TEXT),
            (&password.expose(), Type::TEXT),
            (now, Type::TIMESTAMPTZ),
            (end_sessions, Type::BOOL),
            (confirm, Type::BOOL),
            (&most_letters(), Type::INT8),
            (&i64::try_from(*past).unwrap_or(i64::MAX), Type::INT8),
            (&checked.as_ref().map(StoredHash::expose), Type::TEXT),
        ];
        let rows = self.pool().write(&sql, values).await.map_err(Fault::into_store)?;
        let row = rows.first().ok_or(SpendRejection::Invalid)?;
        match self.reader().get(row, ACCOUNT_COLUMNS)? {
            "spent" => Ok(self.spent(row)?),
            "expired" => Err(SpendRejection::Expired),
            "changed" => Err(SpendRejection::Changed),
            _ => Err(SpendRejection::Invalid),
        }
    }

    fn spent(&self, row: &Row) -> Result<Spent, StoreError> {
        let ended: Option<Vec<String>> = self.reader().get(row, ACCOUNT_COLUMNS + 1)?;
        let ended = ended.unwrap_or_default();
        let ended: Vec<SessionId> = ended.iter().filter_map(|id| SessionId::parse(id)).collect();
        let record = self.reader().account(row)?.record;
        let sessions = ended.iter().cloned().map(Change::Session);
        self.tell(sessions.chain([Change::User(record.name.clone())]));
        Ok(Spent { record, ended })
    }
}

fn most_letters() -> i64 {
    i64::try_from(MOST_LETTERS).unwrap_or(i64::MAX)
}

impl RecoveryStore for PostgresStore {
    fn ask_letter(
        &self,
        matter: LetterMatter,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move { self.ask(&matter, now).await })
    }

    fn claim_letter(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> BoxFuture<'_, Result<Option<QueuedLetter>, StoreError>> {
        Box::pin(self.claim(now, until))
    }

    fn postpone_letter(
        &self,
        claim: LetterClaim,
        due: SystemTime,
    ) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.postpone(claim, due))
    }

    fn finish_letter(&self, claim: LetterClaim) -> BoxFuture<'_, Result<bool, StoreError>> {
        Box::pin(self.finish(claim))
    }

    fn mint_reset(
        &self,
        minting: Minting,
    ) -> BoxFuture<'_, Result<Option<UserRecord>, StoreError>> {
        Box::pin(async move { self.mint(&minting).await })
    }

    fn look_at_reset(
        &self,
        hash: TokenHash,
        now: SystemTime,
    ) -> BoxFuture<'_, Result<ResetLook, StoreError>> {
        Box::pin(self.look_reset(hash, now))
    }

    fn spend_reset(&self, spending: Spending) -> BoxFuture<'_, Result<Spent, SpendRejection>> {
        Box::pin(async move { self.spend(&spending).await })
    }
}
