//! The way of one server to the database of the credentials, which can lose what it carries.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// What is lost on the way.
#[derive(Clone, Copy)]
#[repr(u8)]
pub(super) enum Loss {
    Nothing = 0,
    /// What connections carry that listen for changes.
    Word = 1,
    Everything = 2,
}

/// A way on which everything stays open, and what is lost is lost without a sign. A connection
/// that lost something carries nothing any more.
pub(super) struct Line {
    port: u16,
    loss: Arc<AtomicU8>,
}

impl Line {
    pub(super) fn to(socket: PathBuf) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let loss = Arc::new(AtomicU8::new(Loss::Nothing as u8));
        let shared = Arc::clone(&loss);
        // Ends with the process of the test, as every thread of it.
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A database that is down ends the connection of whoever asks for it.
                let Ok(server) = UnixStream::connect(&socket) else { continue };
                let listens = Arc::new(AtomicBool::new(false));
                let way = Way { loss: Arc::clone(&shared), listens };
                let (back, other) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                let way_back = way.clone();
                std::thread::spawn(move || way.carry(client, server));
                std::thread::spawn(move || way_back.carry(back, other));
            }
        });
        Self { port, loss }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn lose(&self, loss: Loss) {
        self.loss.store(loss as u8, Ordering::SeqCst);
    }
}

/// One direction of a connection.
#[derive(Clone)]
struct Way {
    loss: Arc<AtomicU8>,
    /// Whether the connection listens for changes, as far as was seen.
    listens: Arc<AtomicBool>,
}

impl Way {
    fn carry(&self, mut from: impl Read, mut to: impl Write) {
        let mut bytes = [0; 8192];
        let mut lost = false;
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let carried = &bytes[..count];
            if carried.windows(6).any(|word| word == b"LISTEN") {
                self.listens.store(true, Ordering::SeqCst);
            }
            lost |= self.loses();
            if !lost && to.write_all(carried).is_err() {
                return;
            }
        }
    }

    fn loses(&self) -> bool {
        let loss = self.loss.load(Ordering::SeqCst);
        let word = loss == Loss::Word as u8 && self.listens.load(Ordering::SeqCst);
        loss == Loss::Everything as u8 || word
    }
}
