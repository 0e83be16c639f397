//! Every type that PostgreSQL has, in both formats, against what PostgreSQL itself writes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::Installation;

/// Types of every kind that somebody can make, and extensions where they are installed.
const MADE: &str = r#"
CREATE TYPE mood AS ENUM ('sad', 'happy', 'a "b" \ c');
CREATE DOMAIN age AS int CHECK (VALUE >= 0);
CREATE TYPE pair AS (a int, b text, c mood);
CREATE TYPE "Odd ""Type"" %s" AS ENUM ('x');
CREATE TYPE timerange AS RANGE (subtype = time, multirange_type_name = timemultirange);
CREATE SCHEMA apart; GRANT USAGE ON SCHEMA apart TO agent;
CREATE TYPE apart.mood AS ENUM ('far');
DO $$ DECLARE e text; BEGIN
  FOR e IN SELECT name FROM pg_available_extensions WHERE name IN ('hstore', 'citext', 'ltree', 'cube', 'vector')
  LOOP EXECUTE format('CREATE EXTENSION %I', e); END LOOP; END $$;
"#;

/// A name of a type as JSON gives it, and a value of it.
const SAMPLES: [(&str, &str); 137] = [
    ("bool", "true"),
    ("bool", "false"),
    ("int2", "'-32768'::int2"),
    ("int4", "'-2147483648'::int4"),
    ("int8", "9223372036854775807"),
    ("float4", "'1.1'::float4"),
    ("float4", "'NaN'::float4"),
    ("float8", "0.1::float8 + 0.2::float8"),
    ("float8", "'-Infinity'::float8"),
    ("float8", "'-0'::float8"),
    ("float8", "5e-324::float8"),
    ("numeric", "(repeat('1234567890', 100))::numeric"),
    ("numeric", "('0.' || repeat('0987654321', 100))::numeric"),
    ("numeric", "'NaN'::numeric"),
    ("numeric", "'-Infinity'::numeric"),
    ("numeric", "1.10::numeric(10,2)"),
    ("money", "'-12345.67'::money"),
    ("text", "''"),
    ("text", "E'tab\\tnl\\ncr\\rbs\\\\esc\\x1bdel\\x7fbell\\x07'"),
    ("text", "'\\N'"),
    ("text", "U&'\\2028 \\0085 \\202E \\+01F600 e\\0301'"),
    ("text", "'\"quoted\", {braces}'"),
    ("varchar", "'abc'::varchar(10)"),
    ("bpchar", "'ab'::char(5)"),
    ("char", "'x'::\"char\""),
    ("name", "'a name'::name"),
    ("bytea", "'\\x00ff5c0a'::bytea"),
    ("bytea", "''::bytea"),
    ("date", "'4713-01-01 BC'::date"),
    ("date", "'5874897-12-31'::date"),
    ("date", "'infinity'::date"),
    ("time", "'23:59:59.999999'::time"),
    ("time", "'24:00'::time"),
    ("timetz", "'12:00:00.5+05:30'::timetz"),
    ("timestamp", "'0044-03-15 12:00 BC'::timestamp"),
    ("timestamp", "'-infinity'::timestamp"),
    ("timestamptz", "'2026-11-21 12:00:00.123456+02'::timestamptz"),
    ("timestamptz", "'294276-12-31 23:59:59+00'::timestamptz"),
    ("timestamptz", "'infinity'::timestamptz"),
    ("interval", "'1 year -2 mons 3 days -04:05:06.789'::interval"),
    ("interval", "'-178000000 years'::interval"),
    ("uuid", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid"),
    ("json", "'{\"a\" :  [1e400, null, \"\\u0000\"]}'::json"),
    ("jsonb", "'{\"b\":1.000000000000000000000000001,\"a\":\"\\\\n\"}'::jsonb"),
    ("jsonpath", "'$.a[*] ? (@.b > 1)'::jsonpath"),
    ("xml", "'<a b=\"c\">\n</a>'::xml"),
    ("point", "'(1.5,-2e300)'::point"),
    ("line", "'{1,2,3}'::line"),
    ("lseg", "'[(0,0),(1,1)]'::lseg"),
    ("box", "'(1,1),(0,0)'::box"),
    ("path", "'[(0,0),(1,1)]'::path"),
    ("path", "'((0,0),(1,1))'::path"),
    ("polygon", "'((0,0),(1,1),(2,0))'::polygon"),
    ("circle", "'<(0,0),Infinity>'::circle"),
    ("inet", "'2001:db8::1/64'::inet"),
    ("cidr", "'10.0.0.0/8'::cidr"),
    ("macaddr", "'08:00:2b:01:02:03'::macaddr"),
    ("macaddr8", "'08:00:2b:01:02:03:04:05'::macaddr8"),
    ("bit", "B'0101'"),
    ("varbit", "B''::varbit"),
    ("tsvector", "'it''s:1A \"a b\" x:2,3'::tsvector"),
    ("tsquery", "'a & !(b | c:*) <-> d'::tsquery"),
    ("oid", "4294967295::oid"),
    ("xid", "'1'::xid"),
    ("xid8", "'18446744073709551615'::xid8"),
    ("cid", "'1'::cid"),
    ("tid", "'(4294967295,1)'::tid"),
    ("pg_lsn", "'FFFFFFFF/1'::pg_lsn"),
    ("pg_snapshot", "'10:20:10,14'::pg_snapshot"),
    ("txid_snapshot", "'10:20:10,14'::txid_snapshot"),
    ("int2vector", "'1 2 3'::int2vector"),
    ("oidvector", "'1 2 3'::oidvector"),
    ("regclass", "'pg_class'::regclass"),
    ("regproc", "'now'::regproc"),
    ("regprocedure", "'length(text)'::regprocedure"),
    ("regoper", "'||/'::regoper"),
    ("regoperator", "'+(int4,int4)'::regoperator"),
    ("regtype", "'timestamptz[]'::regtype"),
    ("regrole", "'agent'::regrole"),
    ("regnamespace", "'public'::regnamespace"),
    ("regconfig", "'english'::regconfig"),
    ("regdictionary", "'simple'::regdictionary"),
    ("regcollation", "'\"C\"'::regcollation"),
    ("refcursor", "'c'::refcursor"),
    ("aclitem", "'agent=r/agent'::aclitem"),
    ("pg_node_tree", "(SELECT adbin FROM pg_attrdef ORDER BY oid LIMIT 1)"),
    ("int4range", "'[1,5)'::int4range"),
    ("int4range", "'empty'::int4range"),
    ("int8range", "'(,5)'::int8range"),
    ("numrange", "'[1.10,)'::numrange"),
    ("daterange", "'[0044-03-15 BC,infinity)'::daterange"),
    ("tsrange", "'[2026-01-01,2026-01-02]'::tsrange"),
    ("tstzrange", "'(,2026-01-01 00:00+01)'::tstzrange"),
    ("int4multirange", "'{[1,3),[5,8)}'::int4multirange"),
    ("int8multirange", "'{}'::int8multirange"),
    ("nummultirange", "'{(,1.5],(2.50,)}'::nummultirange"),
    ("datemultirange", "'{[2026-01-01,2026-01-02)}'::datemultirange"),
    ("tsmultirange", "'{[2026-01-01,2026-01-02]}'::tsmultirange"),
    ("tstzmultirange", "'{[2026-01-01 00:00+01,)}'::tstzmultirange"),
    ("_int4", "'{}'::int4[]"),
    ("_int4", "'{{1,2},{3,NULL}}'::int4[]"),
    ("_int4", "'[-1:1]={1,2,3}'::int4[]"),
    ("_text", "ARRAY['', NULL, 'NULL', 'a,b', '\"', E'\\\\', E'\\n', '{}', ' ']"),
    ("_bool", "ARRAY[true, false, NULL]"),
    ("_numeric", "ARRAY[1.10, 'NaN', '-Infinity']::numeric[]"),
    ("_timestamptz", "ARRAY['2026-01-01 00:00+01'::timestamptz, 'infinity']"),
    ("_bytea", "ARRAY['\\x00'::bytea, '']"),
    ("_jsonb", "ARRAY['{\"a\": \"b,c\"}'::jsonb]"),
    ("_interval", "ARRAY['1 day'::interval]"),
    ("_box", "ARRAY['(1,1),(0,0)'::box, '(3,3),(2,2)'::box]"),
    ("_uuid", "ARRAY['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid]"),
    ("_int4range", "ARRAY['[1,5)'::int4range]"),
    ("_int4multirange", "ARRAY['{[1,5)}'::int4multirange]"),
    ("_name", "ARRAY['a b'::name]"),
    ("record", "ROW(1, 'a,b', NULL, '', ROW('x y', 'q\"q'))"),
    ("record", "ROW()"),
    ("_record", "ARRAY[ROW(1, 'a'), ROW(2, NULL)]"),
    ("mood", "'happy'::mood"),
    ("mood", "'a \"b\" \\ c'::mood"),
    ("_mood", "ARRAY['sad', 'a \"b\" \\ c']::mood[]"),
    ("int4", "42::age"),
    ("_age", "ARRAY[1, 2]::age[]"),
    ("pair", "ROW(1, 'a,(b)', 'sad')::pair"),
    ("_pair", "ARRAY[ROW(1, NULL, 'happy')::pair]"),
    ("Odd \"Type\" %s", "'x'::\"Odd \"\"Type\"\" %s\""),
    ("apart.mood", "'far'::apart.mood"),
    ("timerange", "'[10:00,11:00)'::timerange"),
    ("timemultirange", "'{[10:00,11:00)}'::timemultirange"),
    ("pg_namespace", "(SELECT n FROM pg_namespace AS n WHERE nspname = 'pg_toast')"),
    ("name", "'x'::information_schema.sql_identifier"),
    ("gtsvector", "NULL::gtsvector"),
    ("pg_ndistinct", "NULL::pg_ndistinct"),
    ("pg_dependencies", "NULL::pg_dependencies"),
    ("pg_mcv_list", "NULL::pg_mcv_list"),
    ("pg_brin_bloom_summary", "NULL::pg_brin_bloom_summary"),
    ("pg_brin_minmax_multi_summary", "NULL::pg_brin_minmax_multi_summary"),
    ("regclass", "NULL::regclass"),
];

/// Types of extensions, where those are installed.
const OF_EXTENSIONS: [(&str, &str); 5] = [
    ("hstore", "'a=>\"x,y\", b=>NULL'::hstore"),
    ("citext", "'AbC'::citext"),
    ("ltree", "'a.b.c'::ltree"),
    ("cube", "'(1,2),(3,4)'::cube"),
    ("vector", "'[1,2.5,-3e10]'::vector"),
];

/// The settings that every connection of the server has.
const PINNED: &str = "SET DateStyle = 'ISO, YMD'; SET IntervalStyle = postgres; SET TimeZone = UTC;
SET lc_monetary = 'C'; SET bytea_output = hex; SET extra_float_digits = 1;
SET standard_conforming_strings = on;";

const SEPARATOR: char = '\x1f';
const NULL: &str = "<null>";

/// An installation, its samples, and one query that asks for all of them.
fn asked() -> (Installation, Vec<(&'static str, &'static str)>, String) {
    let installation = Installation::new(MADE);
    let installed =
        installation.postgres().execute("shop", "SELECT extname FROM pg_extension").unwrap();
    let extensions =
        OF_EXTENSIONS.into_iter().filter(|(name, _)| installed.lines().any(|line| line == *name));
    let samples: Vec<_> = SAMPLES.into_iter().chain(extensions).collect();
    let columns: Vec<_> = samples
        .iter()
        .enumerate()
        .map(|(place, (_, value))| format!("{value} AS c{place}"))
        .collect();
    let query = format!("SELECT {}", columns.join(",\n"));
    (installation, samples, query)
}

/// What PostgreSQL's own client shows; `None` is NULL.
fn shown_by_psql(installation: &Installation, query: &str) -> Vec<Option<String>> {
    let script = format!(
        "{PINNED}\n\\pset fieldsep '\\037'\n\\pset null '{NULL}'\nSET ROLE agent;\n{query};"
    );
    let shown = installation.postgres().execute("shop", &script).unwrap();
    let row = shown.strip_suffix('\n').unwrap();
    row.split(SEPARATOR).map(|value| (value != NULL).then(|| value.to_owned())).collect()
}

/// Reads a value of a tab-separated line back.
fn unescaped(value: &str) -> Option<String> {
    if value == "\\N" {
        return None;
    }
    let mut text = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        text.push(match (c, if c == '\\' { rest.next() } else { None }) {
            (_, Some('t')) => '\t',
            (_, Some('n')) => '\n',
            (_, Some('r')) => '\r',
            (_, Some(other)) => other,
            (c, None) => c,
        });
    }
    Some(text)
}

