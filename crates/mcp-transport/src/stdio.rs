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

/// The wire broke.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// Standard input or output failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A line that no message needs. What follows cannot be told apart from it.
    #[error("a line on standard input is longer than {MAX_LINE} bytes")]
    LineTooLong,
}

/// Serves the local caller until the input ends and everything asked is answered.
///
/// # Errors
/// [`StdioError`] when the wire breaks; requests under way are dropped then.
pub async fn serve_stdio(
    server: &Server<Principal>,
    principal: &Principal,
    input: impl AsyncBufRead + Unpin,
    mut output: impl AsyncWrite + Unpin,
) -> Result<(), StdioError> {
    let mut lines = Lines { input, line: Vec::new() };
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

async fn answer(server: &Server<Principal>, principal: &Principal, message: Vec<u8>) -> Vec<u8> {
    let exchange = Exchange { principal, message: &message, headers: None };
    server.handle(exchange, Output::held()).await.output.into_rest()
}

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
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    /// The next line that is not blank; `None` at the end of the input.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, StdioError> {
        loop {
            let room = (MAX_LINE + 1).saturating_sub(self.line.len() as u64);
            let read = (&mut self.input).take(room).read_until(b'\n', &mut self.line).await?;
            if self.line.last() == Some(&b'\n') || read == 0 {
                let line = std::mem::take(&mut self.line);
                if line.iter().any(|byte| !byte.is_ascii_whitespace()) {
                    return Ok(Some(line));
                }
                if read == 0 {
                    return Ok(None);
                }
            } else if self.line.len() as u64 > MAX_LINE {
                return Err(StdioError::LineTooLong);
            }
        }
    }
}
