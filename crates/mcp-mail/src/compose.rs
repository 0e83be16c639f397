//! From a letter to the bytes that travel (RFC 5322, MIME).

use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{self, Message, MultiPart, SinglePart};

use crate::address::{Address, Mailbox};
use crate::letter::{Letter, Postmark};

/// A program wrote it: no answer from a program is wanted, such as that of one on holiday
/// (RFC 3834 §5).
const AUTO_SUBMITTED: &str = "Auto-Submitted";

/// The whole letter with its headers, lines ended by CRLF. ASCII throughout, unless an address
/// is not.
pub(crate) fn compose(
    letter: &Letter,
    from: &Mailbox,
    postmark: &Postmark,
) -> Result<Vec<u8>, Unfit> {
    let id = postmark.hex();
    let head = Message::builder()
        .from(mailbox(from)?)
        .to(message::Mailbox::new(None, address(letter.to())?))
        .subject(letter.subject().as_str())
        .date(postmark.at)
        .message_id(Some(format!("<{id}@{}>", from.address.domain())))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str(AUTO_SUBMITTED),
            "auto-generated".to_owned(),
        ));
    let text = SinglePart::plain(letter.text().to_owned());
    let message = match letter.html() {
        None => head.singlepart(text),
        // The last part is the one that is shown where both can be (RFC 2046 §5.1.4).
        Some(html) => head.multipart(
            MultiPart::alternative()
                .boundary(format!("=_{id}"))
                .singlepart(text)
                .singlepart(SinglePart::html(html.to_owned())),
        ),
    };
    message.map(|message| message.formatted()).map_err(|_| Unfit)
}

fn mailbox(mailbox: &Mailbox) -> Result<message::Mailbox, Unfit> {
    let name = mailbox.name.as_ref().map(|name| name.as_str().to_owned());
    Ok(message::Mailbox::new(name, address(&mailbox.address)?))
}

/// An address as the library has it.
pub(crate) fn address(address: &Address) -> Result<lettre::Address, Unfit> {
    lettre::Address::new(address.local(), address.domain()).map_err(|_| Unfit)
}

/// The library would not take what our own types took: a fault of ours, and of no server's.
#[derive(Debug)]
pub(crate) struct Unfit;

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;

    use super::*;
    use crate::text::Line;

    fn postmark() -> Postmark {
        Postmark { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000), id: [7; 16] }
    }

    fn from(name: &str) -> Mailbox {
        let address = Address::parse("mcp@example.com").unwrap();
        Mailbox { name: Some(Line::parse(name).unwrap()), address }
    }

    fn composed(from: &Mailbox, subject: &str, text: &str, html: Option<&str>) -> String {
        let to = Address::parse("ann@example.com").unwrap();
        let letter = Letter::new(to, Line::parse(subject).unwrap(), text).unwrap();
        let letter = match html {
            Some(html) => letter.with_html(html).unwrap(),
            None => letter,
        };
        String::from_utf8(compose(&letter, from, &postmark()).unwrap()).unwrap()
    }

    #[test]
    fn a_letter_has_its_marks_and_both_its_parts() {
        let page = "<p><a href=\"https://mcp.example.com/reset/abc\">Reset</a></p>";
        let text = "Reset it here:\nhttps://mcp.example.com/reset/abc\n";
        let whole = composed(&from("MCP"), "Reset your password", text, Some(page));
        for line in [
            "From: MCP <mcp@example.com>",
            "To: ann@example.com",
            "Subject: Reset your password",
            "Date: Thu, 09 Oct 2025 08:53:20 +0000",
            "Message-ID: <07070707070707070707070707070707@example.com>",
            "Auto-Submitted: auto-generated",
            "MIME-Version: 1.0",
            "https://mcp.example.com/reset/abc",
        ] {
            assert!(
                whole.contains(&format!("\r\n{line}\r\n")) || whole.starts_with(line),
                "{line}: {whole}"
            );
        }
        let [plain, html] = ["text/plain", "text/html"].map(|kind| whole.find(kind).unwrap());
        assert!(plain < html && whole.contains(page), "{whole}");
        assert!(whole.contains("boundary=\"=_07070707"), "{whole}");
    }

    #[test]
    fn a_letter_beyond_ascii_travels_in_ascii() {
        let whole = composed(&from("Zoë's 数据"), "Réinitialisez 🔑", "Bonjour é\n", None);
        assert!(whole.is_ascii(), "{whole}");
        assert!(whole.contains("\r\nSubject: =?utf-8?b?"), "{whole}");
        assert!(whole.contains("From: =?utf-8?b?"), "{whole}");
    }

    #[test]
    fn a_name_that_looks_like_an_address_stays_a_name() {
        let whole = composed(&from("eve@evil.example, \"x\" <eve@evil.example>"), "x", "x", None);
        let line = whole.lines().find(|line| line.starts_with("From: ")).unwrap();
        assert!(line.starts_with("From: =?utf-8?b?"), "{line}");
        assert!(line.ends_with("?= <mcp@example.com>") && line.matches('@').count() == 1, "{line}");
    }

    proptest! {
        #[test]
        fn no_text_adds_a_header_or_a_bare_end_of_line(
            subject in any::<String>(),
            name in any::<String>(),
            text in any::<String>(),
        ) {
            let (Ok(subject), Ok(name)) = (Line::parse(&subject), Line::parse(&name)) else {
                return Ok(());
            };
            let to = Address::parse("ann@example.com").unwrap();
            let Ok(letter) = Letter::new(to, subject, &text) else { return Ok(()) };
            let from = Mailbox { name: Some(name), ..from("x") };
            let whole = String::from_utf8(compose(&letter, &from, &postmark()).unwrap()).unwrap();
            prop_assert!(!whole.replace("\r\n", "").contains(['\r', '\n']));
            let (head, _) = whole.split_once("\r\n\r\n").unwrap();
            let names: Vec<_> = head
                .split("\r\n")
                .filter(|line| !line.starts_with([' ', '\t']))
                .map(|line| line.split_once(':').unwrap().0)
                .collect();
            prop_assert_eq!(names, [
                "From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version",
                "Content-Type", "Content-Transfer-Encoding",
            ]);
        }
    }
}
