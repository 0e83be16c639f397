//! A letter that is under way when the server is told to stop.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::recovery::{audited, forgot, house, smtp};

/// A mail server that has all of a letter and thinks about it until it is told what to say.
struct Thoughtful {
    port: u16,
    has_all: Receiver<()>,
    verdict: Sender<&'static str>,
}

impl Thoughtful {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (having, has_all) = channel();
        let (verdict, told) = channel();
        // Ends with its one client, or with the process of the test.
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            serve(&mut client, &having, &told);
        });
        Self { port, has_all, verdict }
    }
}

fn serve(client: &mut TcpStream, having: &Sender<()>, told: &Receiver<&'static str>) {
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
    let mut say = |line: &str| client.write_all(format!("{line}\r\n").as_bytes()).unwrap();
    say("220 mail.test");
    while let Some(command) = lines.next() {
        match command.get(..4).unwrap_or_default() {
            "DATA" => {
                say("354 go on");
                assert!(lines.any(|line| line == "."), "the letter has an end");
                having.send(()).unwrap();
                say(told.recv().unwrap());
            }
            "QUIT" => return say("221 bye"),
            _ => say("250 ok"),
        }
    }
}

#[test]
fn what_becomes_of_a_letter_while_the_server_stops_is_on_record() {
    for (verdict, outcome) in [("250 taken", "done"), ("554 no", "failed")] {
        let mail = Thoughtful::start();
        let installation = house(&smtp(mail.port));
        let mut server = installation.start();
        let to = server.address();
        assert_eq!(forgot(to, "alice@example.com").status, 200);
        mail.has_all.recv().unwrap();
        server.signal("TERM");
        assert!(support::eventually(|| TcpStream::connect(to).is_err()), "it listens no more");
        mail.verdict.send(verdict).unwrap();
        assert!(server.wait().success(), "{}", server.log());
        let sent = audited(&installation, "send_letter");
        let outcomes: Vec<_> = sent.iter().map(|event| event["outcome"].clone()).collect();
        assert_eq!(outcomes, [outcome], "{verdict}: {}", server.log());
    }
}
