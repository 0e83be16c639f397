//! What passes between a server and PostgreSQL, message by message: on the way of who connects
//! here, everything is noted before it is passed on.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// Whoever connected here.
    Server,
    /// The database.
    PostgreSql,
}

/// What one side sent until the other answered: the tags of its messages, one letter each
/// (PostgreSQL docs, "Message Formats").
pub type Turn = (Sender, String);

/// What passed on each connection, in the order of connecting.
#[derive(Default)]
pub struct Journal {
    connections: Mutex<Vec<Vec<Turn>>>,
    statements: Mutex<Vec<String>>,
    /// Words of statements that go no further for now.
    held: Mutex<&'static [&'static str]>,
    let_on: Condvar,
}

impl Journal {
    /// Opens a way to the PostgreSQL behind that socket. Gives the port on the loopback address
    /// where it begins, and what is noted.
    ///
    /// # Panics
    /// When there is no port to be had; later, on a thread of its own, when PostgreSQL is gone.
    #[must_use]
    pub fn before(socket: PathBuf) -> (u16, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("a bound address").port();
        let journal = Arc::new(Self::default());
        let noted = Arc::clone(&journal);
        // Ends with the process, as every thread of it.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let postgres = UnixStream::connect(&socket).expect("PostgreSQL listens");
                noted.carry_both_ways(client, postgres);
            }
        });
        (port, journal)
    }

    /// What has passed on the newest connection since the last look, and how many there are.
    ///
    /// # Panics
    /// Never in practice.
    #[must_use]
    pub fn take_newest(&self) -> (usize, Vec<Turn>) {
        let mut connections = self.connections();
        let newest = connections.last_mut().map(std::mem::take).unwrap_or_default();
        (connections.len(), newest)
    }

    /// The statements that were sent on all connections since the last look, and how often a
    /// flight of messages went out.
    ///
    /// # Panics
    /// Never in practice.
    #[must_use]
    pub fn take_all(&self) -> (Vec<String>, usize) {
        let statements = std::mem::take(&mut *self.statements());
        let mut connections = self.connections();
        let turns = connections.iter_mut().flat_map(std::mem::take);
        (statements, turns.filter(|(sender, _)| *sender == Sender::Server).count())
    }

    /// Holds up every statement that has one of these words in it, before it is noted; none, and all
    /// go on.
    ///
    /// # Panics
    /// Never in practice.
    pub fn hold(&self, words: &'static [&'static str]) {
        *self.held.lock().expect("nobody panics here") = words;
        self.let_on.notify_all();
    }

    fn pass(&self, statement: &str) {
        let held = self.held.lock().expect("nobody panics here");
        let is_held = |words: &mut &[&str]| words.iter().any(|word| statement.contains(word));
        drop(self.let_on.wait_while(held, |words| is_held(words)).expect("nobody panics here"));
    }

    fn carry_both_ways(self: &Arc<Self>, client: std::net::TcpStream, postgres: UnixStream) {
        let back = (postgres.try_clone().expect("a copy"), client.try_clone().expect("a copy"));
        let connection = self.open();
        let (there, here) = (Arc::clone(self), Arc::clone(self));
        std::thread::spawn(move || there.carry(connection, Sender::Server, client, postgres));
        std::thread::spawn(move || here.carry(connection, Sender::PostgreSql, back.0, back.1));
    }

    fn carry(&self, connection: usize, sender: Sender, mut from: impl Read, mut to: impl Write) {
        let (mut bytes, mut messages) = ([0; 4096], Messages::of(sender));
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            messages.pending.extend_from_slice(&bytes[..count]);
            while let Some(message) = messages.next() {
                self.note(connection, sender, &message);
            }
            if to.write_all(&bytes[..count]).is_err() {
                return;
            }
        }
    }

    fn note(&self, connection: usize, sender: Sender, message: &Message) {
        if (sender, message.tag) == (Sender::Server, b'P') {
            let statement = message.statement();
            self.pass(&statement);
            self.statements().push(statement);
        }
        let turns = &mut self.connections()[connection];
        match turns.last_mut() {
            Some((last, tags)) if *last == sender => tags.push(char::from(message.tag)),
            _ => turns.push((sender, char::from(message.tag).to_string())),
        }
    }

    fn open(&self) -> usize {
        let mut connections = self.connections();
        connections.push(Vec::new());
        connections.len() - 1
    }

    fn connections(&self) -> MutexGuard<'_, Vec<Vec<Turn>>> {
        self.connections.lock().expect("nobody panics here")
    }

    fn statements(&self) -> MutexGuard<'_, Vec<String>> {
        self.statements.lock().expect("nobody panics here")
    }
}

struct Message {
    /// 0 for one without.
    tag: u8,
    body: Vec<u8>,
}

impl Message {
    /// The text of a Parse message: behind the name, which ends with a zero as it does.
    fn statement(&self) -> String {
        let text = self.body.split(|byte| *byte == 0).nth(1).unwrap_or_default();
        String::from_utf8_lossy(text).into_owned()
    }
}

/// One direction of a connection, cut into messages.
struct Messages {
    pending: Vec<u8>,
    /// The first message of a client bears no tag.
    begun: bool,
}

impl Messages {
    fn of(sender: Sender) -> Self {
        Self { pending: Vec::new(), begun: sender == Sender::PostgreSql }
    }

    /// The next whole message.
    fn next(&mut self) -> Option<Message> {
        let tagged = usize::from(self.begun);
        let length = self.pending.get(tagged..)?.first_chunk::<4>()?;
        let total = tagged + usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let message = self.pending.get(..total)?;
        let tag = if self.begun { message[0] } else { 0 };
        let body = message[tagged + 4..].to_vec();
        self.begun = true;
        self.pending.drain(..total);
        Some(Message { tag, body })
    }
}
