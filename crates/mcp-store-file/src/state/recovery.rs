//! Letters to be sent, and links for a new password, as they are kept.

use std::time::SystemTime;

use mcp_identity::{TokenHash, UserName};
use mcp_store::{
    FARTHEST, LetterClaim, LetterMatter, MOST_LETTERS, QueuedLetter, REMEMBERED, StoreError,
    StoredHash, UserRecord, reset_seal,
};
use rusqlite::{OptionalExtension as _, Params, Row};

use super::columns::{nanoseconds, parsed, time};
use super::connection::Tables;
use super::kept::AccountKey;

/// A link, and which account of its name it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeptReset {
    pub(crate) hash: TokenHash,
    pub(crate) account: AccountKey,
    pub(crate) user: UserName,
    seal: TokenHash,
    pub(crate) expires_at: SystemTime,
    pub(crate) spent: bool,
    /// What it sets, while the users file may not have it yet.
    pub(crate) pending: Option<StoredHash>,
}

impl KeptReset {
    /// A new one for that account, as it is now.
    pub(crate) fn new(record: &UserRecord, hash: TokenHash, expires_at: SystemTime) -> Self {
        Self {
            hash,
            account: AccountKey::of(record),
            user: record.name.clone(),
            seal: reset_seal(record),
            expires_at,
            spent: false,
            pending: None,
        }
    }

    /// Is the account as it was when the link was minted?
    pub(crate) fn holds_for(&self, record: &UserRecord) -> bool {
        record.enabled && AccountKey::of(record) == self.account && reset_seal(record) == self.seal
    }
}

/// A row of `reset`, as [`read`] takes it.
const ROW: &str = "hash, name, made, shown, seal, expires_at, spent, pending";

