//! Letters through a real mail server, and read by somebody else's parser.

use std::time::{Duration, SystemTime};

use mcp_mail::{
    Address, Fault, Letter, Line, Mailbox, Outbox as _, Postmark, Security, SendError, Settings,
    SmtpOutbox,
};
use serde_json::{Value, json};
use support::MailServer;

const LINK: &str = "https://mcp.example.com/admin/reset-password/O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7";

fn outbox(server: &MailServer, from_name: &str) -> SmtpOutbox {
    let from = Mailbox {
        name: Some(Line::parse(from_name).unwrap()),
        address: Address::parse("mcp@bücher.example").unwrap(),
    };
    let settings = Settings {
        host: "127.0.0.1".into(),
        port: server.port(),
        security: Security::Plain,
        ca_file: None,
        login: None,
        from,
        timeout: Duration::from_secs(10),
    };
    SmtpOutbox::new(settings).unwrap()
}

fn letter(to: &str, text: &str) -> Letter {
    let subject = Line::parse("Setzen Sie Ihr Paßwort zurück 🔑").unwrap();
    Letter::new(Address::parse(to).unwrap(), subject, text).unwrap()
}

async fn send(outbox: &SmtpOutbox, letter: &Letter) -> Result<(), SendError> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000);
    outbox.send(letter, &Postmark { at, id: [7; 16] }).await
}

fn header(letter: &Value, name: &str) -> Vec<String> {
    let headers = letter["headers"].as_array().unwrap();
    let of_name = headers.iter().filter(|header| header[0] == name);
    of_name.map(|header| header[1].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_letter_arrives_as_it_was_written_in_both_its_parts() {
    let server = MailServer::start(&[]);
    let text = format!("Grüße!\n.\n..\nFrom here:\n{LINK}\n.\nRCPT TO:<eve@example.com>\n");
    let html = format!("<p>Grüße! <a href=\"{LINK}\">Hier</a></p>\n");
    let letter = letter("ann@bücher.example", &text).with_html(&html).unwrap();
    send(&outbox(&server, "MCP Zoë"), &letter).await.unwrap();
    let taken = server.letter();
    assert_eq!(taken["envelope_from"], "mcp@xn--bcher-kva.example");
    assert_eq!(taken["envelope_to"], json!(["ann@xn--bcher-kva.example"]));
    // The parser leaves the ends of lines as they travelled, and one more after each part.
    let part = |name: &str| taken[name].as_str().unwrap().replace("\r\n", "\n");
    assert_eq!(part("text").trim_end(), text.trim_end());
    assert_eq!(part("html").trim_end(), html.trim_end());
    assert_eq!(header(&taken, "Subject"), ["Setzen Sie Ihr Paßwort zurück 🔑"]);
    assert_eq!(header(&taken, "From"), ["MCP Zoë <mcp@xn--bcher-kva.example>"]);
    assert_eq!(header(&taken, "To"), ["ann@xn--bcher-kva.example"]);
    assert_eq!(header(&taken, "Date"), ["Thu, 09 Oct 2025 08:53:20 +0000"]);
    assert_eq!(header(&taken, "Auto-Submitted"), ["auto-generated"]);
    assert!(taken["raw"].as_str().unwrap().is_ascii());
    assert!(server.rest().is_empty(), "one letter, not two");
}

#[tokio::test]
async fn a_name_beyond_ascii_needs_a_server_that_takes_it() {
    let server = MailServer::start(&[]);
    let to = letter("用户@example.com", LINK);
    send(&outbox(&server, "MCP"), &to).await.unwrap();
    let taken = server.letter();
    assert_eq!(taken["envelope_to"], json!(["用户@example.com"]));
    assert!(taken["options"].as_array().unwrap().contains(&json!("SMTPUTF8")), "{taken}");
    let server = MailServer::start(&["--ascii"]);
    let error = send(&outbox(&server, "MCP"), &to).await.unwrap_err();
    assert_eq!(error.fault(), &Fault::NeedsUtf8);
    assert!(error.is_permanent() && server.rest().is_empty());
}

#[tokio::test]
async fn a_final_no_is_told_from_one_for_now() {
    let server = MailServer::start(&[]);
    let outbox = outbox(&server, "MCP");
    for (to, code, is_permanent) in [
        ("nobody@example.com", 550, true),
        ("later@example.com", 451, false),
        ("busy@example.com", 421, false),
    ] {
        let error = send(&outbox, &letter(to, LINK)).await.unwrap_err();
        let Fault::Refused { code: said, .. } = error.fault() else { panic!("{error}") };
        assert_eq!((*said, error.is_permanent()), (code, is_permanent), "{error}");
    }
    send(&outbox, &letter("ann@example.com", LINK)).await.unwrap();
    assert_eq!(server.letter()["envelope_to"], json!(["ann@example.com"]));
    assert!(server.rest().is_empty());
}

#[test]
fn an_address_that_somebody_wrote_by_hand_with_a_second_line_gets_no_letter() {
    let mail = MailServer::start(&[]);
    let smtp = crate::recovery::smtp(mail.port());
    let installation = crate::postgres_store::installed(&smtp);
    installation.add_user("alice", "SecurePassword123!");
    let server = installation.start();
    let to = server.address();
    let hostile = "UPDATE users SET email = E'alice@example.com\\r\\nBcc: eve@example.com'";
    crate::postgres_store::by_hand(&installation, hostile);
    // The fifth failure locks her account, and a letter is to say so.
    for _ in 0..5 {
        assert!(!crate::postgres_store::logs_in(to, "alice", "Wrong1Password"));
    }
    let told = || {
        let sent = crate::recovery::audited(&installation, "send_letter");
        sent.iter().any(|event| event["outcome"] == "failed" && event["reason"] == "no_address")
    };
    assert!(support::eventually(told), "{}", server.log());
    assert!(!server.log().contains("eve@"), "{}", server.log());
    assert!(mail.rest().is_empty());
}
