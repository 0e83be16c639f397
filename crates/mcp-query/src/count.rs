//! How many rows a table has that fit a condition.

use mcp_identity::{DatabaseName, Principal};
use mcp_sql::{Condition, quote_identifier};

use crate::fault::QueryFault;
use crate::query::{Databases, Rows};

/// The longest name, in bytes. PostgreSQL cuts a longer one silently (documentation, 4.1.1), and
/// what it then finds is another table than the one that was named.
pub const MAX_NAME_BYTES: usize = 63;

/// What is to be counted.
#[derive(Clone, Copy, Debug)]
pub struct Count<'t> {
    /// `None`: the table is looked for as in a query, along the search path.
    pub schema: Option<&'t str>,
    /// A name as the catalog has it, without quotes.
    pub table: &'t str,
    /// A condition in SQL, from the caller.
    pub condition: Option<&'t str>,
}

impl Databases {
    /// Counts rows: one row of one value, `count`.
    ///
    /// # Errors
    /// [`QueryFault`]; a position in it is one in the condition.
    pub async fn count<R: Rows>(
        &self,
        principal: &Principal,
        database: &DatabaseName,
        count: Count<'_>,
        rows: &mut R,
    ) -> Result<(), QueryFault> {
        let condition = count.condition.map(Condition::parse).transpose()?;
        let (text, place) = statement(count, condition.as_ref());
        let outcome = self.read(principal, database, &text, (1, 0), rows).await;
        outcome.map_err(|fault| match fault {
            QueryFault::Database(mut error) => {
                error.position = error.position.and_then(|position| place?.position(position));
                QueryFault::Database(error)
            }
            other => other,
        })
    }
}

/// Where the condition stands in the statement around it, and in the caller's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Characters in front of it in the statement.
    before: usize,
    /// Characters in front of it in the caller's text.
    skipped: usize,
    /// Its own length, in characters.
    length: usize,
}

impl Place {
    /// A position in the statement (from 1) as one in the caller's text.
    fn position(self, position: u32) -> Option<u32> {
        let inside = usize::try_from(position).ok()?.checked_sub(self.before)?;
        let inside = inside.clamp(1, self.length) + self.skipped;
        u32::try_from(inside).ok()
    }
}

fn statement(count: Count<'_>, condition: Option<&Condition<'_>>) -> (String, Option<Place>) {
    let schema = count.schema.map(|schema| quote_identifier(schema) + ".").unwrap_or_default();
    let table = quote_identifier(count.table);
    let mut text = format!("SELECT count(*) FROM {schema}{table}");
    let place = condition.map(|condition| {
        text.push_str(" WHERE (\n");
        let before = text.chars().count();
        text.push_str(condition.text());
        text.push_str("\n)");
        let length = condition.text().chars().count();
        Place { before, skipped: condition.start(), length }
    });
    (text, place)
}

#[cfg(test)]
mod tests {
    use mcp_sql::{Condition, Refusal, Statement};

    use super::{Count, statement};

    #[test]
    fn names_stay_names_whatever_they_hold() {
        let count = Count {
            schema: Some("a.b"),
            table: "t\" WHERE true; DROP TABLE t; --",
            condition: None,
        };
        let (text, _) = statement(count, None);
        let whole = "SELECT count(*) FROM \"a.b\".\"t\"\" WHERE true; DROP TABLE t; --\"";
        assert_eq!(text, whole);
        assert!(Statement::read(&text).is_ok());
    }

    #[test]
    fn what_no_statement_may_name_is_refused_as_a_table_and_in_a_condition() {
        let count = |table, condition| Count { schema: None, table, condition: Some(condition) };
        for (table, condition) in [
            ("pg_stat_activity", "true"),
            ("t", "pg_sleep(10) IS NULL"),
            ("t", "(SELECT set_config('a.b', 'c', false)) IS NULL"),
        ] {
            let parsed = Condition::parse(condition).unwrap();
            let (text, _) = statement(count(table, condition), Some(&parsed));
            assert!(matches!(Statement::read(&text), Err(Refusal::Denied(_))), "{text}");
        }
    }

    #[test]
    fn a_position_points_into_the_condition() {
        let condition = "/* ü */ nope = 1";
        let parsed = Condition::parse(condition).unwrap();
        let count = Count { schema: None, table: "ü", condition: Some(condition) };
        let (text, place) = statement(count, Some(&parsed));
        let wrong = text.split("nope").next().unwrap().chars().count() + 1;
        let position = place.unwrap().position(u32::try_from(wrong).unwrap()).unwrap();
        let told: String = condition.chars().skip(position as usize - 1).collect();
        assert_eq!(told, "nope = 1");
        assert_eq!(place.unwrap().position(1), None);
        let end = u32::try_from(condition.chars().count()).unwrap();
        assert_eq!(place.unwrap().position(9_999), Some(end));
    }
}
