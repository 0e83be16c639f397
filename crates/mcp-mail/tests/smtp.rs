//! Servers that do not behave: silent, endless, refusing, lying. Each is scripted here; how a
//! real one is talked to is tested with aiosmtpd, in the tests of the whole product.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime};

use mcp_mail::{
    Address, Fault, Letter, Line, Login, Outbox as _, Postmark, Secret, Security, SendError,
    Settings, SmtpOutbox, Step,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

const HELLO: &[u8] = b"250-mail.example\r\n250-AUTH PLAIN LOGIN\r\n250 SIZE 1000000\r\n";
const TOKEN: &str = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ";

/// One act of a server.
enum Act {
    Say(&'static [u8]),
    /// Waits for what ends so.
    Hear(&'static [u8]),
    /// Talks without an end.
    Babble(&'static [u8]),
    /// Says one byte of these after another, as if it were on its way to an end.
    Drip(&'static [u8]),
    /// Says nothing more, and keeps the connection.
    Stall,
    /// Closes the connection.
    HangUp,
}

use Act::{Babble, Drip, HangUp, Hear, Say, Stall};

/// A server that does as the script says, to one client; what it heard is in the handle.
struct Server {
    address: SocketAddr,
    heard: JoinHandle<String>,
}

impl Server {
    async fn start(script: Vec<Act>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            play(stream, script).await
        });
        Self { address, heard }
    }

    /// Sends a letter to it and returns what came of it, and all that the server heard.
    async fn receive(
        self,
        security: Security,
        login: Option<Login>,
    ) -> (Result<(), SendError>, String) {
        let outbox = SmtpOutbox::new(Settings {
            host: "127.0.0.1".into(),
            port: self.address.port(),
            security,
            ca_file: None,
            login,
            from: Address::parse("mcp@example.com").unwrap().into(),
            timeout: Duration::from_millis(700),
        });
        let sent = outbox.unwrap().send(&letter("ann@example.com"), &POSTMARK).await;
        (sent, self.heard.await.unwrap())
    }
}

const POSTMARK: Postmark = Postmark { at: SystemTime::UNIX_EPOCH, id: [7; 16] };

fn letter(to: &str) -> Letter {
    let subject = Line::parse("Reset your password").unwrap();
    let text = format!("Follow this link:\nhttps://mcp.example.com/reset/{TOKEN}\n");
    Letter::new(Address::parse(to).unwrap(), subject, &text).unwrap()
}

fn login() -> Login {
    Login { user: "mcp".into(), password: Secret::new("hunter2!".into()) }
}

async fn play(mut stream: TcpStream, script: Vec<Act>) -> String {
    let mut heard = Vec::new();
    for act in script {
        match act {
            // Who has left hears no more.
            Say(words) => drop(stream.write_all(words).await),
            Hear(end) => {
                let mut byte = [0];
                while !heard.ends_with(end) && stream.read(&mut byte).await.unwrap_or(0) == 1 {
                    heard.push(byte[0]);
                }
            }
            Drip(words) => {
                let mut pace = tokio::time::interval(Duration::from_millis(100));
                for byte in words {
                    pace.tick().await;
                    if stream.write_all(&[*byte]).await.is_err() {
                        break;
                    }
                }
            }
            Babble(words) => while stream.write_all(words).await.is_ok() {},
            Stall => break,
            HangUp => return String::from_utf8_lossy(&heard).into_owned(),
        }
    }
    // Until the client goes.
    let _ = stream.read_to_end(&mut heard).await;
    String::from_utf8_lossy(&heard).into_owned()
}

fn refused(code: u16, text: &str) -> Fault {
    Fault::Refused { code, text: text.into() }
}

#[tokio::test]
async fn a_server_without_starttls_hears_no_letter_no_name_and_no_password() {
    let script = vec![Say(b"220 hi\r\n"), Hear(b"EHLO [127.0.0.1]\r\n"), Say(HELLO)];
    let (sent, heard) =
        Server::start(script).await.receive(Security::StartTls, Some(login())).await;
    let error = sent.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::StartTls, &Fault::NoTls));
    assert!(!error.is_permanent());
    assert_eq!(heard, "EHLO [127.0.0.1]\r\n");
}

#[tokio::test]
async fn a_server_that_refuses_starttls_hears_nothing_more() {
    let script = vec![
        Say(b"220 hi\r\n"),
        Hear(b"EHLO [127.0.0.1]\r\n"),
        Say(b"250-mail.example\r\n250 STARTTLS\r\n"),
        Hear(b"STARTTLS\r\n"),
        Say(b"454 TLS not available\r\n"),
    ];
    let (sent, heard) =
        Server::start(script).await.receive(Security::StartTls, Some(login())).await;
    assert_eq!(sent.unwrap_err().fault(), &refused(454, "TLS not available"));
    assert_eq!(heard, "EHLO [127.0.0.1]\r\nSTARTTLS\r\n");
}

#[tokio::test]
async fn an_answer_slipped_in_before_tls_is_not_taken_for_the_servers() {
    let script = vec![
        Say(b"220 hi\r\n"),
        Hear(b"EHLO [127.0.0.1]\r\n"),
        Say(b"250-mail.example\r\n250 STARTTLS\r\n"),
        Hear(b"STARTTLS\r\n"),
        Say(b"220 go on\r\n250-evil.example\r\n250 AUTH PLAIN\r\n"),
    ];
    let (sent, _) = Server::start(script).await.receive(Security::StartTls, Some(login())).await;
    let error = sent.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::StartTls, &Fault::SpokeBeforeTls));
}

