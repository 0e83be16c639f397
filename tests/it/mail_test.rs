//! `mcp-admin mail test`: one letter through the configured server, and each step said.

use std::fs;

use insta::assert_snapshot;
use serde_json::json;
use support::MailServer;

use crate::admin_folder::{Admin, transcript};

const LOGIN: &str = "mcp:hunter2!";

/// A folder with a certificate for a name, and its key.
fn folder(name: &str) -> Admin {
    let admin = Admin::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(admin.path("cert.pem"), certificate.pem()).unwrap();
    fs::write(admin.path("key.pem"), key.serialize_pem()).unwrap();
    admin
}

/// A server with that certificate.
fn server(admin: &Admin, security: &str, more: &[&str]) -> MailServer {
    let [certificate, key] =
        ["cert.pem", "key.pem"].map(|name| admin.path(name).to_str().unwrap().to_owned());
    let arguments = ["--security", security, "--certificate", &certificate, "--key", &key];
    MailServer::start(&[&arguments, more].concat())
}

/// Points the configuration to it.
fn configure(admin: &Admin, server: &MailServer, more: &str) {
    let port = server.port();
    admin.configure(&format!(
        "smtp:\n  host: localhost\n  port: {port}\n  from_email: mcp@example.com\n  \
         from_name: MCP Zoë\n{more}"
    ));
}

/// What the operator sees, but for the ports, which are never the same.
fn sent(admin: &Admin, server: &MailServer, to: &str) -> String {
    let said = admin.transcript(&["mail", "test", to]);
    said.replace(&format!(":{}", server.port()), ":[PORT]")
}

