//! The read buffer, cut into messages.

use std::ops::Range;

use tokio::io::AsyncReadExt as _;

use crate::error::WireError;
use crate::stream::Stream;

/// What a read asks for, and what the buffer shrinks back to.
const CHUNK: usize = 32 * 1024;
/// A tag, and a length that counts itself.
const HEADER: usize = 5;

/// One buffer, reused for the life of a connection. A message lies in it whole until the next
/// one is asked for, so that rows can be borrowed from it.
pub(crate) struct Input {
    bytes: Vec<u8>,
    /// Read and not yet handed out: `bytes[start..end]`.
    start: usize,
    end: usize,
    /// The largest message that is taken, header included.
    pub(crate) max_message: usize,
}

impl Input {
    pub(crate) fn new(max_message: usize) -> Self {
        Self { bytes: vec![0; CHUNK], start: 0, end: 0, max_message }
    }

    /// Nothing is left over.
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// The body of a message that [`Input::message`] just gave.
    pub(crate) fn body(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The tag of the next message, and where its body lies until the call after. Dropping the
    /// future loses nothing.
    pub(crate) async fn message(
        &mut self,
        stream: &mut Stream,
    ) -> Result<(u8, Range<usize>), WireError> {
        loop {
            let needed = match self.header()? {
                None => HEADER,
                Some((tag, total)) if self.end - self.start >= total => {
                    let body = self.start + HEADER..self.start + total;
                    self.start = body.end;
                    return Ok((tag, body));
                }
                Some((_, total)) => total,
            };
            self.make_room(needed);
            let count = stream.read(&mut self.bytes[self.end..]).await?;
            if count == 0 {
                return Err(WireError::Closed);
            }
            self.end += count;
        }
    }

    /// Tag and whole length of the next message, once its header is there.
    fn header(&self) -> Result<Option<(u8, usize)>, WireError> {
        let unread = &self.bytes[self.start..self.end];
        let Some(&[tag, a, b, c, d]) = unread.first_chunk::<HEADER>() else { return Ok(None) };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        if length < HEADER - 1 {
            return Err(WireError::Protocol("a message shorter than its header"));
        }
        let total = length.saturating_add(1);
        if total > self.max_message {
            return Err(WireError::TooLarge { bytes: total, limit: self.max_message });
        }
        Ok(Some((tag, total)))
    }

    /// Gives back what a large message took, once everything is handed out. A connection that lies
    /// idle would keep it otherwise.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            self.bytes.truncate(CHUNK);
            self.bytes.shrink_to(CHUNK);
        }
    }

    /// Makes room behind `end` for more of a message of `needed` bytes. Grows by doubling, as
    /// bytes come: a length alone, which costs the sender nothing, gets no memory.
    fn make_room(&mut self, needed: usize) {
        if self.is_empty() {
            self.shrink();
        } else if self.end == self.bytes.len() || self.start + needed > self.bytes.len() {
            self.bytes.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.bytes.len() {
            let doubled = self.bytes.len() * 2;
            self.bytes.resize(doubled, 0);
        }
    }
}
