use std::path::Path;

use mcp_config::Fault;

use crate::Setup;

#[test]
fn an_unknown_key_names_file_line_and_the_nearest_key() {
    let setup = Setup::yaml("http:\n  enabled: true\n\n  auht:\n    enabled: true\n");
    assert_eq!(setup.message(), "mcp-server.yaml:4: http.auht: unknown key");
    assert_eq!(setup.hint(), "did you mean http.auth?");
    assert_eq!(setup.refused().key(), Some("http.auht"));

    let setup = Setup::yaml("databases:\n  - name: a\n  - name: b\n    hots: c\n");
    assert_eq!(setup.message(), "mcp-server.yaml:4: databases[1].hots: unknown key");
    assert_eq!(setup.hint(), "did you mean databases[1].host?");
}

#[test]
fn a_key_written_with_dots_is_unknown() {
    let setup = Setup::yaml("http.enabled: true\n");
    assert_eq!(setup.message(), "mcp-server.yaml:1: http.enabled: unknown key");
    assert_eq!(setup.hint(), "write each part of a key below the one before it");
}

#[test]
fn a_bad_value_names_file_line_key_and_what_is_accepted() {
    for (text, message) in [
        (
            "log:\n  level: loud\n",
            "2: log.level: expected one of error, warn, info, debug, trace, not \"loud\"",
        ),
        ("http:\n  enabled: 2\n", "2: http.enabled: expected true or false, not 2"),
        (
            "http:\n  address: 8080\n",
            "2: http.address: expected HOST:PORT, or :PORT for every interface, not 8080",
        ),
        (
            "http:\n  limits:\n    max_connections: 0\n",
            "3: http.limits.max_connections: expected a whole number from 1 to 1000000, not 0",
        ),
        (
            "http:\n  limits: {header_timeout: 1w}\n",
            "2: http.limits.header_timeout: expected a duration from 100ms to 1h \
             (500ms, 30s, 2m, or plain seconds), not \"1w\"",
        ),
        (
            "http:\n  allowed_origins:\n    - https://a.b\n    - '*'\n",
            "2: http.allowed_origins: expected a list of origins like \
             https://app.example.com, not \"*\"",
        ),
        (
            "http:\n  allowed_hosts: a.b\n",
            "2: http.allowed_hosts: expected a list of host names, each with or without a port, \
             not \"a.b\"",
        ),
        ("http: true\n", "1: http: expected keys below it, not true"),
        (
            "databases:\n  name: a\n",
            "1: databases: expected a list, each item after `- `, \
             not a mapping",
        ),
        ("databases: [a]\n", "1: databases[0]: expected keys below it, not \"a\""),
    ] {
        assert_eq!(Setup::yaml(text).message(), format!("mcp-server.yaml:{message}"), "{text}");
    }
}

#[test]
fn a_bad_secret_is_not_repeated() {
    let setup = Setup::yaml("databases:\n  - password: 12345\n");
    assert_eq!(
        setup.message(),
        "mcp-server.yaml:2: databases[0].password: \
         expected text, in quotes where it looks like a number"
    );
}

#[test]
fn yaml_that_makes_a_value_come_from_elsewhere_is_refused() {
    for (text, message) in [
        ("log: &l\n  level: info\n", "1: an anchor (&) is not accepted here"),
        ("log:\n  level: *l\n", "2: an alias (*) is not accepted here"),
        ("log:\n  level: !!str info\n", "2: a tag (!) is not accepted here"),
        ("%YAML 1.2\n---\nlog:\n", "1: a directive (%) is not accepted here"),
        ("log:\n  <<: {level: info}\n", "2: <<: a merge key (<<) is not accepted here"),
    ] {
        assert_eq!(Setup::yaml(text).message(), format!("mcp-server.yaml:{message}"), "{text}");
    }
}

#[test]
fn a_key_given_twice_is_refused_in_yaml_and_in_json() {
    let setup = Setup::yaml("log:\n  level: info\nhttp:\nlog:\n  level: warn\n");
    assert_eq!(setup.message(), "mcp-server.yaml:4: log: appears twice");
    let setup =
        Setup::with_file("c.json", "{\"log\": {\"level\": \"info\",\n\"level\": \"info\"}}");
    assert_eq!(setup.message(), "c.json:2: level: appears twice");
}