fn faults<T: PartialEq + std::fmt::Debug>(
    samples: &[(&str, &str)],
    came: impl IntoIterator<Item = T>,
    expected: impl IntoIterator<Item = T>,
) -> Vec<String> {
    samples
        .iter()
        .zip(came.into_iter().zip(expected))
        .filter(|(_, (came, expected))| came != expected)
        .map(|((_, value), (came, expected))| format!("{value}: {came:?}, not {expected:?}"))
        .collect()
}

#[test]
fn every_type_comes_as_postgresql_writes_it_in_both_formats() {
    let (installation, samples, query) = asked();
    let expected = shown_by_psql(&installation, &query);
    assert_eq!(expected.len(), samples.len());
    let server = installation.start();

    let (text, failed) = installation.query(server.address(), &query);
    assert!(!failed, "{text}");
    let lines: Vec<_> = text.split('\n').collect();
    assert_eq!((lines.len(), lines[2]), (3, "-- 1 row of database shop"));
    let tsv: Vec<_> = lines[1].split('\t').map(unescaped).collect();
    assert_eq!(tsv.len(), samples.len());
    assert_eq!(faults(&samples, tsv, expected.clone()), Vec::<String>::new());

    let arguments = json!({ "query": query, "format": "json" });
    let data = installation.call(server.address(), "query_database", &arguments);
    let row = data["structuredContent"]["rows"][0].as_array().unwrap();
    let json: Vec<_> = row.iter().map(|value| value.as_str().map(str::to_owned)).collect();
    assert_eq!(json.len(), samples.len());
    assert_eq!(faults(&samples, json, expected), Vec::<String>::new());
    let columns = data["structuredContent"]["columns"].as_array().unwrap();
    let types = columns.iter().map(|column| column["type"].as_str().unwrap());
    let named = samples.iter().map(|(name, _)| *name);
    assert_eq!(faults(&samples, types, named), Vec::<String>::new());
}

