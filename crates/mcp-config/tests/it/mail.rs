use mcp_config::MailOutbox;

use crate::Setup;

/// The lines that one source prints for a mail server.
const PRINTED: [(&str, &str); 6] = [
    ("SMTP_HOST", "smtp.gmail.com"),
    ("SMTP_PORT", "587"),
    ("SMTP_USERNAME", "your_email@gmail.com"),
    ("SMTP_PASSWORD", "your_app_password"),
    ("SMTP_FROM_EMAIL", "noreply@yourdomain.com"),
    ("SMTP_FROM_NAME", "AgentSkills Framework"),
];

#[test]
fn without_a_host_no_letter_is_sent() {
    let config = Setup::new().load().config;
    assert!(!config.smtp.enabled && config.smtp.host.is_none());
    assert_eq!(config.mail.outbox, MailOutbox::None);
}

#[test]
fn the_printed_environment_sends_by_starttls() {
    let config = Setup::environment(&PRINTED).load().config;
    let smtp = config.smtp;
    assert!(smtp.enabled && smtp.starttls && !smtp.tls);
    assert_eq!((smtp.host.as_deref(), smtp.port), (Some("smtp.gmail.com"), 587));
    assert_eq!(smtp.user.as_deref(), Some("your_email@gmail.com"));
    assert_eq!(smtp.password.unwrap().expose(), "your_app_password");
    assert_eq!(smtp.from_email.as_deref(), Some("noreply@yourdomain.com"));
    assert_eq!(smtp.from_name.as_deref(), Some("AgentSkills Framework"));
    assert_eq!(smtp.timeout_seconds, 15);
    assert_eq!(config.mail.outbox, MailOutbox::Smtp);
}

#[test]
fn the_names_of_the_other_source_work_too() {
    let mut setup = Setup::environment(&[
        ("SMTP_ENABLED", "true"),
        ("SMTP_HOST", "mail.example.com"),
        ("SMTP_USER", "mcp"),
        ("SMTP_PASSWORD", "x"),
        ("SMTP_FROM_EMAIL", "mcp@example.com"),
        ("SMTP_USE_TLS", "false"),
        ("SMTP_USE_SSL", "true"),
        ("SMTP_TIMEOUT_SECONDS", "30"),
    ]);
    let smtp = setup.load().config.smtp;
    assert!(smtp.tls && !smtp.starttls);
    assert_eq!((smtp.port, smtp.timeout_seconds), (465, 30));
    setup.set(&[("SMTP_ENABLED", "false")]);
    let config = setup.load().config;
    assert!(!config.smtp.enabled);
    assert_eq!(config.mail.outbox, MailOutbox::None);
}

#[test]
fn what_must_go_together_is_asked_for_where_it_was_forgotten() {
    let from = "  from_email: a@b.example\n";
    for (text, message) in [
        ("smtp:\n  enabled: true\n", "2: smtp.enabled: needs smtp.host"),
        ("smtp:\n  host: mail.example.com\n", "2: smtp.host: needs smtp.from_email"),
        ("smtp:\n  user: mcp\n", "2: smtp.user: needs smtp.password"),
        ("smtp:\n  password: x\n", "2: smtp.password: needs smtp.user"),
        ("mail:\n  outbox: smtp\n", "2: mail.outbox: needs smtp.host"),
        (
            &format!("smtp:\n  host: mail.example.com\n  starttls: false\n{from}"),
            "2: smtp.host: needs smtp.starttls or smtp.tls",
        ),
        (
            &format!("smtp:\n  host: 10.0.0.1\n  starttls: false\n{from}"),
            "2: smtp.host: needs smtp.starttls or smtp.tls",
        ),
        (
            "smtp:\n  tls: true\n  starttls: true\n",
            "2: smtp.tls: cannot stand beside smtp.starttls",
        ),
    ] {
        assert_eq!(Setup::yaml(text).message(), format!("mcp-server.yaml:{message}"), "{text}");
    }
}

#[test]
fn in_the_clear_goes_to_this_machine_alone() {
    for host in ["localhost", "127.0.0.1", "'::1'"] {
        let text = format!("smtp:\n  host: {host}\n  starttls: false\n  from_email: a@b.example\n");
        let smtp = Setup::yaml(&text).load().config.smtp;
        assert!(smtp.enabled && !smtp.starttls && !smtp.tls, "{host}");
    }
}

#[test]
fn a_directory_of_letters_is_relative_to_the_file() {
    let setup = Setup::yaml("mail:\n  outbox: directory:letters\n");
    let expected = setup.sources.file.as_ref().unwrap().with_file_name("letters");
    assert_eq!(setup.load().config.mail.outbox, MailOutbox::Directory(expected));
    let set = Setup::environment(&[("MCP_MAIL_OUTBOX", "directory:/var/spool/letters")]);
    let expected = MailOutbox::Directory("/var/spool/letters".into());
    assert_eq!(set.load().config.mail.outbox, expected);
}

#[test]
fn values_that_could_add_to_a_header_are_refused() {
    for (key, value) in [
        ("SMTP_FROM_EMAIL", "a@b.example\r\nBcc: eve@example.com"),
        ("SMTP_FROM_EMAIL", "a@b.example, eve@example.com"),
        ("SMTP_FROM_EMAIL", "Ann <a@b.example>"),
        ("SMTP_FROM_EMAIL", "nobody"),
        ("SMTP_FROM_NAME", "MCP\r\nBcc: eve@example.com"),
        ("SMTP_HOST", "mail.example.com:587"),
        ("SMTP_HOST", "mail.example.com\n"),
        ("MCP_MAIL_OUTBOX", "directory:"),
        ("MCP_MAIL_OUTBOX", "sendmail"),
    ] {
        let message = Setup::environment(&[(key, value)]).message();
        assert!(message.starts_with(&format!("environment {key}: ")), "{value:?}: {message}");
        assert!(message.contains("expected "), "{value:?}: {message}");
    }
}
