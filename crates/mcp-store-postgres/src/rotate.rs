//! A new secret for a token: two records changed in one transaction.

use mcp_store::{Change, RotateRejection, Rotated, Rotation, TokenRecord, TokenSelector};
use tokio_postgres::Transaction;
use tokio_postgres::types::Type;

use crate::fault::{Fault, of_statement};
use crate::rows::TOKEN;
use crate::store::PostgresStore;
use crate::tokens::{Columns, INSERT, condition, rejected};

impl PostgresStore {
    pub(crate) async fn rotate_token(
        &self,
        selector: TokenSelector,
        rotation: Rotation,
    ) -> Result<Rotated, RotateRejection> {
        let limit = self.pool().settings().patience;
        let work = self.rotate_once(&selector, &rotation);
        let rotated = match self.pool().in_time(limit, work).await {
            Ok(settled) => settled?,
            Err(fault) => return Err(rejected(fault)),
        };
        self.tell([&rotated.old, &rotated.new].map(|it| Change::Token(it.id.clone())));
        Ok(rotated)
    }

    /// The fault of a statement, or what the rotation itself came to.
    async fn rotate_once(
        &self,
        selector: &TokenSelector,
        rotation: &Rotation,
    ) -> Result<Result<Rotated, RotateRejection>, Fault> {
        let failed = |error| of_statement(self.pool().place(), &error);
        let mut lent = self.pool().lend().await.map_err(Fault::Store)?;
        let work = lent.transaction().await.map_err(failed)?;
        let rotated = match self.named(&work, selector).await? {
            Ok(old) => rotation.apply(&old),
            Err(rejection) => Err(rejection),
        };
        if let Ok(Rotated { old, new }) = &rotated {
            const END: &str = "UPDATE mcp_tokens SET expires_at = $2 WHERE id = $1";
            work.query_typed(
                END,
                &[(&old.id.as_str(), Type::TEXT), (&old.expires_at, Type::TIMESTAMPTZ)],
            )
            .await
            .map_err(failed)?;
            work.query_typed(INSERT, &Columns::of(new).values()).await.map_err(failed)?;
        }
        work.commit().await.map_err(failed)?;
        // What failed before is rolled back with its connection.
        lent.settle();
        Ok(rotated)
    }

    /// The one record that is meant, which nobody else changes until the end of the work.
    async fn named(
        &self,
        work: &Transaction<'_>,
        selector: &TokenSelector,
    ) -> Result<Result<TokenRecord, RotateRejection>, Fault> {
        let Some((condition, text)) = condition(selector) else {
            return Ok(Err(RotateRejection::NotFound));
        };
        let sql =
            format!("SELECT {TOKEN} FROM mcp_tokens WHERE {condition} ORDER BY seq FOR UPDATE");
        let rows = work.query_typed(&sql, &[(&text, Type::TEXT)]).await;
        let rows = rows.map_err(|error| of_statement(self.pool().place(), &error))?;
        Ok(match &rows[..] {
            [] => Err(RotateRejection::NotFound),
            [row] => Ok(self.reader().token(row).map_err(Fault::Store)?),
            several => Err(RotateRejection::Ambiguous(several.len())),
        })
    }
}
