//! One keep-alive connection of a client that spends as little as it can.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Connection {
    /// Connects from that address; all of 127.0.0.0/8 is this machine's.
    pub(crate) async fn open(from: IpAddr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from, 0))?;
        let stream = socket.connect(to).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(16 * 1024) })
    }

    pub(crate) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = whole(&self.received)? {
                return Ok(answer);
            }
        }
    }

    /// Asks for an answer that comes in chunks, and keeps only its end.
    pub(crate) async fn ask_for_stream(&mut self, request: &[u8]) -> io::Result<Streamed> {
        let begin = Instant::now();
        self.stream.write_all(request).await?;
        let (mut first, mut bytes, mut end) = (None, 0, Vec::new());
        while !end.ends_with(LAST_CHUNK) {
            self.received.clear();
            let count = self.stream.read_buf(&mut self.received).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            first.get_or_insert_with(|| begin.elapsed());
            bytes += count;
            end.extend_from_slice(&self.received);
            end.drain(..end.len().saturating_sub(KEPT));
        }
        let last = begin.elapsed();
        Ok(Streamed { first: first.unwrap_or(last), last, bytes, end })
    }
}

/// What stands behind the last chunk of an answer that is streamed (RFC 9112, section 7.1).
const LAST_CHUNK: &[u8] = b"\r\n0\r\n\r\n";
/// How much of the end of an answer is kept.
const KEPT: usize = 256;

/// An answer that was read and dropped as it came.
pub(crate) struct Streamed {
    /// From the request to the first byte of the answer, and to the last.
    pub(crate) first: Duration,
    pub(crate) last: Duration,
    pub(crate) bytes: usize,
    /// The end of it, where the tool says how many rows there were.
    pub(crate) end: Vec<u8>,
}

/// A POST of JSON to the MCP endpoint.
pub(crate) fn post(to: SocketAddr, token: Option<&str>, body: &str) -> Vec<u8> {
    let bearer = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    let length = body.len();
    format!(
        "POST /mcp/v1 HTTP/1.1\r\nHost: {to}\r\nContent-Type: application/json\r\n\
         {bearer}Content-Length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The answer, as soon as all of it has come. It says its length, or comes in chunks, which stay
/// as they are.
fn whole(received: &[u8]) -> io::Result<Option<Answer>> {
    let malformed = || io::Error::new(io::ErrorKind::InvalidData, "an answer without a length");
    let Some(split) = received.windows(4).position(|at| at == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&received[..split]).to_ascii_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    if head.contains("\r\ntransfer-encoding: chunked") {
        let body = &received[split + 4..];
        let status = status.ok_or_else(malformed)?;
        return Ok(body.ends_with(LAST_CHUNK).then(|| Answer { status, body: body.to_vec() }));
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok());
    let (status, length): (u16, usize) = status.zip(length).ok_or_else(malformed)?;
    let body = received.get(split + 4..split + 4 + length);
    Ok(body.map(|body| Answer { status, body: body.to_vec() }))
}
