//! A small HTTP/1.1 client: it sends exactly what a test says, which no polite client would.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// Writing to a string does not fail.
const FITS: &str = "a string has room";

/// How long any answer may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// One request.
#[derive(Clone, Debug)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// One response, read to its end.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, with a chunked one put together.
    pub body: Vec<u8>,
}

impl Request {
    /// A request without a body.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.into(), path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of JSON to the MCP endpoint.
    #[must_use]
    pub fn mcp(message: &Value) -> Self {
        Self::raw_mcp(&message.to_string())
    }

    /// A POST of a text that need not be JSON to the MCP endpoint.
    #[must_use]
    pub fn raw_mcp(body: &str) -> Self {
        Self::new("POST", "/mcp/v1").header("Content-Type", "application/json").body(body)
    }

    /// Adds a header; the same name twice is sent twice.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a bearer token.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: &str) -> Self {
        self.body = body.as_bytes().to_vec();
        self
    }

    /// Sends it on a connection of its own and reads the answer to its end.
    ///
    /// # Panics
    /// When there is no well-formed answer in time: a failed test.
    #[must_use]
    pub fn send(&self, to: SocketAddr) -> Response {
        Response::parse(&self.exchange(to).expect("an answer comes in time"))
    }

    /// As [`send`](Self::send), to a server that may die any moment. `None`: there is no whole
    /// answer, and nobody knows what the server did.
    #[must_use]
    pub fn try_send(&self, to: SocketAddr) -> Option<Response> {
        let bytes = self.exchange(to).ok()?;
        bytes.windows(4).find(|at| at == b"\r\n\r\n")?;
        let response = Response::parse(&bytes);
        let promised = response.header("content-length")?.parse();
        (promised == Ok(response.body.len())).then_some(response)
    }

    /// Sends it, and leaves the answer to be read as it comes: whoever drops the stream is a
    /// client that went away.
    ///
    /// # Panics
    /// When it cannot be sent.
    #[must_use]
    pub fn begin(&self, to: SocketAddr) -> TcpStream {
        self.start(to).expect("the server takes the request")
    }

    fn start(&self, to: SocketAddr) -> std::io::Result<TcpStream> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(&self.bytes(to))?;
        Ok(stream)
    }

    /// What comes back until the server closes the connection.
    fn exchange(&self, to: SocketAddr) -> std::io::Result<Vec<u8>> {
        let mut stream = self.start(to)?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn bytes(&self, to: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            write!(head, "Host: {to}\r\n").expect(FITS);
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").expect(FITS);
        }
        if !self.body.is_empty() || self.method == "POST" {
            write!(head, "Content-Length: {}\r\n", self.body.len()).expect(FITS);
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

impl Response {
    /// Reads a whole answer.
    ///
    /// # Panics
    /// When it is not one.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Self {
        let split = bytes.windows(4).position(|at| at == b"\r\n\r\n").expect("headers end");
        let head = std::str::from_utf8(&bytes[..split]).expect("headers are text");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status");
        let headers: Vec<_> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let body = &bytes[split + 4..];
        let chunked = headers.iter().any(|(name, value)| {
            name == "transfer-encoding" && value.eq_ignore_ascii_case("chunked")
        });
        let body = if chunked { unchunk(body) } else { body.to_vec() };
        Self { status: status.parse().expect("a number"), headers, body }
    }

    /// The value of a header, if it is there once.
    ///
    /// # Panics
    /// When it is there twice.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} is there twice");
        first
    }

    /// The body as text.
    ///
    /// # Panics
    /// When it is not UTF-8.
    #[must_use]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// When it is not JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|fault| panic!("{fault} in {}", String::from_utf8_lossy(&self.body)))
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|at| at == b"\r\n").expect("a chunk has a size");
        let size = std::str::from_utf8(&rest[..line]).expect("a size is text");
        let size = usize::from_str_radix(size.trim(), 16).expect("a size is hexadecimal");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 2 + size + 2..];
    }
}
