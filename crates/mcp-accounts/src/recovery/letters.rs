//! What stands in the letters. The text has all that a person needs; the page beside it says the
//! same.

use std::time::Duration;

use mcp_identity::UserName;
use mcp_mail::{Address, Letter, Line, TextRejection};

/// The subjects of the letters, and what the server calls itself in them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailTexts {
    /// Where people reach the server: it stands in every letter, and begins every link.
    pub public_url: String,
    /// Of the letter with a link.
    pub reset_subject: Line,
    /// Of the word that a password was set.
    pub confirmation_subject: Line,
    /// Of the word that an account was locked.
    pub lockout_subject: Line,
}

impl MailTexts {
    pub(super) fn reset(
        &self,
        to: Address,
        user: &UserName,
        link: &str,
        life: Duration,
    ) -> Result<Letter, TextRejection> {
        let minutes = life.as_secs().div_ceil(60);
        let place = &self.public_url;
        let text = format!(
            "Hello {user},\n\n\
             somebody asked for a new password of your account at {place}.\n\n\
             To choose one, open this link within {minutes} minutes. It works once:\n\n\
             {link}\n\n\
             Was it not you? Then nothing has to be done: without the link nothing changes.\n"
        );
        let (user, place) = (escaped(user.as_str()), escaped(place));
        let link = escaped(link);
        let html = page(&format!(
            "<p>Hello {user},</p>\n\
             <p>somebody asked for a new password of your account at {place}.</p>\n\
             <p>To choose one, open this link within {minutes} minutes. It works once:</p>\n\
             <p><a href=\"{link}\">{link}</a></p>\n\
             <p>Was it not you? Then nothing has to be done: without the link nothing changes.</p>\n"
        ));
        Letter::new(to, self.reset_subject.clone(), &text)?.with_html(&html)
    }

    pub(super) fn confirmation(
        &self,
        to: Address,
        user: &UserName,
    ) -> Result<Letter, TextRejection> {
        let place = &self.public_url;
        let text = format!(
            "Hello {user},\n\n\
             the password of your account at {place} was just set by a link that was sent to this \
             address.\n\n\
             Was it not you? Then somebody else reads your mail: tell your administrator at once.\n"
        );
        plain(to, &self.confirmation_subject, &text)
    }

    pub(super) fn locked(&self, to: Address, user: &UserName) -> Result<Letter, TextRejection> {
        let place = &self.public_url;
        let text = format!(
            "Hello {user},\n\n\
             your account at {place} was locked because of too many failed logins. Sessions that \
             are open stay so.\n\n\
             Was it you? Wait until the lock has ended, ask your administrator to lift it, or ask \
             for a new password. Was it not you? Then your password held; choose another if you \
             use it elsewhere.\n"
        );
        plain(to, &self.lockout_subject, &text)
    }
}

/// The text, and a page with the same paragraphs.
fn plain(to: Address, subject: &Line, text: &str) -> Result<Letter, TextRejection> {
    let mut paragraphs = String::new();
    for paragraph in text.trim_end().split("\n\n") {
        paragraphs.push_str("<p>");
        paragraphs.push_str(&escaped(paragraph));
        paragraphs.push_str("</p>\n");
    }
    Letter::new(to, subject.clone(), text)?.with_html(&page(&paragraphs))
}

fn page(body: &str) -> String {
    format!("<!DOCTYPE html>\n<html lang=\"en\"><body>\n{body}</body></html>\n")
}

/// Text as it stands in a page.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> MailTexts {
        let line = |text| Line::parse(text).unwrap();
        MailTexts {
            public_url: "https://mcp.example.com".to_owned(),
            reset_subject: line("Reset"),
            confirmation_subject: line("Set"),
            lockout_subject: line("Locked"),
        }
    }

    #[test]
    fn a_name_is_text_in_the_page_of_a_letter() {
        let to = || Address::parse("ann@example.com").unwrap();
        let user = UserName::parse("<script>alert(1)</script>&").unwrap();
        let life = Duration::from_hours(1);
        let letters = [
            texts().reset(to(), &user, "https://x/?a=\"b\"", life).unwrap(),
            texts().confirmation(to(), &user).unwrap(),
            texts().locked(to(), &user).unwrap(),
        ];
        for letter in letters {
            let html = letter.html().unwrap();
            assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
            assert!(letter.text().contains("<script>"), "text is text");
        }
    }

    #[test]
    fn the_text_of_a_letter_holds_its_link_on_a_line_of_its_own() {
        let to = Address::parse("ann@example.com").unwrap();
        let user = UserName::parse("ann").unwrap();
        let link = "https://mcp.example.com/admin/reset-password/secret";
        let letter = texts().reset(to, &user, link, Duration::from_secs(90)).unwrap();
        assert!(letter.text().lines().any(|line| line == link));
        assert!(letter.text().contains("within 2 minutes"));
    }
}
