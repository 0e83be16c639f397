//! MCP on standard input and output: one message a line.

use std::io;
use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_identity::Principal;
use mcp_protocol::{BoxFuture, Conversation, Exchange, Feed, Gone, Output, Part, Server, Sink};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};
use tokio::sync::mpsc;

/// The longest line, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// How many messages are worked on at once; the next line waits. More than there can be open
/// questions: or a client that is asked could not answer.
const MAX_IN_FLIGHT: usize = 300;
/// Messages that wait to be written; who sends another waits too.
const MAX_WAITING: usize = 16;

/// Serves the local caller until the input ends and everything asked is answered.
///
/// # Errors
/// When standard input or output fails; requests under way are dropped then.
pub async fn serve_stdio(
    server: &Server<Principal>,
    principal: &Principal,
    input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> io::Result<()> {
    let mut lines = Lines { input, line: Vec::new(), too_long: false };
    let (sender, messages) = mpsc::channel(MAX_WAITING);
    let desk = Desk { server, principal, conversation: Conversation::default(), messages: sender };
    let mut tray = Tray { messages, feed: server.feed() };
    let mut in_flight = FuturesUnordered::new();
    let mut open = true;
    while open || !in_flight.is_empty() {
        let written = tokio::select! {
            // What is begun is finished before more is taken in.
            biased;
            Some(answer) = in_flight.next(), if !in_flight.is_empty() => tray.with_answer(answer),
            messages = tray.next(&desk.conversation) => messages,
            line = lines.next(), if open && in_flight.len() < MAX_IN_FLIGHT => {
                if let Some(line) = line? {
                    in_flight.push(desk.answer(line));
                } else {
                    open = false;
                    desk.close();
                }
                continue;
            }
        };
        for line in written {
            write_line(&mut output, line).await?;
        }
    }
    Ok(())
}

/// What is to be written, but for the answers.
struct Tray {
    messages: mpsc::Receiver<Vec<u8>>,
    /// `None`: nothing changes any more.
    feed: Option<Feed>,
}

impl Tray {
    /// Waits for the messages of requests, and for changes.
    async fn next(&mut self, conversation: &Conversation) -> Vec<Vec<u8>> {
        tokio::select! {
            Some(message) = self.messages.recv() => vec![message],
            changes = hear(&mut self.feed, conversation) => changes,
        }
    }

    /// An answer, after the messages that were sent before it.
    fn with_answer(&mut self, answer: Vec<u8>) -> Vec<Vec<u8>> {
        let mut written = Vec::new();
        while let Ok(message) = self.messages.try_recv() {
            written.push(message);
        }
        written.push(answer);
        written
    }
}

/// Changes that the client hears of, once it has begun in the legacy era.
async fn hear(feed: &mut Option<Feed>, conversation: &Conversation) -> Vec<Vec<u8>> {
    let Some(heard) = feed else { return std::future::pending().await };
    let Some(changes) = heard.next(conversation).await else {
        *feed = None;
        return Vec::new();
    };
    if conversation.handshake().is_some() { changes } else { Vec::new() }
}

/// What came in one line.
enum Line {
    Message(Vec<u8>),
    /// More than a message may have; nothing of it was kept.
    TooLong,
}

/// Where the lines of the one client are answered.
struct Desk<'s> {
    server: &'s Server<Principal>,
    principal: &'s Principal,
    conversation: Conversation,
    messages: mpsc::Sender<Vec<u8>>,
}

impl Desk<'_> {
    /// The client says nothing more.
    fn close(&self) {
        self.conversation.end();
        self.server.end_listening();
    }

    async fn answer(&self, line: Line) -> Vec<u8> {
        let message = match line {
            Line::Message(message) => message,
            Line::TooLong => return TOO_LONG.to_vec(),
        };
        let exchange = Exchange {
            principal: self.principal,
            message: &message,
            headers: None,
            conversation: Some(&self.conversation),
        };
        let output = Output::beside(Arc::new(Written(self.messages.clone())));
        self.server.handle(exchange, output).await.output.into_rest()
    }
}

/// Messages that go before an answer, on their way to standard output.
struct Written(mpsc::Sender<Vec<u8>>);

impl Sink for Written {
    fn send(&self, part: Part) -> BoxFuture<'_, Result<(), Gone>> {
        Box::pin(async move {
            match part {
                Part::Message(message) => self.0.send(message).await.map_err(|_| Gone),
                // The client is on the other end of a pipe: it stays, and gets whole answers.
                Part::Answer(_) | Part::LetGo => Ok(()),
            }
        })
    }

    fn carries_messages(&self) -> bool {
        true
    }
}

const TOO_LONG: &[u8] = br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"Parse error: a message has at most 1048576 bytes"}}"#;

async fn write_line(output: &mut (impl AsyncWrite + Unpin), mut answer: Vec<u8>) -> io::Result<()> {
    if answer.is_empty() {
        return Ok(());
    }
    answer.push(b'\n');
    output.write_all(&answer).await?;
    output.flush().await
}

/// Reads lines; a read that is dropped half-way goes on where it stopped.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
    too_long: bool,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The next line that is not blank; `None` at the end of the input.
    async fn next(&mut self) -> io::Result<Option<Line>> {
        loop {
            let room = (MAX_LINE + 1).saturating_sub(self.line.len() as u64);
            let read = (&mut self.input).take(room).read_until(b'\n', &mut self.line).await?;
            let ended = self.line.last() == Some(&b'\n');
            if !ended && read > 0 {
                // One line must not end the conversation: its rest is read and dropped.
                if self.line.len() as u64 > MAX_LINE {
                    self.too_long = true;
                    self.line.clear();
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.too_long) {
                return Ok(Some(Line::TooLong));
            }
            if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                return Ok(Some(Line::Message(line)));
            }
            if read == 0 {
                return Ok(None);
            }
        }
    }
}
