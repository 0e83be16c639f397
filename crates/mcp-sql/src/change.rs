//! Statements that write, for whom may: which there are, found by their first words.
//!
//! What a list of words cannot see is left out: functions, triggers, rules and DO hold SQL of their
//! own, which no deny list reads; SET and its relatives change how the next text is read; roles and
//! grants are the operator's.

use crate::lexer::{Placed, Token};
use crate::statement::Refusal;

/// What CREATE, ALTER and DROP are for.
const KINDS: [(&str, [&str; 3]); 9] = [
    ("table", ["CREATE TABLE", "ALTER TABLE", "DROP TABLE"]),
    ("view", ["CREATE VIEW", "ALTER VIEW", "DROP VIEW"]),
    (
        "materialized",
        ["CREATE MATERIALIZED VIEW", "ALTER MATERIALIZED VIEW", "DROP MATERIALIZED VIEW"],
    ),
    ("index", ["CREATE INDEX", "ALTER INDEX", "DROP INDEX"]),
    ("sequence", ["CREATE SEQUENCE", "ALTER SEQUENCE", "DROP SEQUENCE"]),
    ("schema", ["CREATE SCHEMA", "ALTER SCHEMA", "DROP SCHEMA"]),
    ("type", ["CREATE TYPE", "ALTER TYPE", "DROP TYPE"]),
    ("domain", ["CREATE DOMAIN", "ALTER DOMAIN", "DROP DOMAIN"]),
    ("statistics", ["CREATE STATISTICS", "ALTER STATISTICS", "DROP STATISTICS"]),
];

/// Words between CREATE and what is created.
const MODIFIERS: [&str; 9] =
    ["or", "replace", "global", "local", "temp", "temporary", "unlogged", "unique", "recursive"];

/// How deep a change may lie in WITH within WITH.
const NESTED: u8 = 2;

