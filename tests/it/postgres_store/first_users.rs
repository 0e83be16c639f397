//! Who is there when nobody made a user: nobody, unless the configuration asks for it.

use std::net::SocketAddr;

use support::{Request, ServerProcess, eventually};

use super::{PASSWORD, by_hand, installed, log_in, logs_in, opens, session};

const NEXT: &str = "NewPassword456!";

fn stop(mut server: ServerProcess) {
    server.signal("TERM");
    assert!(server.wait().success());
}

fn admin_with(password: &str) -> String {
    format!("  bootstrap:\n    email: root@example.com\n    password: \"{password}\"\n")
}

#[test]
fn the_configured_admin_is_made_once_and_a_changed_password_is_applied_once() {
    let installation = installed("");
    let configure = |password: &str| {
        let dsn = installation.postgres().dsn_as("keeper", "people");
        let users = format!("users:\n  database_dsn: \"{dsn}\"\n{}", admin_with(password));
        installation.write_config(&format!("{}{users}", super::QUICK));
    };
    configure(PASSWORD);
    let server = installation.start();
    assert!(logs_in(server.address(), "admin", PASSWORD));
    let made = by_hand(&installation, "SELECT username, email, is_admin FROM users");
    assert_eq!(made, "admin|root@example.com|t\n");
    installation.set_password("admin", "OwnersPassword789!", &[]);
    stop(server);

    let server = installation.start();
    let to = server.address();
    assert!(logs_in(to, "admin", "OwnersPassword789!"), "it was applied, and stays the owner's");
    let old = session(to, "admin", "OwnersPassword789!");
    stop(server);

    configure(NEXT);
    let server = installation.start();
    let to = server.address();
    assert!(logs_in(to, "admin", NEXT) && !logs_in(to, "admin", "OwnersPassword789!"));
    assert!(!opens(to, &old), "old sessions end");
    assert!(!server.log().contains(NEXT));
}

#[test]
fn servers_that_start_at_once_make_the_admin_once_and_apply_a_changed_password_once() {
    let installation = installed("");
    let configure = |password: &str| {
        let dsn = installation.postgres().dsn_as("keeper", "people");
        let users = format!("users:\n  database_dsn: \"{dsn}\"\n{}", admin_with(password));
        installation.write_config(&format!("{}{users}", super::QUICK));
    };
    let recorded = |action: &str| {
        let sql = format!("SELECT count(*) FROM auth_events WHERE event_type = '{action}'");
        by_hand(&installation, &sql).trim_end().to_owned()
    };
    // Word of a new hash is kept for as long as the servers run.
    for (round, password) in
        ["FirstPassword1!", "SecondPassword2!", "ThirdPassword3!"].iter().enumerate()
    {
        configure(password);
        let servers = [installation.start(), installation.start(), installation.start()];
        for server in &servers {
            assert!(logs_in(server.address(), "admin", password));
        }
        let logged = |words: &str| -> usize {
            servers.iter().map(|server| server.log().matches(words).count()).sum()
        };
        let made = logged("Made the user admin, who is admin");
        let given = logged("Gave admin the changed password of users.bootstrap");
        assert_eq!((made, given), if round == 0 { (1, 0) } else { (0, 1) }, "{password}");
        servers.into_iter().for_each(stop);
        assert_eq!(
            (recorded("add_user"), recorded("set_password")),
            ("1".into(), round.to_string())
        );
    }
    let hash = "SELECT metadata->>'mcp_configured_password' = password_hash FROM users";
    assert_eq!(by_hand(&installation, hash), "t\n");
}

#[test]
fn a_configured_password_that_breaks_the_policy_stops_the_start() {
    let installation = installed(&admin_with("changeme"));
    let mut server = installation.start();
    assert_eq!(server.wait().code(), Some(1));
    server.wait_for_line("ERROR: users.bootstrap.password: ");
    assert!(!server.log().contains("changeme"));
    assert_eq!(by_hand(&installation, "SELECT count(*) FROM users"), "0\n");
}

