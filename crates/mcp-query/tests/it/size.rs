//! What a statement carries about while it runs.

use mcp_query::{Column, Row, Rows, Stop};

use crate::support::Wall;

struct Nobody;

impl Rows for Nobody {
    async fn columns(&mut self, _: &[Column]) -> Result<(), Stop> {
        Ok(())
    }

    async fn row(&mut self, _: &Row<'_>) -> Result<(), Stop> {
        Ok(())
    }
}

/// Every call is moved into a box, which copies all of it. A future that is held in a variable
/// before it is awaited counts twice, on each level; so does whatever is awaited seldom and not
/// boxed.
#[tokio::test]
async fn the_work_on_a_statement_is_small_enough_to_be_moved() {
    let wall = Wall::to_write();
    let mut nobody = Nobody;
    let work = wall.databases.execute(&wall.agent, &wall.shop, "SELECT 1", (1, 0), &mut nobody);
    assert!(size_of_val(&work) <= 4096, "{} bytes", size_of_val(&work));
}