/// What the statement does, as PostgreSQL's command tag says it; `None` if it is no change that
/// may run.
pub(crate) fn command(found: &[Placed<'_>]) -> Result<Option<&'static str>, Refusal> {
    let Some(first) = word(found, 0) else { return Ok(None) };
    let command = match first {
        "insert" => "INSERT",
        "update" => "UPDATE",
        "delete" => "DELETE",
        "merge" => "MERGE",
        "truncate" => "TRUNCATE TABLE",
        "comment" => "COMMENT",
        "analyze" | "analyse" => "ANALYZE",
        "refresh" => "REFRESH MATERIALIZED VIEW",
        "with" => match changing(found, NESTED) {
            Some(command) => command,
            None => return Ok(None),
        },
        "create" => defining(found, 0)?,
        "alter" => defining(found, 1)?,
        "drop" => defining(found, 2)?,
        _ => return Ok(None),
    };
    // Its rule calls `set_config` for whoever updates it, and a view over it does, too.
    if names(found, "pg_settings") {
        return Err(Refusal::Denied("pg_settings".into()));
    }
    Ok(Some(command))
}

/// The change in `WITH … AS (INSERT …) …` or `WITH … INSERT …`: at the beginning of one of the
/// queries in parentheses, or of the statement behind them. Nowhere else: columns and labels may
/// have such names, and a read that holds some is a read. One of these queries may have a WITH of
/// its own, `nested` deep; what lies deeper is tried as a read, which PostgreSQL refuses.
fn changing(found: &[Placed<'_>], nested: u8) -> Option<&'static str> {
    let mut depth = 0_usize;
    for (at, placed) in found.iter().enumerate().skip(1) {
        let behind = &found[at + 1..];
        match &placed.token {
            Token::Symbol('(') => {
                depth += 1;
                let opens = matches!(word(found, at - 1), Some("as" | "materialized"));
                if depth == 1
                    && opens
                    && let Some(command) = changed_by(behind, nested)
                {
                    return Some(command);
                }
            }
            Token::Symbol(')') => {
                // Below 0 it is the end of the query that this WITH belongs to.
                depth = depth.checked_sub(1)?;
                if depth == 0
                    && let Some(command) = changed_by(behind, 0)
                {
                    return Some(command);
                }
            }
            // The statement behind them is a query.
            Token::Word(word) if depth == 0 && matches!(&**word, "select" | "table") => {
                return None;
            }
            _ => {}
        }
    }
    None
}

/// The change that begins here, if one does.
fn changed_by(found: &[Placed<'_>], nested: u8) -> Option<&'static str> {
    match word(found, 0)? {
        "insert" => Some("INSERT"),
        "update" => Some("UPDATE"),
        "delete" => Some("DELETE"),
        "merge" => Some("MERGE"),
        "with" if nested > 0 => changing(found, nested - 1),
        _ => None,
    }
}

/// CREATE, ALTER or DROP (`verb` 0, 1, 2) of something that holds data or describes it.
fn defining(found: &[Placed<'_>], verb: usize) -> Result<&'static str, Refusal> {
    let mut words = (1..found.len()).map_while(|at| word(found, at));
    let kind = words.find(|word| verb > 0 || !MODIFIERS.contains(word)).unwrap_or_default();
    let known = KINDS.iter().find(|(name, _)| *name == kind);
    let Some((_, commands)) = known else {
        let verb = ["CREATE", "ALTER", "DROP"][verb];
        return Err(Refusal::NeverAChange(format!("{verb} {}", kind.to_ascii_uppercase())));
    };
    // CREATE SCHEMA takes whole statements behind its name, triggers and grants among them.
    let holds_more = ["create", "grant"].iter().any(|more| names(&found[1..], more));
    if verb == 0 && kind == "schema" && holds_more {
        return Err(Refusal::Several);
    }
    Ok(commands[verb])
}

fn names(found: &[Placed<'_>], name: &str) -> bool {
    let is = |placed: &Placed<'_>| match &placed.token {
        Token::Word(word) | Token::Quoted(word) => word == name,
        _ => false,
    };
    found.iter().any(is)
}

fn word<'a>(found: &'a [Placed<'_>], at: usize) -> Option<&'a str> {
    match &found.get(at)?.token {
        Token::Word(word) => Some(word),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Refusal, Statement};

    fn command(text: &str) -> Option<&'static str> {
        Statement::read_or_change(text).unwrap().change()
    }

    #[test]
    fn a_change_is_told_from_a_read_by_its_words() {
        for (text, said) in [
            ("INSERT INTO t VALUES (1);", "INSERT"),
            ("/* x */ update t set a = 1", "UPDATE"),
            ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", "MERGE"),
            ("WITH a AS (SELECT 1) INSERT INTO t TABLE a", "INSERT"),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", "DELETE"),
            ("WITH a (b) AS (TABLE t), c AS (WITH d AS (TABLE a) DELETE FROM t) TABLE a", "DELETE"),
            (
                "WITH RECURSIVE a AS (SELECT 1) SEARCH DEPTH FIRST BY b SET c, d AS (SELECT (1) \
              select) UPDATE ONLY t SET b = 1",
                "UPDATE",
            ),
            ("WITH a AS MATERIALIZED (UPDATE \"t\" SET b = 1 RETURNING *) TABLE a", "UPDATE"),
            ("CREATE TEMP TABLE t AS SELECT 1 AS a", "CREATE TABLE"),
            ("CREATE OR REPLACE VIEW v AS SELECT 1 AS a", "CREATE VIEW"),
            ("CREATE UNIQUE INDEX ON t (a)", "CREATE INDEX"),
            ("DROP MATERIALIZED VIEW v", "DROP MATERIALIZED VIEW"),
            ("ALTER TABLE ONLY t ADD COLUMN b int", "ALTER TABLE"),
            ("CREATE SCHEMA s AUTHORIZATION bob", "CREATE SCHEMA"),
        ] {
            assert_eq!(command(text), Some(said), "{text}");
        }
        for text in [
            "SELECT 1",
            "WITH a AS (SELECT 1) TABLE a",
            "WITH a AS (SELECT update FROM t) SELECT (update) FROM a",
            // Columns and labels that are called so.
            "WITH a AS (SELECT 1 AS update) SELECT (update IS NULL) FROM a",
            "WITH a AS (SELECT 'x' AS delete) SELECT substring(delete FROM 1) FROM a",
            "WITH a AS (SELECT (1) delete FROM t) SELECT (2) delete FROM a",
            "WITH a AS (SELECT 1), insert AS (TABLE a) (SELECT (1) insert INTO t)",
            "WITH a AS (SELECT 1) SELECT 'x) INSERT INTO t' FROM a",
            "EXPLAIN SELECT 1",
            "SHOW work_mem",
        ] {
            assert_eq!(command(text), None, "{text}");
        }
    }

    #[test]
    fn no_depth_of_with_exhausts_the_stack() {
        let (open, close) = ("WITH a AS (".repeat(90_000), ") TABLE a".repeat(90_000));
        let text = format!("{open}DELETE FROM t RETURNING 1{close}");
        assert_eq!(command(&text), None);
    }

    #[test]
    fn what_holds_sql_of_its_own_or_changes_the_session_stays_refused() {
        for text in [
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
            "CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS ''",
            "CREATE TRIGGER t AFTER INSERT ON t EXECUTE FUNCTION f()",
            "CREATE RULE r AS ON UPDATE TO t DO ALSO NOTHING",
            "CREATE EXTENSION hstore",
            "CREATE FOREIGN TABLE t (a int) SERVER s",
            "CREATE ROLE r SUPERUSER",
            "ALTER SYSTEM SET work_mem = 1",
            "ALTER ROLE CURRENT_USER SET standard_conforming_strings = off",
            "ALTER DATABASE d SET default_transaction_read_only = off",
            "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO public",
            "DROP OWNED BY CURRENT_USER",
            "CREATE",
            "ALTER \"table\" t",
        ] {
            let refusal = Statement::read_or_change(text).unwrap_err();
            assert!(matches!(refusal, Refusal::NeverAChange(_)), "{text}: {refusal}");
        }
        for text in [
            "SET ROLE postgres",
            "RESET ALL",
            "DISCARD ALL",
            "BEGIN",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "PREPARE p AS DELETE FROM t",
            "EXECUTE p",
            "DO $$ BEGIN END $$",
            "CALL p()",
            "COPY t FROM STDIN",
            "GRANT ALL ON t TO public",
            "LOCK TABLE t",
            "NOTIFY x",
            "LISTEN x",
            "VACUUM t",
            "REINDEX TABLE t",
            "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "REASSIGN OWNED BY a TO b",
            "SECURITY LABEL ON TABLE t IS 'x'",
            "IMPORT FOREIGN SCHEMA s FROM SERVER x INTO y",
        ] {
            let refusal = Statement::read_or_change(text).unwrap_err();
            assert!(matches!(refusal, Refusal::NeverAChange(_)), "{text}: {refusal}");
        }
    }

    #[test]
    fn a_change_is_one_statement_without_a_denied_name() {
        let refusal = |text| Statement::read_or_change(text).unwrap_err();
        for text in ["INSERT INTO t VALUES (1); COMMIT", "CREATE SCHEMA s CREATE TABLE t (a int)"] {
            assert_eq!(refusal(text), Refusal::Several, "{text}");
        }
        for text in [
            "UPDATE pg_settings SET setting = 'off'",
            "UPDATE \"pg_catalog\".\"pg_settings\" SET setting = 'x' WHERE name = 'role'",
            "CREATE TEMP VIEW v AS TABLE pg_settings",
            "WITH a AS (UPDATE pg_settings SET setting = '0') SELECT 1",
            "INSERT INTO t SELECT pg_read_file('/etc/passwd')",
            "CREATE TABLE t (a text DEFAULT set_config('role', 'x', false))",
            "CREATE VIEW v AS SELECT * FROM dblink('x', 'y') AS t (a int)",
        ] {
            assert!(matches!(refusal(text), Refusal::Denied(_)), "{text}");
        }
        assert_eq!(refusal("INSERT INTO t VALUES (1"), Refusal::Unbalanced);
    }

    #[test]
    fn a_change_is_sent_as_it_was_written() {
        let text = "-- ü\nDELETE FROM t WHERE nope;";
        let page = Statement::read_or_change(text).unwrap().page(10, 5);
        assert_eq!(page.sql, "DELETE FROM t WHERE nope");
        let wrong = u32::try_from(page.sql.find("nope").unwrap() + 1).unwrap();
        let position = page.position_in(text, wrong).unwrap();
        assert!(text.chars().skip(position - 1).collect::<String>().starts_with("nope"));
        assert!(!page.is_behind(9_999));
    }
}