#[test]
fn the_known_users_are_made_when_asked_for_and_keep_the_server_on_this_machine() {
    let installation = installed("  create_demo_users: true\n");
    let server = installation.start();
    let _ = server.address();
    let made = "SELECT username, roles, password_change_required FROM users ORDER BY username";
    assert_eq!(
        by_hand(&installation, made),
        "admin|[\"admin\"]|t\noperator|[\"operator\"]|t\nviewer|[\"viewer\"]|t\n"
    );
    stop(server);
    let config = std::fs::read_to_string(installation.config()).unwrap();
    let beyond = config.replace("127.0.0.1:0", "0.0.0.0:0");
    assert_ne!(beyond, config);
    std::fs::write(installation.config(), beyond).unwrap();
    let mut refused = installation.start();
    assert_eq!(refused.wait().code(), Some(1));
    refused.wait_for_line("ERROR: admin still has the password of the demonstration");
    for name in ["admin", "operator"] {
        installation.set_password(name, NEXT, &[]);
    }
    let mut refused = installation.start();
    assert_eq!(refused.wait().code(), Some(1));
    refused.wait_for_line("ERROR: viewer still has the password of the demonstration");
    assert!(installation.admin(&["users", "disable", "viewer"]).status.success());
    let server = installation.start();
    let _ = server.address();
}

#[test]
fn a_server_that_started_without_its_database_makes_the_first_users_when_it_answers() {
    let bootstrap = "  bootstrap:\n    username: root\n    password: \"FirstPassword1!\"\n";
    let mut installation =
        installed(&format!("  fallback: memory\n  create_demo_users: true\n{bootstrap}"));
    installation.postgres_mut().stop();
    let server = installation.start();
    let to = server.address();
    server.wait_for_line("Starting without the user store");
    assert_eq!(log_in(to, "root", "FirstPassword1!").status, 503);
    installation.postgres_mut().resume().unwrap();
    assert!(eventually(|| logs_in(to, "root", "FirstPassword1!")), "{}", server.log());
    let made = "SELECT username, roles, password_change_required FROM users ORDER BY username";
    assert_eq!(
        by_hand(&installation, made),
        "admin|[\"admin\"]|t\noperator|[\"operator\"]|t\nroot|[\"admin\"]|f\nviewer|[\"viewer\"]|t\n"
    );
    assert!(server.log().contains("Loaded 4 user(s) from"), "{}", server.log());
    let recorded = "SELECT count(*) FROM auth_events WHERE event_type = 'add_user'";
    assert!(eventually(|| by_hand(&installation, recorded) == "4\n"));
    // Once is enough: the next outage makes nobody.
    by_hand(&installation, "DELETE FROM users WHERE username = 'viewer'");
    installation.postgres_mut().restart().unwrap();
    assert!(eventually(|| logs_in(to, "root", "FirstPassword1!")), "{}", server.log());
    assert_eq!(by_hand(&installation, "SELECT count(*) FROM users"), "3\n");
}

#[test]
fn who_has_a_known_password_keeps_a_server_closed_that_started_without_its_database() {
    let mut installation = installed("  fallback: memory\n  create_demo_users: true\n");
    let server = installation.start();
    let _ = server.address();
    stop(server);
    let token = installation.add_token(&[]);
    let config = std::fs::read_to_string(installation.config()).unwrap();
    let beyond = config.replace("127.0.0.1:0", "0.0.0.0:0");
    assert_ne!(beyond, config);
    std::fs::write(installation.config(), beyond).unwrap();
    installation.postgres_mut().stop();
    let server = installation.start();
    let to = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    assert_eq!(log_in(to, "admin", "admin123").status, 503);
    installation.postgres_mut().resume().unwrap();
    let said = server.wait_for_line("Nobody is let in until this is mended");
    assert!(said.contains("admin still has the password of the demonstration"), "{said}");
    assert!(said.contains("mcp-admin users update admin"), "{said}");
    for name in ["admin", "operator"] {
        assert_eq!(log_in(to, name, &format!("{name}123")).status, 503, "{name}");
        installation.set_password(name, NEXT, &[]);
    }
    server.wait_for_line("viewer still has the password of the demonstration");
    assert_eq!(log_in(to, "admin", NEXT).status, 503);
    assert_eq!(super::status(to, &token), 503);
    let health = Request::new("GET", "/health").send(to);
    assert_eq!(health.text(), r#"{"status":"degraded"}"#);
    assert!(installation.admin(&["users", "disable", "viewer"]).status.success());
    assert!(eventually(|| opens(to, &token)), "{}", server.log());
    assert_eq!(Request::new("GET", "/ready").send(to).status, 200);
    for name in ["admin", "operator", "viewer"] {
        let words = format!("{name} still has the password");
        assert!(server.log().matches(&words).count() <= 1, "once:\n{}", server.log());
    }
}

#[test]
fn a_configured_password_that_breaks_the_policy_stops_the_start_without_its_database_too() {
    let mut installation = installed(&format!("  fallback: memory\n{}", admin_with("changeme")));
    installation.postgres_mut().stop();
    let mut server = installation.start();
    assert_eq!(server.wait().code(), Some(1));
    server.wait_for_line("ERROR: users.bootstrap.password: ");
    assert!(!server.log().contains("changeme"));
}
