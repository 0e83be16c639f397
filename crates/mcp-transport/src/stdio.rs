//! MCP on standard input and output: one message a line.

use std::io;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use mcp_identity::Principal;
use mcp_protocol::{Exchange, Output, Server};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

/// The longest line, in bytes.
const MAX_LINE: u64 = 1024 * 1024;
/// How many requests are worked on at once; the next line waits.
const MAX_IN_FLIGHT: usize = 16;

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
    let mut in_flight = FuturesUnordered::new();
    let mut open = true;
    while open || !in_flight.is_empty() {
        let answer = tokio::select! {
            Some(answer) = in_flight.next(), if !in_flight.is_empty() => answer,
            line = lines.next(), if open && in_flight.len() < MAX_IN_FLIGHT => {
                match line? {
                    Some(line) => in_flight.push(answer(server, principal, line)),
                    None => open = false,
                }
                continue;
            }
        };
        write_line(&mut output, answer).await?;
    }
    Ok(())
}

/// What came in one line.
enum Line {
    Message(Vec<u8>),
    /// More than a message may have; nothing of it was kept.
    TooLong,
}

async fn answer(server: &Server<Principal>, principal: &Principal, line: Line) -> Vec<u8> {
    let message = match line {
        Line::Message(message) => message,
        Line::TooLong => return TOO_LONG.to_vec(),
    };
    let exchange = Exchange { principal, message: &message, headers: None };
    server.handle(exchange, Output::held()).await.output.into_rest()
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
