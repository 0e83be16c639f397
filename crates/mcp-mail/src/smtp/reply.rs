//! A server's answer (RFC 5321 §4.2), read off a stream that TLS may still have to take over.

use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::error::Fault;

/// The longest answer that is read here: a greeting, or what a server can do.
const LONGEST: usize = 16 << 10;

/// One answer, of one line or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// Its lines without their code.
    pub(super) lines: Vec<String>,
    /// As it was sent.
    pub(super) bytes: Vec<u8>,
}

impl Reply {
    /// Reads one answer; what came behind it stays in `ahead`.
    pub(super) async fn read(
        stream: &mut (impl AsyncRead + Unpin),
        ahead: &mut Vec<u8>,
    ) -> Result<Self, Fault> {
        loop {
            if let Some(reply) = Self::take(ahead)? {
                return Ok(reply);
            }
            if ahead.len() >= LONGEST {
                return Err(Fault::NotSmtp("it does not end".to_owned()));
            }
            let mut chunk = [0; 1024];
            match stream.read(&mut chunk).await.map_err(|error| Fault::Io(error.to_string()))? {
                0 => return Err(Fault::Closed),
                read => ahead.extend_from_slice(&chunk[..read]),
            }
        }
    }

    /// The first answer in `ahead`, if it is all there.
    fn take(ahead: &mut Vec<u8>) -> Result<Option<Self>, Fault> {
        let mut lines = Vec::new();
        let mut length = 0;
        for line in ahead.split_inclusive(|b| *b == b'\n').filter(|line| line.ends_with(b"\n")) {
            length += line.len();
            let text = String::from_utf8_lossy(line);
            let (code, last, text) = parts(text.trim_end()).ok_or_else(|| not_smtp(line))?;
            lines.push(text.to_owned());
            if last {
                let bytes = ahead.drain(..length).collect();
                return Ok(Some(Self { code, lines, bytes }));
            }
        }
        Ok(None)
    }

    /// The answer, if it is the one that was hoped for.
    pub(super) fn expect(self, code: u16) -> Result<Self, Fault> {
        match self.code {
            found if found == code => Ok(self),
            400..=599 => Err(Fault::Refused { code: self.code, text: self.lines.join(" ") }),
            _ => Err(Fault::NotSmtp(format!("{} {}", self.code, self.lines.join(" ")))),
        }
    }

    /// Is the word among what the server says it can do?
    pub(super) fn offers(&self, keyword: &str) -> bool {
        // The first line is its greeting.
        let offers = self.lines.iter().skip(1).filter_map(|line| line.split_whitespace().next());
        offers.into_iter().any(|word| word.eq_ignore_ascii_case(keyword))
    }
}

/// `250-SIZE 1000` is 250, not the last, `SIZE 1000`.
fn parts(line: &str) -> Option<(u16, bool, &str)> {
    let code = line.get(..3).filter(|code| code.bytes().all(|b| b.is_ascii_digit()))?;
    let last = match line.as_bytes().get(3) {
        None | Some(b' ') => true,
        Some(b'-') => false,
        Some(_) => return None,
    };
    Some((code.parse().ok()?, last, line.get(4..).unwrap_or_default()))
}

fn not_smtp(line: &[u8]) -> Fault {
    Fault::NotSmtp(String::from_utf8_lossy(line).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(said: &[u8]) -> (Result<Reply, Fault>, Vec<u8>) {
        let (mut said, mut ahead) = (said, Vec::new());
        (Reply::read(&mut said, &mut ahead).await, ahead)
    }

    #[tokio::test]
    async fn an_answer_ends_with_its_last_line_and_what_follows_is_kept() {
        let (reply, ahead) =
            read(b"250-mail.example\r\n250-starttls\r\n250 SIZE 1\r\n354 go").await;
        let reply = reply.unwrap();
        assert_eq!((reply.code, ahead.as_slice()), (250, &b"354 go"[..]));
        assert_eq!(reply.lines, ["mail.example", "starttls", "SIZE 1"]);
        assert!(reply.offers("STARTTLS") && reply.offers("size") && !reply.offers("mail.example"));
        assert_eq!(read(b"220\r\n").await.0.unwrap().code, 220);
    }

    #[tokio::test]
    async fn what_is_not_smtp_is_said_so() {
        for said in [&b"HTTP/1.1 400 Bad Request\r\n"[..], b"22O hi\r\n", b"220hi\r\n", b"\r\n"] {
            assert!(matches!(read(said).await.0, Err(Fault::NotSmtp(_))), "{said:?}");
        }
        assert_eq!(read(b"220-hi\r\n").await.0, Err(Fault::Closed));
        let endless = b"220-more\r\n".repeat(10_000);
        assert_eq!(read(&endless).await.0, Err(Fault::NotSmtp("it does not end".into())));
    }

    #[tokio::test]
    async fn an_answer_is_the_one_hoped_for_or_a_refusal() {
        let reply = async |said: &[u8]| read(said).await.0.unwrap().expect(220);
        assert_eq!(reply(b"220 hi\r\n").await.unwrap().code, 220);
        let refused = Fault::Refused { code: 554, text: "go away".into() };
        assert_eq!(reply(b"554-go\r\n554 away\r\n").await.unwrap_err(), refused);
        assert!(matches!(reply(b"250 hi\r\n").await, Err(Fault::NotSmtp(_))));
    }
}