#[test]
fn text_that_is_no_document_names_the_line() {
    let message = Setup::yaml("http:\n  enabled: true\n address: x\n").message();
    assert!(message.starts_with("mcp-server.yaml:3: "), "{message}");
    let message = Setup::with_file("c.json", "{\n\"http\": }\n").message();
    assert!(message.starts_with("c.json:2: "), "{message}");
    for text in ["- a\n", "just text\n"] {
        let message = Setup::yaml(text).message();
        assert_eq!(message, "mcp-server.yaml: expected keys, such as `http:`");
    }
    assert!(matches!(Setup::yaml("a: 1\n---\nb: 2\n").refused().fault(), Fault::Syntax(_)));
}

#[test]
fn a_file_over_one_mebibyte_is_refused_and_one_of_that_size_is_read() {
    let full = format!("log: {{level: warn}}\n#{}", "x".repeat((1 << 20) - 21));
    assert_eq!(full.len(), (1 << 20) - 1);
    Setup::yaml(&format!("{full}x")).load();
    let message = Setup::yaml(&format!("{full}xx")).message();
    assert_eq!(message, "mcp-server.yaml: is larger than 1048576 bytes");
}

#[test]
fn a_file_that_was_asked_for_must_be_there_and_readable() {
    let mut setup = Setup::new();
    setup.sources.file = Some("/no/such/mcp-server.yaml".into());
    assert_eq!(setup.message(), "/no/such/mcp-server.yaml: there is no such file");
    assert!(setup.hint().contains("--config"));
    setup.sources.file = Some(setup.folder.path().to_owned());
    assert!(matches!(setup.refused().fault(), Fault::Unreadable(_)));
}

#[test]
fn a_file_that_says_nothing_changes_nothing() {
    for text in ["", "\u{feff}", "# only a comment\n", "---\n", "~\n", "{}\n", "databases: []\n"] {
        assert_eq!(Setup::yaml(text).load().config, Setup::new().load().config, "{text:?}");
    }
}

#[test]
fn a_relative_path_is_relative_to_the_file_that_says_it() {
    let mut setup = Setup::yaml(
        "http:\n  auth:\n    token_file: ./tokens.yaml\n    user_file: /abs/users.yaml\n\
         databases:\n  - password_file: secrets/db\n",
    );
    std::fs::create_dir(setup.folder.path().join("secrets")).unwrap();
    setup.write("secrets/db", "s3cret\n");
    setup.flag("http.tls.cert_file", "cert.pem");
    let config = setup.load().config;
    assert_eq!(config.http.auth.token_file, setup.folder.path().join("tokens.yaml"));
    assert_eq!(config.http.auth.user_file, Path::new("/abs/users.yaml"));
    assert_eq!(config.databases[0].password.as_ref().unwrap().expose(), "s3cret");
    // The shell that gave the flag has its own idea of "here".
    assert_eq!(config.http.tls.cert_file.as_deref(), Some(Path::new("cert.pem")));
}

#[test]
fn a_json_file_is_read_like_a_yaml_file() {
    let json = "{\n\t\"http\": {\"limits\": {\"body_timeout\": \"2m\", \"idle_timeout\": 5}},\n\
                \t\"databases\": [{\"name\": \"sales\", \"available_to_users\": []}]\n}";
    let yaml = "http: {limits: {body_timeout: 2m, idle_timeout: 5}}\n\
                databases: [{name: sales, available_to_users: []}]\n";
    let config = Setup::with_file("mcp-server.json", json).load().config;
    assert_eq!(config, Setup::yaml(yaml).load().config);
    assert_eq!(config.databases[0].available_to_users.as_deref(), Some(&[][..]));
    let unknown = Setup::with_file("c.json", "{\n\n\t\"htpp\": {}}");
    assert_eq!(unknown.message(), "c.json:3: htpp: unknown key");
    assert_eq!(unknown.hint(), "did you mean http?");
}

#[test]
fn tls_needs_a_certificate_and_a_key() {
    let setup = Setup::yaml("http:\n  tls:\n    enabled: true\n    cert_file: c.pem\n");
    assert_eq!(setup.message(), "mcp-server.yaml:3: http.tls.enabled: needs http.tls.key_file");
}
