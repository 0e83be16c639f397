use mcp_config::{Changed, changes, show};

use crate::Setup;

const SECRET: &str = "hunter2-of-the-database";

fn with_secrets() -> Setup {
    let mut setup = Setup::yaml(&format!(
        "http:\n  address: ':9000'\ndatabases:\n  - name: a\n    password: {SECRET}\n"
    ));
    setup.set(&[("MCP_DATABASES_1_NAME", "b")]);
    setup.set(&[("MCP_DATABASES_1_URL", &format!("postgres://u:{SECRET}@h/d"))]);
    setup
}

#[test]
fn each_value_is_shown_with_its_origin_and_no_secret() {
    let mut setup = with_secrets();
    setup.flag("log.format", "json");
    let loaded = setup.load();
    let lines: Vec<String> = show(&loaded)
        .into_iter()
        .map(|line| format!("{} = {} ({})", line.key, line.value, line.origin))
        .collect();
    let file = setup.sources.file.as_ref().unwrap().display();
    for expected in [
        format!("http.address = :9000 ({file}:2)"),
        "http.public_url = http://localhost:9000 (default)".into(),
        format!("databases[0].password = ******** ({file}:5)"),
        "databases[1].url = ******** (environment MCP_DATABASES_1_URL)".into(),
        "log.format = json (flag --log-format)".into(),
    ] {
        assert!(lines.contains(&expected), "{expected}\nis not among\n{}", lines.join("\n"));
    }
    assert!(!lines.join("\n").contains(SECRET));
}

#[test]
fn debug_shows_no_secret() {
    let loaded = with_secrets().load();
    assert!(!format!("{loaded:?}").contains(SECRET));
}

#[test]
fn a_reload_says_which_keys_take_effect_and_which_need_a_restart() {
    let old = Setup::yaml("log: {level: info}\nhttp: {address: ':1'}\n").load();
    let new = Setup::yaml(
        "log: {level: debug}\nhttp: {address: ':2', public_url: 'http://localhost:1'}\n",
    );
    let changed = |key: &str, reloadable| Changed { key: key.into(), reloadable };
    assert_eq!(
        changes(&old, &new.load()),
        [changed("http.address", false), changed("log.level", true)],
        "and not public_url, whose value stays"
    );
}

#[test]
fn a_changed_secret_is_noticed_and_a_moved_line_is_not() {
    let old = Setup::yaml("databases:\n  - password: a\n").load();
    let moved = Setup::yaml("# note\ndatabases:\n  - password: a\n").load();
    let changed = Setup::yaml("databases:\n  - password: b\n").load();
    assert_eq!(changes(&old, &moved), []);
    let keys: Vec<_> = changes(&old, &changed).into_iter().map(|change| change.key).collect();
    assert_eq!(keys, ["databases[0].password"]);
}

#[test]
fn a_database_that_comes_or_goes_is_one_change() {
    let one = Setup::yaml("databases:\n  - name: a\n").load();
    let two = Setup::yaml("databases:\n  - name: a\n  - name: b\n").load();
    let expected = [Changed { key: "databases[1]".into(), reloadable: false }];
    assert_eq!(changes(&one, &two), expected);
    assert_eq!(changes(&two, &one), expected);
}
