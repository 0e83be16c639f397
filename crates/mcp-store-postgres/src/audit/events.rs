//! Looking back: the newest rows first, by an index, and no more of them than a page may pass over.

use mcp_identity::UserName;
use mcp_store::{AuditEvents, AuditLine, AuditPage, BoxFuture, StoreError};
use tokio_postgres::types::Type;

use super::reader::LINE;
use crate::pool::Values;
use crate::store::PostgresStore;

impl PostgresStore {
    /// Rows that name an account in words alone are nobody's here: whoever is called so today may
    /// be somebody else.
    async fn newest_events(&self, page: AuditPage) -> Result<Vec<AuditLine>, StoreError> {
        let AuditPage { filter, limit, offset } = page.bounded();
        let bounded = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let (limit, offset) = (bounded(limit), bounded(offset));
        let user = filter.user.as_ref().map(UserName::key);
        let (of_user, order) = match user {
            Some(_) => ("user_id = (SELECT id FROM users WHERE name_key = $4)", "ts DESC, id DESC"),
            None => ("$4::text IS NULL", "id DESC"),
        };
        let sql = format!(
            "SELECT {LINE} FROM auth_events WHERE ($3 IS NULL OR ts >= $3) AND {of_user} \
             ORDER BY {order} LIMIT $1 OFFSET $2"
        );
        let values: Values<'_> = &[
            (&limit, Type::INT8),
            (&offset, Type::INT8),
            (&filter.since, Type::TIMESTAMPTZ),
            (&user, Type::TEXT),
        ];
        let mut lines = Vec::new();
        for row in self.pool().read(&sql, values).await? {
            let text: &str = self.reader().get(&row, 0)?;
            // What cannot be read is for the operator's tool to tell of.
            lines.extend(AuditLine::parse(text.as_bytes()).ok());
        }
        Ok(lines)
    }
}

impl AuditEvents for PostgresStore {
    fn newest(&self, page: AuditPage) -> BoxFuture<'_, Result<Vec<AuditLine>, StoreError>> {
        Box::pin(self.newest_events(page))
    }
}