#[tokio::test]
async fn silence_ends_every_step_it_falls_into() {
    let until_mail =
        || vec![Say(b"220 hi\r\n"), Hear(b"EHLO [127.0.0.1]\r\n"), Say(HELLO), Hear(b">\r\n")];
    let with = |more: Vec<Act>| until_mail().into_iter().chain(more).collect::<Vec<_>>();
    let ok = || Say(b"250 ok\r\n");
    let slowly = Drip(b"220-one more line of many\r\n");
    let mut attempts = JoinSet::new();
    for (security, script, step) in [
        (Security::Plain, vec![Stall], Step::Greeting),
        (Security::Plain, vec![slowly], Step::Greeting),
        (Security::StartTls, vec![Stall], Step::Greeting),
        (Security::Tls, vec![Stall], Step::Tls),
        (Security::Plain, vec![Say(b"220 hi\r\n"), Stall], Step::Hello),
        (Security::StartTls, vec![Say(b"220 hi\r\n"), Stall], Step::StartTls),
        (Security::Plain, until_mail(), Step::Sender),
        (Security::Plain, with(vec![ok(), Hear(b">\r\n")]), Step::Recipient),
        (Security::Plain, with(vec![ok(), Hear(b">\r\n"), ok(), Hear(b"DATA\r\n")]), Step::Content),
    ] {
        attempts.spawn(async move {
            let (sent, _) = Server::start(script).await.receive(security, None).await;
            let error = sent.unwrap_err();
            let timed_out = Fault::TimedOut(Duration::from_millis(700));
            assert_eq!((error.step(), error.fault()), (step, &timed_out), "{security:?}");
            assert!(!error.is_permanent());
        });
    }
    attempts.join_all().await;
}

#[tokio::test]
async fn a_server_that_never_ends_its_answer_is_left() {
    let (sent, _) =
        Server::start(vec![Babble(b"220-more\r\n")]).await.receive(Security::Plain, None).await;
    let endless = Fault::NotSmtp("it does not end".into());
    assert_eq!(sent.unwrap_err().fault(), &endless);

    // Without an end of line, after the greeting: nothing there but memory would stop it.
    let script = vec![Say(b"220 hi\r\n"), Hear(b"EHLO [127.0.0.1]\r\n"), Babble(&[b'x'; 4096])];
    let (sent, _) = Server::start(script).await.receive(Security::Plain, None).await;
    let error = sent.unwrap_err();
    let endless = Fault::NotSmtp("the server does not stop talking".into());
    assert_eq!((error.step(), error.fault()), (Step::Hello, &endless));
}

#[tokio::test]
async fn a_server_that_hangs_up_or_speaks_something_else_is_said_so() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let heard = tokio::spawn(async move {
        drop(listener.accept().await.unwrap());
        String::new()
    });
    let (sent, _) = Server { address, heard }.receive(Security::Plain, None).await;
    assert_eq!(sent.unwrap_err().fault(), &Fault::Closed);

    let script = vec![Say(b"HTTP/1.1 400 Bad Request\r\n\r\n")];
    let (sent, _) = Server::start(script).await.receive(Security::Plain, None).await;
    assert_eq!(sent.unwrap_err().fault(), &Fault::NotSmtp("HTTP/1.1 400 Bad Request".into()));
}

#[tokio::test]
async fn a_server_that_turns_us_away_at_once_may_take_the_letter_later() {
    for (words, code) in [(&b"421 too many connections\r\n"[..], 421), (b"554 go away\r\n", 554)] {
        let (sent, _) = Server::start(vec![Say(words)]).await.receive(Security::Plain, None).await;
        let error = sent.unwrap_err();
        let Fault::Refused { code: said, .. } = error.fault() else { panic!("{error}") };
        assert_eq!((error.step(), *said, error.is_permanent()), (Step::Greeting, code, false));
    }
}

