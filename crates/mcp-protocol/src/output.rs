//! The bytes of an answer on their way out, and the messages that go before them.

use std::sync::Arc;

use crate::tool::BoxFuture;

/// Nobody reads the answer any more. Whoever meets this stops working on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client is gone")]
pub struct Gone;

/// Something that leaves before the answer is whole.
#[derive(Debug, PartialEq, Eq)]
pub enum Part {
    /// A part of the answer. Once one has left, messages can no longer go before it.
    Answer(Vec<u8>),
    /// A whole message of its own: a notification, or a question.
    Message(Vec<u8>),
    /// The client may go, and ask for the rest later.
    LetGo,
}

/// Takes what leaves before the answer is whole, one part at a time: a producer waits until the
/// last one is on its way, and so does PostgreSQL behind it.
pub trait Sink: Send + Sync {
    /// Sends a part, as soon as there is room for it.
    fn send(&self, part: Part) -> BoxFuture<'_, Result<(), Gone>>;

    /// Whether messages reach the client. Where they do not, none is sent.
    fn carries_messages(&self) -> bool;
}

/// An answer being written: small ones stay in the buffer until they are whole; large ones leave
/// in parts as they grow.
pub struct Output {
    buffer: Vec<u8>,
    sink: Option<Arc<dyn Sink>>,
    streams: bool,
    /// A part of the answer has left.
    begun: bool,
}

impl Output {
    /// A part leaves when it is this large, in bytes.
    pub const PART: usize = 32 * 1024;

    /// An answer whose parts leave through `sink` as they grow.
    #[must_use]
    pub fn streamed(sink: Arc<dyn Sink>) -> Self {
        Self { streams: true, ..Self::beside(sink) }
    }

    /// An answer that is held until it is whole; messages leave through `sink`.
    #[must_use]
    pub fn beside(sink: Arc<dyn Sink>) -> Self {
        Self { sink: Some(sink), ..Self::held() }
    }

    /// An answer that is held until it is whole, and nothing goes before it.
    #[must_use]
    pub fn held() -> Self {
        Self { buffer: Vec::with_capacity(512), sink: None, streams: false, begun: false }
    }

    /// One that is held beside this one, for a part of it.
    pub(crate) fn alone(&self) -> Self {
        Self { sink: self.sink.clone(), ..Self::held() }
    }

    /// The way of messages that go before the answer.
    pub(crate) fn messages(&self) -> Messages {
        Messages(self.sink.clone())
    }

    /// Appends bytes as they are.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Appends text as the inside of a JSON string.
    pub(crate) fn push_escaped(&mut self, text: &str) {
        escape_into(&mut self.buffer, text);
    }

    /// Where the next byte will stand.
    pub(crate) fn mark(&self) -> usize {
        self.buffer.len()
    }

    /// Takes back what was written since `mark`; `false` if some of the answer has left already.
    pub(crate) fn rewind(&mut self, mark: usize) -> bool {
        if !self.begun {
            self.buffer.truncate(mark);
        }
        !self.begun
    }

    /// Lets a part leave if one has grown, waiting until there is room for it.
    pub(crate) async fn relieve(&mut self) -> Result<(), Gone> {
        if self.buffer.len() < Self::PART || !self.streams {
            return Ok(());
        }
        let Some(sink) = &self.sink else { return Ok(()) };
        self.begun = true;
        sink.send(Part::Answer(std::mem::take(&mut self.buffer))).await
    }

    /// The same, with a part before it that has left already.
    pub(crate) fn after(mut self, part: Vec<u8>) -> Self {
        self.buffer.splice(..0, part);
        self
    }

    /// What has not left yet: the whole answer, or its last part.
    #[must_use]
    pub fn into_rest(self) -> Vec<u8> {
        self.buffer
    }
}

/// The way of messages that go before an answer.
#[derive(Clone)]
pub(crate) struct Messages(Option<Arc<dyn Sink>>);

impl Messages {
    /// Whether there is any point in sending one.
    pub(crate) fn reach_the_client(&self) -> bool {
        self.0.as_ref().is_some_and(|sink| sink.carries_messages())
    }

    pub(crate) async fn send(&self, part: Part) -> Result<(), Gone> {
        match &self.0 {
            Some(sink) => sink.send(part).await,
            None => Ok(()),
        }
    }
}

/// Appends `text` as the inside of a JSON string (RFC 8259 §7). Also escapes U+2028 and U+2029,
/// which end a line for some readers of logs and event streams.
fn escape_into(buffer: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut done = 0;
    let suspects = bytes.iter().enumerate().filter(|(_, byte)| SUSPECT[usize::from(**byte)]);
    for (place, &byte) in suspects {
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

/// The bytes at which an escape may begin. All others, and so nearly every one, are passed over at
/// a look.
const SUSPECT: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = matches!(byte, 0..0x20 | 0x22 | 0x5c | 0x7f | 0xe2);
        byte += 1;
    }
    table
};

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