#[test]
fn a_letter_goes_in_the_clear_to_this_machine() {
    let admin = Admin::new();
    let server = MailServer::start(&[]);
    configure(&admin, &server, "  starttls: false\n");
    assert_snapshot!(sent(&admin, &server, "ann@example.com"), @r"
    connect   127.0.0.1:[PORT]
    greeting  mail.test Python SMTP 1.4.6
    hello     mail.test
    sender    250 OK
    recipient 250 OK
    letter    250 2.0.0 taken
    Sent: look into the mailbox of ann@example.com, and among its spam
    exit 0
    ");
    let letter = server.letter();
    assert_eq!(letter["envelope_to"], json!(["ann@example.com"]));
    assert_eq!(letter["encrypted"], false);
    assert!(letter["text"].as_str().unwrap().starts_with("This letter was sent by `mcp-admin"));
}

#[test]
fn a_letter_goes_by_starttls_with_a_login() {
    let admin = folder("localhost");
    let server = server(&admin, "starttls", &["--login", LOGIN]);
    admin.write("password", "hunter2!\n");
    let login = "  ca_file: cert.pem\n  user: mcp\n  password_file: password\n";
    configure(&admin, &server, login);
    assert_snapshot!(sent(&admin, &server, "ann@example.com"), @r"
    connect   127.0.0.1:[PORT]
    greeting  mail.test Python SMTP 1.4.6
    STARTTLS  the server is ready for it
    TLS       TLS 1.3, the certificate is for localhost
    hello     mail.test
    login     235 2.7.0 Authentication successful
    sender    250 OK
    recipient 250 OK
    letter    250 2.0.0 taken
    Sent: look into the mailbox of ann@example.com, and among its spam
    exit 0
    ");
    let letter = server.letter();
    assert_eq!((&letter["encrypted"], &letter["login"]), (&json!(true), &json!("mcp")));
}

#[test]
fn a_letter_goes_by_tls_from_the_first_byte_and_the_steps_are_one_document() {
    let admin = folder("localhost");
    let server = server(&admin, "tls", &["--login", LOGIN, "--without", "PLAIN"]);
    let login = "  tls: true\n  ca_file: cert.pem\n  user: mcp\n  password: hunter2!\n";
    configure(&admin, &server, login);
    let document = admin.json(&["mail", "test", "ann@example.com"]);
    assert_eq!((&document["to"], &document["sent"]), (&json!("ann@example.com"), &json!(true)));
    let steps = document["steps"].as_array().unwrap();
    let steps: Vec<_> = steps.iter().map(|step| step["step"].as_str().unwrap()).collect();
    let expected =
        ["connect", "TLS", "greeting", "hello", "login", "sender", "recipient", "letter"];
    assert_eq!(steps, expected);
    let letter = server.letter();
    assert_eq!((&letter["encrypted"], &letter["login"]), (&json!(true), &json!("mcp")));
}

#[test]
fn a_server_without_starttls_gets_no_letter() {
    let admin = Admin::new();
    let server = MailServer::start(&[]);
    configure(&admin, &server, "");
    assert_snapshot!(sent(&admin, &server, "ann@example.com"), @r"
    connect   127.0.0.1:[PORT]
    greeting  mail.test Python SMTP 1.4.6
    Error: localhost:[PORT]: STARTTLS: the server does not offer it; nothing was sent in the clear
    hint: is there TLS on port 465 (smtp.tls: true)? ask who runs the server
    exit 1
    ");
    assert!(server.rest().is_empty());
}

#[test]
fn a_certificate_that_is_not_trusted_or_for_another_name_gets_no_letter() {
    let other = folder("localhost");
    let admin = folder("localhost");
    let first = server(&admin, "starttls", &[]);
    let trusted = other.path("cert.pem");
    configure(&admin, &first, &format!("  ca_file: {}\n", trusted.display()));
    let untrusted = sent(&admin, &first, "ann@example.com");
    assert!(untrusted.contains("TLS: the certificate is not of an authority that is trusted"));
    assert!(untrusted.contains("\nhint: if the authority is your own"), "{untrusted}");
    assert!(untrusted.ends_with("exit 1") && first.rest().is_empty(), "{untrusted}");

    let admin = folder("mail.example.com");
    let second = server(&admin, "tls", &[]);
    configure(&admin, &second, "  tls: true\n  ca_file: cert.pem\n");
    assert_snapshot!(sent(&admin, &second, "ann@example.com"), @r"
    connect   127.0.0.1:[PORT]
    Error: localhost:[PORT]: TLS: the certificate is not for localhost
    hint: smtp.host has to be a name that the certificate bears
    exit 1
    ");
    assert!(second.rest().is_empty());
}

#[test]
fn a_wrong_password_is_said_and_not_shown() {
    let admin = folder("localhost");
    let server = server(&admin, "starttls", &["--login", LOGIN]);
    configure(&admin, &server, "  ca_file: cert.pem\n  user: mcp\n  password: s3cret\n");
    let said = sent(&admin, &server, "ann@example.com");
    assert!(said.contains("Error: localhost:[PORT]: login: 535 5.7.8"), "{said}");
    assert!(said.contains("\nhint: check smtp.user and smtp.password"), "{said}");
    assert!(!said.contains("s3cret") && said.ends_with("exit 1"), "{said}");
    assert!(server.rest().is_empty());
}

#[test]
fn a_refusal_is_told_from_a_server_that_is_busy_or_silent() {
    let admin = Admin::new();
    let server = MailServer::start(&[]);
    configure(&admin, &server, "  starttls: false\n  timeout_seconds: 1\n");
    for (to, said, exit) in [
        ("nobody@example.com", "recipient: 550 5.1.1 no such mailbox\nhint: is the address", 1),
        ("later@example.com", "recipient: 451 4.7.1 greylisted\nhint: it is a no for now", 2),
        ("busy@example.com", "recipient: 421 4.3.2 too busy\nhint: it is a no for now", 2),
        ("forever@example.com", "recipient: not done within 1s\nhint: try again", 2),
    ] {
        let told = sent(&admin, &server, to);
        assert!(told.contains(&format!("Error: localhost:[PORT]: {said}")), "{told}");
        assert!(told.ends_with(&format!("exit {exit}")), "{told}");
    }
    assert!(server.rest().is_empty());
}

#[test]
fn a_letter_becomes_a_file_where_that_is_configured() {
    let admin = Admin::new();
    fs::create_dir(admin.path("letters")).unwrap();
    admin.configure("mail:\n  outbox: directory:letters\n");
    let said = admin.transcript(&["mail", "test", "ann@example.com"]);
    assert!(said.starts_with("write     letters/"), "{said}");
    assert!(said.ends_with("reaches nobody by itself\nexit 0"), "{said}");
    let files: Vec<_> = fs::read_dir(admin.path("letters")).unwrap().collect();
    let [Ok(file)] = files.as_slice() else { panic!("{files:?}") };
    let text = fs::read_to_string(file.path()).unwrap();
    assert!(text.starts_with("From: mcp-server@localhost\r\nTo: ann@example.com\r\n"), "{text}");
}

#[test]
fn what_cannot_be_sent_is_said_before_anybody_is_called() {
    let admin = Admin::new();
    assert_snapshot!(admin.transcript(&["mail", "test", "ann@example.com"]), @r"
    Error: no letter is sent: there is no outbox
    hint: set smtp.host and smtp.from_email, or mail.outbox: directory:PATH
    exit 1
    ");
    for address in ["ann", "ann@example.com\r\nBcc: eve@example.com", "ann@exa mple"] {
        let said = transcript(&admin.run(&["mail", "test", address]));
        assert!(said.starts_with("Error: not an address: "), "{said}");
        assert!(said.ends_with("exit 64") && !said.contains("eve"), "{said}");
    }
}