#[tokio::test]
async fn a_refused_password_is_not_in_the_error_though_the_server_repeats_it() {
    let script = vec![
        Say(b"220 hi\r\n"),
        Hear(b"EHLO [127.0.0.1]\r\n"),
        Say(HELLO),
        Hear(b"AUTH PLAIN AG1jcABodW50ZXIyIQ==\r\n"),
        Say(b"535 5.7.8 no: hunter2! (AG1jcABodW50ZXIyIQ==)\r\n"),
        Hear(b"QUIT\r\n"),
        Say(b"221 bye\r\n"),
    ];
    let (sent, _) = Server::start(script).await.receive(Security::Plain, Some(login())).await;
    let error = sent.unwrap_err();
    assert_eq!((error.step(), error.fault()), (Step::Login, &refused(535, "5.7.8 no: *** (***)")));
    assert!(!error.is_permanent() && !format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_server_without_login_is_sent_no_password() {
    let hello = b"250 mail.example\r\n";
    let script =
        vec![Say(b"220 hi\r\n"), Hear(b"EHLO [127.0.0.1]\r\n"), Say(hello), Hear(b"QUIT\r\n")];
    let (sent, heard) = Server::start(script).await.receive(Security::Plain, Some(login())).await;
    assert_eq!(sent.unwrap_err().fault(), &Fault::NoLogin);
    assert_eq!(heard, "EHLO [127.0.0.1]\r\nQUIT\r\n");
}

#[tokio::test]
async fn a_filter_that_quotes_the_link_does_not_get_it_into_the_error() {
    let mut script = until_content();
    script.extend([
        Hear(b"\r\n.\r\n"),
        Say(b"554 5.7.1 bad link: https://mcp.example.com/reset/O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ\r\n"),
        Hear(b"QUIT\r\n"),
        Say(b"221 bye\r\n"),
    ]);
    let (sent, heard) = Server::start(script).await.receive(Security::Plain, None).await;
    let error = sent.unwrap_err();
    let said = "5.7.1 bad link: https://mcp.example.com/reset/***";
    assert_eq!((error.step(), error.fault()), (Step::Content, &refused(554, said)));
    assert!(error.is_permanent());
    assert!(heard.contains(TOKEN), "the letter itself holds it: {heard}");
}

#[tokio::test]
async fn a_letter_is_not_read_out_to_a_server_that_did_not_ask_for_it() {
    let script = vec![
        Say(b"220 hi\r\n"),
        Hear(b"EHLO [127.0.0.1]\r\n"),
        Say(HELLO),
        Hear(b"MAIL FROM:<mcp@example.com>\r\n"),
        Say(b"250 ok\r\n"),
        Hear(b"RCPT TO:<ann@example.com>\r\n"),
        Say(b"250 ok\r\n"),
        Hear(b"DATA\r\n"),
        // Not 354: the lines of the letter would be commands.
        Say(b"250 ok\r\n"),
    ];
    let (sent, heard) = Server::start(script).await.receive(Security::Plain, None).await;
    assert_eq!(sent.unwrap_err().fault(), &Fault::NotSmtp("250 ok".into()));
    assert!(heard.ends_with("DATA\r\n"), "{heard}");
}

/// Up to the first line of the letter.
fn until_content() -> Vec<Act> {
    vec![
        Say(b"220 hi\r\n"),
        Hear(b"EHLO [127.0.0.1]\r\n"),
        Say(HELLO),
        Hear(b"MAIL FROM:<mcp@example.com>\r\n"),
        Say(b"250 ok\r\n"),
        Hear(b"RCPT TO:<ann@example.com>\r\n"),
        Say(b"250 ok\r\n"),
        Hear(b"DATA\r\n"),
        Say(b"354 go on\r\n"),
    ]
}

#[tokio::test]
async fn a_server_that_leaves_in_the_middle_of_a_letter_may_be_sent_it_again() {
    // Before all of it was heard, and after it, without a word of what became of it.
    for heard in [&b"Subject:"[..], b"\r\n.\r\n"] {
        let script = until_content().into_iter().chain([Hear(heard), HangUp]).collect();
        let (sent, _) = Server::start(script).await.receive(Security::Plain, None).await;
        let error = sent.unwrap_err();
        assert_eq!(error.step(), Step::Content, "{error}");
        assert!(!error.is_permanent(), "{error}");
    }
}

#[tokio::test]
async fn a_line_of_a_hundred_kilobytes_is_not_read_to_its_end() {
    const LONG: &[u8] = &[b'x'; 100 * 1024];
    let line = |code: &'static [u8]| [Say(code), Say(LONG), Say(b"\r\n"), Stall];
    let hello = [Say(b"220 hi\r\n"), Hear(b"EHLO [127.0.0.1]\r\n")];
    let letter = until_content().into_iter().chain([Hear(b"\r\n.\r\n")]);
    let attempts: [(Vec<Act>, Step); 3] = [
        (line(b"220 ").into(), Step::Greeting),
        (hello.into_iter().chain(line(b"250-")).collect(), Step::Hello),
        (letter.chain(line(b"554 ")).collect(), Step::Content),
    ];
    for (script, step) in attempts {
        let (sent, _) = Server::start(script).await.receive(Security::Plain, None).await;
        let error = sent.unwrap_err();
        assert_eq!(error.step(), step, "{error}");
        assert!(error.to_string().len() < 2_000, "no more of it is told than one can read");
    }
}
