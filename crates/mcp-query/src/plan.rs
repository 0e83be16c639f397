//! How PostgreSQL would run a query, or did.

use mcp_identity::{DatabaseName, Principal};
use mcp_sql::ExplainOptions;

use crate::fault::QueryFault;
use crate::query::{Databases, Rows};

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'t> {
    /// One query of the caller, without EXPLAIN in front.
    pub query: &'t str,
    /// What the plan shows.
    pub options: ExplainOptions,
}

impl Databases {
    /// Explains a query: rows of one column, a line of the plan each, or one row of JSON.
    ///
    /// # Errors
    /// [`QueryFault`]; a position in it is one in the query.
    pub async fn explain<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        plan: Plan<'_>,
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        // Through the same door as an EXPLAIN that a caller writes: it is taken apart and rebuilt.
        let lead = format!("EXPLAIN ({}) ", plan.options);
        let text = format!("{lead}{}", plan.query);
        let outcome = self.read(principal, database, &text, (1, 0), rows).await;
        outcome.map_err(|fault| match fault {
            QueryFault::Database(mut error) => {
                let lead = u32::try_from(lead.len()).unwrap_or(u32::MAX);
                let inside = |position: u32| position.checked_sub(lead).filter(|at| *at > 0);
                error.position = error.position.and_then(inside);
                QueryFault::Database(error)
            }
            other => other,
        })
    }
}
