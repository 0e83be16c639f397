//! The next connection: a permit first, then the accept, with a pause when the system has no
//! descriptors left.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use crate::listener::BACKLOG;

/// The first pause; each further one is twice as long.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Callers of the kernel's queue that are looked at before it is closed: a flood must not keep it
/// open.
const LAST_CALLERS: u32 = BACKLOG;

/// A connection that was let in.
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// Given back when it is dropped.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// The owner of the listening socket and of the cap.
pub(crate) struct Acceptor {
    socket: TcpListener,
    permits: Arc<Semaphore>,
    pause: Pause,
}

impl Acceptor {
    pub(crate) fn new(socket: TcpListener, max_connections: usize) -> Self {
        let permits = Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS));
        Self { socket, permits: Arc::new(permits), pause: Pause::default() }
    }

    /// Waits for room, then for a caller. Safe to drop while waiting: the pause goes on.
    pub(crate) async fn next(&mut self) -> Accepted {
        loop {
            self.pause.over().await;
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                // Nobody closes the semaphore; if somebody did, nobody would be let in.
                std::future::pending().await
            };
            match self.socket.accept().await {
                Ok((stream, peer)) => {
                    self.pause.end();
                    return Accepted { stream, peer, permit };
                }
                Err(error) if is_of_one_caller(&error) => {}
                Err(error) => self.pause.begin(&error, Instant::now()),
            }
        }
    }

    /// Takes those in who wait already, as far as there is room, and closes the socket. Whoever
    /// was left in the kernel's queue would be cut off with his request in it.
    pub(crate) fn close(self) -> Vec<Accepted> {
        // Not through the runtime: it may not have heard yet who is waiting.
        let Ok(socket) = self.socket.into_std() else { return Vec::new() };
        let mut last = Vec::new();
        for _ in 0..LAST_CALLERS {
            let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else { break };
            match socket.accept().and_then(|(stream, peer)| Ok((nonblocking(stream)?, peer))) {
                Ok((stream, peer)) => last.push(Accepted { stream, peer, permit }),
                Err(error) if is_of_one_caller(&error) => {}
                Err(_) => break,
            }
        }
        last
    }
}

fn nonblocking(stream: std::net::TcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

/// Did only this one connection fail, so that the next can be accepted at once?
fn is_of_one_caller(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}

/// The pause after an accept that failed for want of something: descriptors (EMFILE, ENFILE) or
/// memory. To ask again at once would spin, and to give up the socket would help nobody.
#[derive(Debug, Default)]
struct Pause {
    until: Option<Instant>,
    length: Option<Duration>,
}

impl Pause {
    fn begin(&mut self, error: &io::Error, now: Instant) {
        if self.length.is_none() {
            warn!(%error, "Cannot accept connections; trying again with growing pauses");
        }
        let length = self.length.map_or(SHORTEST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.length = Some(length);
        self.until = Some(now + length);
    }

    /// Waits until it may be tried again.
    async fn over(&mut self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
            self.until = None;
        }
    }

    fn end(&mut self) {
        if self.length.take().is_some() {
            info!("Accepting connections again");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// EMFILE, by its number on Linux and macOS.
    const TOO_MANY_OPEN_FILES: i32 = 24;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_from_10_ms_to_a_second_and_start_over_after_a_success() {
        let emfile = io::Error::from_raw_os_error(TOO_MANY_OPEN_FILES);
        assert!(!is_of_one_caller(&emfile));
        let mut pause = Pause::default();
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let before = Instant::now();
            pause.begin(&emfile, before);
            pause.over().await;
            pauses.push(before.elapsed().as_millis());
        }
        assert_eq!(pauses, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
        pause.end();
        pause.begin(&emfile, Instant::now());
        assert_eq!(pause.length, Some(SHORTEST_PAUSE));
    }

    #[test]
    fn a_caller_who_hangs_up_in_the_queue_costs_no_pause() {
        assert!(is_of_one_caller(&io::ErrorKind::ConnectionAborted.into()));
    }
}
