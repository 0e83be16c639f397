//! The bytes of an answer on their way out.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Nobody reads the answer any more. Whoever meets this stops working on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Takes the parts of an answer that is too large to be held. One part at a time: a producer
/// waits until the last one is on its way, and so does PostgreSQL behind it.
pub trait Sink: Send + Sync {
    /// Ready when the next part may be sent.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>>;

    /// Takes a part. Called only after `poll_ready` said so.
    fn send(&self, part: Vec<u8>);
}

/// An answer being written: small ones stay in the buffer until they are whole; large ones leave
/// in parts as they grow.
pub struct Output {
    buffer: Vec<u8>,
    sink: Option<Arc<dyn Sink>>,
}

impl Output {
    /// A part leaves when it is this large, in bytes.
    pub const PART: usize = 32 * 1024;

    /// An answer whose parts leave through `sink` as they grow.
    #[must_use]
    pub fn streamed(sink: Arc<dyn Sink>) -> Self {
        Self { buffer: Vec::with_capacity(512), sink: Some(sink) }
    }

    /// An answer that is held until it is whole.
    #[must_use]
    pub fn held() -> Self {
        Self { buffer: Vec::with_capacity(512), sink: None }
    }

    /// Appends bytes as they are.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends text as the inside of a JSON string.
    pub(crate) fn push_escaped(&mut self, text: &str) {
        escape_into(&mut self.buffer, text);
    }

    /// Lets a part leave if one has grown, waiting until there is room for it.
    pub(crate) async fn relieve(&mut self) -> Result<(), Gone> {
        if self.buffer.len() < Self::PART {
            return Ok(());
        }
        let Some(sink) = &self.sink else { return Ok(()) };
        poll_fn(|cx| sink.poll_ready(cx)).await?;
        sink.send(std::mem::take(&mut self.buffer));
        Ok(())
    }

    /// What has not left yet: the whole answer, or its last part.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259 §7). Also escapes U+2028 and U+2029,
/// which end a line for some readers of logs and event streams.
fn escape_into(buffer: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut done = 0;
    for (place, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0..0x20 => {
                &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
            }
            0x7f => b"\\u007f",
            0xe2 if bytes[place..].starts_with("\u{2028}".as_bytes()) => b"\\u2028",
            0xe2 if bytes[place..].starts_with("\u{2029}".as_bytes()) => b"\\u2029",
            _ => continue,
        };
        buffer.extend_from_slice(&bytes[done..place]);
        buffer.extend_from_slice(escape);
        done = place + if byte == 0xe2 { 3 } else { 1 };
    }
    buffer.extend_from_slice(&bytes[done..]);
}

#[cfg(test)]
mod tests {
    use super::escape_into;

    #[test]
    fn every_text_comes_back_from_its_escaped_form() {
        let every: String = ('\0'..='\u{2100}').chain(['\u{1F600}', '\u{FFFD}']).collect();
        let mut escaped = vec![b'"'];
        escape_into(&mut escaped, &every);
        escaped.push(b'"');
        assert_eq!(serde_json::from_slice::<String>(&escaped).unwrap(), every);
        let line_breaks: [&[u8]; 4] = [b"\n", b"\r", b"\xe2\x80\xa8", b"\xe2\x80\xa9"];
        for line_break in line_breaks {
            assert!(!escaped.windows(line_break.len()).any(|at| at == line_break));
        }
    }
}