impl Tables<'_> {
    /// Keeps word of a letter; `false`: too many wait.
    pub(crate) fn ask(&self, matter: &LetterMatter, now: SystemTime) -> Result<bool, StoreError> {
        self.run("keep word of a letter", |db| {
            let most = i64::try_from(MOST_LETTERS).unwrap_or(i64::MAX);
            let now = nanoseconds(now);
            let kept = db.execute(
                "INSERT INTO letter (kind, whom, asked_at, due_at, attempts) \
                 SELECT ?1, ?2, ?3, ?3, 0 WHERE (SELECT count(*) FROM letter) < ?4",
                (matter.kind(), matter.whom(), now, most),
            )?;
            Ok(kept == 1)
        })
    }

    /// Is any letter due?
    pub(crate) fn is_any_due(&self, now: SystemTime) -> Result<bool, StoreError> {
        self.run("look for letters", |db| {
            let statement =
                "SELECT EXISTS (SELECT 1 FROM letter WHERE due_at <= ?1 OR due_at > ?2)";
            db.query_row(statement, due(now), |row| row.get(0))
        })
    }

    /// Takes the letter that has been due for longest.
    pub(crate) fn claim(
        &self,
        now: SystemTime,
        until: SystemTime,
    ) -> Result<Option<QueuedLetter>, StoreError> {
        self.run("take a letter", |db| {
            let statement = "UPDATE letter SET due_at = ?3, attempts = attempts + 1 \
                 WHERE number = (SELECT number FROM letter WHERE due_at <= ?1 OR due_at > ?2 \
                                 ORDER BY due_at, number LIMIT 1) \
                 RETURNING number, attempts, kind, whom, asked_at";
            let (now, farthest) = due(now);
            let taken = db.query_row(statement, (now, farthest, nanoseconds(until)), letter);
            taken.optional()
        })
    }

    /// Has a letter that was taken wait. `false`: somebody else has taken it since.
    pub(crate) fn postpone(&self, claim: LetterClaim, due: SystemTime) -> Result<bool, StoreError> {
        let statement = "UPDATE letter SET due_at = ?3 WHERE number = ?1 AND attempts = ?2";
        self.changed("put a letter off", statement, (claim.letter, claim.attempt, nanoseconds(due)))
    }

    /// Forgets a letter that was taken. `false`: somebody else has taken it since.
    pub(crate) fn finish(&self, claim: LetterClaim) -> Result<bool, StoreError> {
        let statement = "DELETE FROM letter WHERE number = ?1 AND attempts = ?2";
        self.changed("take a letter away", statement, (claim.letter, claim.attempt))
    }

    /// The link with that hash.
    pub(crate) fn reset(&self, hash: TokenHash) -> Result<Option<KeptReset>, StoreError> {
        self.run("look for a link", |db| {
            let statement = format!("SELECT {ROW} FROM reset WHERE hash = ?1");
            db.query_row(&statement, (hash.to_hex(),), read).optional()
        })
    }

    /// The links whose password the users file may not have yet.
    pub(crate) fn pending_resets(&self) -> Result<Vec<KeptReset>, StoreError> {
        self.run("look for links", |db| {
            let statement = format!("SELECT {ROW} FROM reset WHERE pending IS NOT NULL");
            db.prepare(&statement)?.query_map((), read)?.collect()
        })
    }

    /// Keeps a new link. The account's others are void, but for what is still to be written; and
    /// what was over long before `now` is forgotten.
    pub(crate) fn mint(&self, reset: &KeptReset, now: SystemTime) -> Result<(), StoreError> {
        self.run("keep a link", |db| {
            let forgotten = now.checked_sub(REMEMBERED).map_or(i64::MIN, nanoseconds);
            db.execute(
                "DELETE FROM reset WHERE pending IS NULL \
                 AND (name = ?1 AND spent = 0 OR expires_at <= ?2)",
                (&reset.account.name, forgotten),
            )?;
            db.execute(
                "INSERT INTO reset (hash, name, made, shown, seal, expires_at, spent) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0)",
                (
                    reset.hash.to_hex(),
                    &reset.account.name,
                    reset.account.made,
                    reset.user.as_str(),
                    reset.seal.to_hex(),
                    nanoseconds(reset.expires_at),
                ),
            )?;
            Ok(())
        })
    }

    /// The link is spent, and sets this as soon as the users file takes it. `false`: it was spent
    /// before.
    pub(crate) fn spend(&self, hash: TokenHash, sets: &StoredHash) -> Result<bool, StoreError> {
        let statement = "UPDATE reset SET spent = 1, pending = ?2 WHERE hash = ?1 AND spent = 0";
        self.changed("spend a link", statement, (hash.to_hex(), sets.expose()))
    }

    /// The users file has what the link set, or never will.
    pub(crate) fn settle_reset(&self, hash: TokenHash) -> Result<(), StoreError> {
        let statement = "UPDATE reset SET pending = NULL WHERE hash = ?1";
        self.changed("settle a link", statement, (hash.to_hex(),)).map(drop)
    }

    /// The users file did not take what the link was to set: it may be spent again.
    pub(crate) fn unspend(&self, hash: TokenHash) -> Result<(), StoreError> {
        let statement = "UPDATE reset SET spent = 0, pending = NULL WHERE hash = ?1";
        self.changed("give a link back", statement, (hash.to_hex(),)).map(drop)
    }

    fn changed(
        &self,
        doing: &str,
        statement: &str,
        values: impl Params,
    ) -> Result<bool, StoreError> {
        self.run(doing, |db| Ok(db.execute(statement, values)? > 0))
    }
}

/// Before which time a letter is due, and after which: a clock went back.
fn due(now: SystemTime) -> (i64, i64) {
    (nanoseconds(now), now.checked_add(FARTHEST).map_or(i64::MAX, nanoseconds))
}

fn letter(row: &Row<'_>) -> rusqlite::Result<QueuedLetter> {
    let (kind, whom): (String, String) = (row.get(2)?, row.get(3)?);
    Ok(QueuedLetter {
        claim: LetterClaim { letter: row.get(0)?, attempt: row.get(1)? },
        matter: parsed(2, LetterMatter::of(&kind, &whom))?,
        asked_at: time(row.get(4)?),
    })
}

fn read(row: &Row<'_>) -> rusqlite::Result<KeptReset> {
    let text = |column| row.get::<_, String>(column);
    Ok(KeptReset {
        hash: parsed(0, TokenHash::parse_hex(&text(0)?).ok())?,
        account: AccountKey { name: text(1)?, made: row.get(2)? },
        user: parsed(3, UserName::parse(&text(3)?).ok())?,
        seal: parsed(4, TokenHash::parse_hex(&text(4)?).ok())?,
        expires_at: time(row.get(5)?),
        spent: row.get(6)?,
        pending: row.get::<_, Option<String>>(7)?.map(StoredHash::new),
    })
}