#[test]
fn no_type_of_postgresql_is_missing_among_the_samples() {
    let installation = Installation::new("");
    let all = "SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
                  AND typtype IN ('b', 'r', 'm') AND typcategory <> 'A'";
    let all = installation.postgres().execute("shop", all).unwrap();
    let sampled: BTreeSet<_> = SAMPLES.iter().map(|(name, _)| *name).collect();
    let missing: Vec<_> = all.lines().filter(|name| !sampled.contains(name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn null_and_the_empty_string_are_two_things_in_both_formats() {
    let installation = Installation::new("");
    let server = installation.start();
    let query = "SELECT NULL AS a, '' AS b, '\\N' AS c, 'null' AS d, '{}'::text[] AS e";
    let (text, _) = installation.query(server.address(), query);
    assert_eq!(text.lines().nth(1), Some("\\N\t\t\\\\N\tnull\t{}"));
    let arguments = json!({ "query": query, "format": "json" });
    let data = installation.call(server.address(), "query_database", &arguments);
    let row = &data["structuredContent"]["rows"][0];
    assert_eq!(*row, json!([Value::Null, "", "\\N", "null", "{}"]));
}

#[test]
fn repeated_empty_and_hostile_names_of_columns_come_as_they_are() {
    let installation = Installation::new("");
    let server = installation.start();
    let query = "SELECT 1 AS a, 2 AS a, 3 AS \"tab\there\", 4 AS \"line\nbreak\", \
                 5 AS \"quote\"\"d %s\", 6 AS \"-- 9 rows\"";
    let (text, failed) = installation.query(server.address(), query);
    assert!(!failed, "{text}");
    let header = "a\ta\ttab\\there\tline\\nbreak\tquote\"d %s\t-- 9 rows";
    assert_eq!(text, format!("{header}\n1\t2\t3\t4\t5\t6\n-- 1 row of database shop"));
    let arguments = json!({ "query": query, "format": "json" });
    let data = installation.call(server.address(), "query_database", &arguments);
    let columns = data["structuredContent"]["columns"].as_array().unwrap();
    let names: Vec<_> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
    let expected = ["a", "a", "tab\there", "line\nbreak", "quote\"d %s", "-- 9 rows"];
    assert_eq!(names, expected);
}

#[test]
fn rows_without_columns_are_rows() {
    let installation = Installation::new("");
    let server = installation.start();
    let query = "SELECT FROM generate_series(1, 3)";
    let (text, _) = installation.query(server.address(), query);
    assert_eq!(text, "\n\n\n\n-- 3 rows of database shop");
    let arguments = json!({ "query": query, "format": "json" });
    let data = installation.call(server.address(), "query_database", &arguments);
    let data = &data["structuredContent"];
    assert_eq!((&data["columns"], &data["rows"]), (&json!([]), &json!([[], [], []])));
}
