//! Every function that PostgreSQL has is refused, let pass for a reason, or out of reach.

use std::collections::BTreeSet;

use mcp_sql::{Refusal, Statement};
use mcp_testdb::Postgres;

/// The functions that were looked at and may be called.
const JUDGED: &str = include_str!("../judged.txt");

/// Every extension that this installation has, where it can be made. The notices of those that
/// cannot are no failure: what is not there has no functions.
const EXTENSIONS: &str = "DO $$ DECLARE one text; BEGIN \
     FOR one IN SELECT name FROM pg_available_extensions LOOP \
         BEGIN EXECUTE format('CREATE EXTENSION IF NOT EXISTS %I CASCADE', one); \
         EXCEPTION WHEN OTHERS THEN NULL; END; \
     END LOOP; END $$;";

/// The names of functions that SQL can call: none of pseudo-types that only the server fills.
const CALLABLE: &str = "SELECT DISTINCT p.proname FROM pg_proc AS p WHERE NOT EXISTS ( \
     SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype) AS used (type) \
     WHERE used.type = ANY (ARRAY['internal', 'trigger', 'event_trigger', 'language_handler', \
         'fdw_handler', 'index_am_handler', 'table_am_handler', 'tsm_handler']::regtype[]::oid[]));";

fn judged() -> BTreeSet<&'static str> {
    let lines = JUDGED.lines().filter(|line| !line.starts_with('#'));
    lines.flat_map(str::split_whitespace).collect()
}

fn is_denied(name: &str) -> bool {
    let text = format!("SELECT {}()", mcp_sql::quote_identifier(name));
    matches!(Statement::read(&text), Err(Refusal::Denied(_)))
}

fn with_every_extension() -> Postgres {
    let postgres = Postgres::for_tests().unwrap();
    postgres.execute("postgres", EXTENSIONS).unwrap();
    postgres
}

fn lines(postgres: &Postgres, sql: &str) -> Vec<String> {
    let answer = postgres.execute("postgres", sql).unwrap();
    answer.lines().map(str::to_owned).collect()
}

#[test]
fn every_function_of_this_postgresql_has_been_judged() {
    let (postgres, judged) = (with_every_extension(), judged());
    let found = lines(&postgres, CALLABLE);
    assert!(found.len() > 2_000, "{}", found.len());
    let missing: Vec<_> =
        found.iter().filter(|name| !judged.contains(name.as_str()) && !is_denied(name)).collect();
    assert!(missing.is_empty(), "nobody has judged {missing:?}: see the head of judged.txt");
}

#[test]
fn no_function_is_both_refused_and_let_pass() {
    let both: Vec<_> = judged().into_iter().filter(|name| is_denied(name)).collect();
    assert!(both.is_empty(), "{both:?}");
}

#[test]
fn no_operator_cast_type_or_aggregate_calls_a_refused_function_by_another_name() {
    let postgres = with_every_extension();
    let called = lines(
        &postgres,
        "SELECT DISTINCT p.proname FROM pg_proc AS p JOIN ( \
             SELECT oprcode::oid FROM pg_operator UNION SELECT castfunc FROM pg_cast \
             UNION SELECT unnest(ARRAY[typinput, typoutput, typreceive, typsend, typmodin, typmodout, \
                 typsubscript]::oid[]) FROM pg_type \
             UNION SELECT unnest(ARRAY[aggtransfn, aggfinalfn, aggmtransfn, aggmfinalfn]::oid[]) \
                 FROM pg_aggregate) AS used (oid) ON used.oid = p.oid;",
    );
    assert!(called.len() > 500, "{}", called.len());
    let denied: Vec<_> = called.iter().filter(|name| is_denied(name)).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[test]
fn no_view_opens_what_a_refused_function_closes() {
    let postgres = with_every_extension();
    let views = lines(
        &postgres,
        "SELECT c.relname || ' ' || regexp_replace(pg_get_viewdef(c.oid), '\\s+', ' ', 'g') \
             FROM pg_class AS c WHERE c.relkind = 'v';",
    );
    assert!(views.iter().any(|line| line.contains("pg_stat_get_activity(")));
    let calls_denied = |line: &&String| {
        let mut before_parentheses = line.split('(').map(str::trim_end);
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        before_parentheses.any(|text| text.rsplit(|c| !is_name(c)).next().is_some_and(is_denied))
    };
    let open: Vec<_> = views
        .iter()
        .filter(calls_denied)
        .filter_map(|line| line.split(' ').next())
        .filter(|view| !is_denied(view))
        .collect();
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn functions_that_run_sql_reach_files_or_signal_others_are_refused() {
    let postgres = with_every_extension();
    // What PostgreSQL itself takes from everybody but the superuser is nothing for an agent.
    let kept = lines(
        &postgres,
        "SELECT DISTINCT p.proname FROM pg_proc AS p WHERE p.pronamespace = 'pg_catalog'::regnamespace \
             AND NOT has_function_privilege('pg_monitor', p.oid, 'EXECUTE') \
             AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[]) AS a (type) \
                 WHERE a.type = 'internal'::regtype);",
    );
    assert!(kept.len() > 30, "{kept:?}");
    let open: Vec<_> = kept.iter().filter(|name| !is_denied(name)).collect();
    assert!(open.is_empty(), "{open:?}");
}
