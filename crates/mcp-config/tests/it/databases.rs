use mcp_config::{Fault, SslMode, TargetSessionAttrs};

use crate::Setup;

#[test]
fn databases_keep_the_order_of_the_file_and_only_the_first_may_lack_a_name() {
    let setup =
        Setup::yaml("databases:\n  - host: a\n  - name: zulu\n  - {name: alpha, port: 1}\n");
    let databases = setup.load().config.databases;
    let names: Vec<_> = databases.iter().map(|database| database.name.as_str()).collect();
    assert_eq!(names, ["default", "zulu", "alpha"]);

    let setup = Setup::yaml("databases:\n  - name: a\n  - host: b\n");
    assert_eq!(setup.message(), "mcp-server.yaml:3: databases[1]: needs a name");
}

#[test]
fn a_name_is_used_once() {
    let setup = Setup::yaml("databases:\n  - host: a\n  - name: b\n  - name: default\n");
    assert_eq!(
        setup.message(),
        "mcp-server.yaml:4: databases[2].name: \"default\" is already the name of databases[0]"
    );
}

#[test]
fn flags_speak_of_the_first_database() {
    let mut setup = Setup::yaml("databases:\n  - name: a\n    host: x\n  - name: b\n    host: y\n");
    setup.flag("databases[0].host", "z");
    setup.flag("databases[0].password", "s3cret");
    let databases = setup.load().config.databases;
    assert_eq!(databases[0].host.as_deref(), Some("z"));
    assert_eq!(databases[1].host.as_deref(), Some("y"));
    assert_eq!(databases[1].password, None);
}

#[test]
fn without_databases_in_the_file_flags_come_first_and_pg_names_fill_what_they_leave_open() {
    let mut setup = Setup::environment(&[
        ("PGHOST", "db.internal"),
        ("PGUSER", "reader"),
        ("PGSSLMODE", "require"),
        ("PGTARGETSESSIONATTRS", "read-write"),
    ]);
    setup.flag("databases[0].user", "writer");
    let config = setup.load().config;
    let [database] = &config.databases[..] else { panic!("one database") };
    assert_eq!(database.name.as_str(), "default");
    assert_eq!(database.host.as_deref(), Some("db.internal"));
    assert_eq!(database.user.as_deref(), Some("writer"));
    assert_eq!(database.database.as_deref(), Some("writer"), "libpq's default");
    assert_eq!(database.sslmode, Some(SslMode::Require));
    assert_eq!(database.target_session_attrs, Some(TargetSessionAttrs::ReadWrite));
}

#[test]
fn pg_names_are_not_even_looked_at_where_the_file_names_a_database() {
    let mut setup = Setup::yaml("databases:\n  - name: sales\n    database: sales\n");
    setup.set(&[("PGHOST", "elsewhere"), ("PGPORT", "no port"), ("PGPASSWORD", "x")]);
    setup.set(&[("HOME", "/home/op")]);
    let database = setup.load().config.databases.remove(0);
    assert_eq!(database.host.as_deref(), Some("localhost"));
    assert_eq!((database.password, database.passfile), (None, None));
}

#[test]
fn a_url_replaces_what_weaker_sources_say_about_the_same_connection() {
    let mut setup = Setup::yaml(
        "databases:\n  - host: a\n    password: secret-of-a\n    sslmode: require\n    max_rows: 5\n",
    );
    setup.flag("databases[0].url", "postgres://u@b/db");
    let database = setup.load().config.databases.remove(0);
    assert_eq!(database.url.unwrap().expose(), "postgres://u@b/db");
    assert_eq!(
        (database.host, database.port, database.user, database.database),
        (None, None, None, None)
    );
    assert_eq!((database.password, database.sslmode), (None, None));
    assert_eq!(database.max_rows, 5);
}

#[test]
fn a_stronger_source_overrides_a_part_of_a_url() {
    let mut setup = Setup::yaml("databases:\n  - url: postgres://u@b/db\n    password: p\n");
    setup.set(&[("MCP_DATABASES_0_PORT", "6432")]);
    let database = setup.load().config.databases.remove(0);
    assert_eq!((database.port, database.host), (Some(6432), None));
    assert_eq!(database.password.unwrap().expose(), "p");
}

#[test]
fn one_source_gives_a_url_or_its_parts() {
    let setup = Setup::yaml("databases:\n  - url: postgres://b/db\n    host: c\n");
    assert_eq!(
        setup.message(),
        "mcp-server.yaml:3: databases[0].host: cannot stand beside databases[0].url"
    );
}

#[test]
fn the_environment_adds_databases_one_after_the_other() {
    let mut setup = Setup::environment(&[("MCP_DATABASES_1_NAME", "second")]);
    assert_eq!(setup.load().config.databases.len(), 2);
    setup.set(&[("MCP_DATABASES_3_NAME", "fourth")]);
    assert_eq!(
        setup.message(),
        "environment MCP_DATABASES_3_NAME: databases[3].name: needs databases[2] first"
    );
    let far = Setup::environment(&[("MCP_DATABASES_18446744073709551615_NAME", "x")]);
    assert!(matches!(far.refused().fault(), Fault::Needs(_)));
}

#[test]
fn a_flag_for_a_key_that_does_not_exist_is_refused() {
    for key in ["databases[1].host", "databases[].host", "http.adress", "http[0].address"] {
        let mut setup = Setup::new();
        setup.sources.flags.push((key, "x".into()));
        assert_eq!(setup.message(), format!("{key}: unknown key"));
    }
}
