//! What a server said, as an operator may see it.
//!
//! Servers repeat what they were sent: a filter quotes the link that it does not like, a
//! debugging server the password. Neither may end in a log.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::settings::Login;
use crate::letter::Letter;
use crate::text::acts;

/// How much of an answer is kept, in characters.
const KEPT: usize = 300;
/// A word this long that is in the letter could be its secret; shorter ones are anybody's.
const LONG: usize = 16;
const MASK: &str = "***";

/// What must not be repeated.
pub(super) struct Secrets<'a> {
    forms: Vec<String>,
    letter: &'a Letter,
}

impl<'a> Secrets<'a> {
    pub(super) fn new(login: Option<&Login>, letter: &'a Letter) -> Self {
        let forms = login.map(|Login { user, password }| {
            let password = password.expose();
            let plain = format!("\0{user}\0{password}");
            // As they travel in PLAIN and in LOGIN, before the shortest of the three: it may be
            // part of them.
            vec![STANDARD.encode(plain), STANDARD.encode(password), password.to_owned()]
        });
        Self { forms: forms.unwrap_or_default(), letter }
    }

    /// The words on one line, cut, with the secrets masked.
    pub(super) fn clean(&self, said: &str) -> String {
        let masked = self.forms.iter().fold(said.to_owned(), |said, form| said.replace(form, MASK));
        let masked = self.without_words_of_the_letter(&masked);
        let words = masked.split(|c: char| c.is_whitespace() || acts(c));
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(KEPT) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }

    fn without_words_of_the_letter(&self, said: &str) -> String {
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let mut kept = String::with_capacity(said.len());
        let mut rest = said;
        while let Some(start) = rest.find(is_part) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_part(c)).unwrap_or(from.len()));
            kept.push_str(before);
            kept.push_str(if self.is_of_the_letter(word) { MASK } else { word });
            rest = after;
        }
        kept + rest
    }

    fn is_of_the_letter(&self, word: &str) -> bool {
        let holds = |text: &str| text.contains(word);
        word.len() >= LONG && (holds(self.letter.text()) || self.letter.html().is_some_and(holds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Address;
    use crate::secret::Secret;
    use crate::text::Line;

    const TOKEN: &str = "O9ms9jqTfUdy-DIjvpFWeqd_yH_NEj7me0mgOnOjGdQ";

    fn clean(said: &str) -> String {
        let to = Address::parse("ann@example.com").unwrap();
        let text = format!("Go to https://mcp.example.com/admin/reset-password/{TOKEN}\n");
        let letter = Letter::new(to, Line::parse("Reset").unwrap(), &text).unwrap();
        let login = Login { user: "mcp".into(), password: Secret::new("hunter2!".into()) };
        Secrets::new(Some(&login), &letter).clean(said)
    }

    #[test]
    fn the_password_is_not_repeated_in_any_form_it_travels_in() {
        assert_eq!(clean("5.7.8 bad password hunter2! for mcp"), "5.7.8 bad password *** for mcp");
        assert_eq!(clean("bad: AG1jcABodW50ZXIyIQ=="), "bad: ***");
        assert_eq!(clean("bad: aHVudGVyMiE="), "bad: ***");
    }

    #[test]
    fn the_link_of_the_letter_is_not_repeated() {
        let said =
            format!("5.7.1 blocked: https://mcp.example.com/admin/reset-password/{TOKEN}, spam");
        assert_eq!(
            clean(&said),
            "5.7.1 blocked: https://mcp.example.com/admin/reset-password/***, spam"
        );
        assert_eq!(clean("5.1.1 <ann@example.com> unknown"), "5.1.1 <ann@example.com> unknown");
    }

    #[test]
    fn an_answer_stays_on_its_line_and_is_cut() {
        assert_eq!(clean("a\r\n\u{1b}[31mb\u{202e}c\0d"), "a [31mb c d");
        assert_eq!(clean(&"é ".repeat(1000)).chars().count(), KEPT + 1);
    }
}
