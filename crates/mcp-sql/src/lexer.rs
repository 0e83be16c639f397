//! PostgreSQL's lexical grammar (documentation, chapter 4.1; `src/backend/parser/scan.l`), as far
//! as it decides where a token begins and ends. Assumes `standard_conforming_strings = on`, which
//! every connection pins.

use std::borrow::Cow;

const WHITE_SPACE: [char; 6] = [' ', '\t', '\n', '\r', '\x0b', '\x0c'];

/// One token. Comments and white space are none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token<'t> {
    /// An identifier or keyword, folded to lower case as PostgreSQL folds it (ASCII only).
    Word(Cow<'t, str>),
    /// An identifier in quotes, decoded.
    Quoted(Cow<'t, str>),
    /// A string literal of any form; its text is data.
    Literal,
    /// A number or a parameter such as `$1`.
    Number,
    /// One character of punctuation or of an operator.
    Symbol(char),
}

/// A token and where it stands, in bytes.
#[derive(Clone, Debug)]
pub(crate) struct Placed<'t> {
    pub(crate) token: Token<'t>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// Text that PostgreSQL's scanner would not get to the end of, or not as we do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LexicalFault {
    /// A string literal without its closing quote.
    #[error("a string literal is not closed")]
    OpenLiteral,
    /// A quoted identifier without its closing quote, or an empty one.
    #[error("a quoted identifier is not closed, or empty")]
    OpenIdentifier,
    /// A `/*` without its `*/`; comments nest.
    #[error("a comment is not closed")]
    OpenComment,
    /// A NUL character: the end of the text for PostgreSQL, and for nobody else.
    #[error("the text holds a NUL character")]
    Nul,
    /// A Unicode escape that is none.
    #[error("a Unicode escape in a quoted identifier is not valid")]
    BadEscape,
    /// A letter, `_` or `$` right behind a number. PostgreSQL refuses it from version 15 on; before,
    /// it read two tokens, and which two was its own business.
    #[error("a number runs into the letters behind it; put a space between them")]
    RunOnNumber,
}

/// Splits a text into tokens.
pub(crate) fn tokens(text: &str) -> Result<Vec<Placed<'_>>, LexicalFault> {
    if text.contains('\0') {
        return Err(LexicalFault::Nul);
    }
    let mut lexer = Lexer { text, at: 0 };
    let mut found = Vec::new();
    while let Some(placed) = lexer.next()? {
        found.push(placed);
    }
    Ok(found)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }

    fn next(&mut self) -> Result<Option<Placed<'t>>, LexicalFault> {
        self.skip_blank()?;
        let start = self.at;
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(None) };
        let token = if let Some(prefix) = literal_prefix(rest) {
            self.at += prefix.len();
            self.literal(prefix.eq_ignore_ascii_case("e'"))?
        } else if rest.get(..3).is_some_and(|lead| lead.eq_ignore_ascii_case("u&\"")) {
            self.at += 3;
            let raw = self.quoted_identifier()?;
            let escape = self.uescape()?;
            Token::Quoted(decode_unicode(&raw, escape)?.into())
        } else if first == '"' {
            self.at += 1;
            Token::Quoted(self.quoted_identifier()?)
        } else if is_word_start(first) {
            Token::Word(self.word())
        } else if first.is_ascii_digit() {
            self.number()?;
            Token::Number
        } else if first == '$' {
            self.dollar()?
        } else {
            self.at += first.len_utf8();
            Token::Symbol(first)
        };
        Ok(Some(Placed { token, start, end: self.at }))
    }

    /// Skips white space and comments.
    fn skip_blank(&mut self) -> Result<(), LexicalFault> {
        loop {
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("--") {
                let length = comment.find(['\n', '\r']).unwrap_or(comment.len());
                self.at += 2 + length;
            } else if rest.starts_with("/*") {
                self.block_comment()?;
            } else if rest.starts_with(WHITE_SPACE) {
                self.at += 1;
            } else {
                return Ok(());
            }
        }
    }

    fn block_comment(&mut self) -> Result<(), LexicalFault> {
        let mut depth = 0_usize;
        loop {
            let rest = self.rest();
            if rest.starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if rest.starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else {
                let step = rest.chars().next().ok_or(LexicalFault::OpenComment)?;
                self.at += step.len_utf8();
            }
        }
    }

    /// The rest of a literal whose opening quote has been read.
    fn literal(&mut self, backslashes: bool) -> Result<Token<'t>, LexicalFault> {
        loop {
            let rest = self.rest();
            let mut chars = rest.chars();
            match chars.next().ok_or(LexicalFault::OpenLiteral)? {
                '\'' if rest.starts_with("''") => self.at += 2,
                '\'' => {
                    self.at += 1;
                    if !self.literal_goes_on() {
                        return Ok(Token::Literal);
                    }
                }
                '\\' if backslashes => {
                    let escaped = chars.next().ok_or(LexicalFault::OpenLiteral)?;
                    self.at += 1 + escaped.len_utf8();
                }
                other => self.at += other.len_utf8(),
            }
        }
    }

    /// A literal goes on, under the rules it began with, behind white space and `--` comments that
    /// hold a line break, if another quote follows (`quotecontinue` in the scanner).
    fn literal_goes_on(&mut self) -> bool {
        let before = self.at;
        let mut broken = false;
        loop {
            let rest = self.rest();
            if let Some(comment) = rest.strip_prefix("--") {
                self.at += 2 + comment.find(['\n', '\r']).unwrap_or(comment.len());
            } else if rest.starts_with(WHITE_SPACE) {
                broken |= rest.starts_with(['\n', '\r']);
                self.at += 1;
            } else if broken && rest.starts_with('\'') {
                self.at += 1;
                return true;
            } else {
                self.at = before;
                return false;
            }
        }
    }

    /// The rest of a quoted identifier whose opening quote has been read.
    fn quoted_identifier(&mut self) -> Result<Cow<'t, str>, LexicalFault> {
        let rest = self.rest();
        let mut from = 0;
        let length = loop {
            let quote = rest[from..].find('"').ok_or(LexicalFault::OpenIdentifier)? + from;
            if !rest[quote + 1..].starts_with('"') {
                break quote;
            }
            from = quote + 2;
        };
        self.at += length + 1;
        let raw = &rest[..length];
        match raw {
            "" => Err(LexicalFault::OpenIdentifier),
            _ if raw.contains('"') => Ok(raw.replace("\"\"", "\"").into()),
            _ => Ok(raw.into()),
        }
    }

    /// The escape character that `UESCAPE '…'` sets behind a `U&` form; a backslash without it.
    fn uescape(&mut self) -> Result<char, LexicalFault> {
        let before = self.at;
        self.skip_blank()?;
        let rest = self.rest();
        if !rest.get(..7).is_some_and(|word| word.eq_ignore_ascii_case("uescape")) {
            self.at = before;
            return Ok('\\');
        }
        self.at += 7;
        self.skip_blank()?;
        let mut chars = self.rest().chars();
        let (open, escape, close) = (chars.next(), chars.next(), chars.next());
        let valid = |c: &char| {
            c.is_ascii()
                && !c.is_ascii_hexdigit()
                && !"+'\"".contains(*c)
                && !c.is_ascii_whitespace()
        };
        match (open, escape.filter(valid), close) {
            (Some('\''), Some(escape), Some('\'')) => {
                self.at += 3;
                Ok(escape)
            }
            _ => Err(LexicalFault::BadEscape),
        }
    }

    fn word(&mut self) -> Cow<'t, str> {
        let rest = self.rest();
        let length = rest.find(|c| !is_word_part(c)).unwrap_or(rest.len());
        self.at += length;
        let word = &rest[..length];
        if word.contains('İ') {
            // A server with a one-byte Turkish encoding folds it to a plain i (`tolower` in its
            // locale), which would spell a name that no ASCII folding sees.
            word.replace('İ', "i").to_ascii_lowercase().into()
        } else if word.bytes().any(|byte| byte.is_ascii_uppercase()) {
            word.to_ascii_lowercase().into()
        } else {
            word.into()
        }
    }

    /// `42`, `4.2`, `42.`, `4e2`, `4.2e-1`. The other forms (`0x2a`, `4_200`) mean something else
    /// to older servers, so they are run-on numbers.
    fn number(&mut self) -> Result<(), LexicalFault> {
        self.digits();
        // `1..2` is a range to PL/pgSQL and an error to us both.
        if self.rest().starts_with('.') {
            self.at += 1;
            self.digits();
        }
        let power = self.rest().strip_prefix(['e', 'E']).unwrap_or_default();
        let signed = power.strip_prefix(['+', '-']).unwrap_or(power);
        if signed.starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1 + power.len() - signed.len();
            self.digits();
        }
        self.ends_number()
    }

    fn digits(&mut self) {
        let rest = self.rest();
        self.at += rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    }

    fn ends_number(&self) -> Result<(), LexicalFault> {
        if self.rest().starts_with(is_word_part) {
            return Err(LexicalFault::RunOnNumber);
        }
        Ok(())
    }

    /// `$1`, or a string between `$tag$` and `$tag$`.
    fn dollar(&mut self) -> Result<Token<'t>, LexicalFault> {
        let rest = self.rest();
        let inner = &rest[1..];
        if inner.starts_with(|c: char| c.is_ascii_digit()) {
            self.at += 1;
            self.digits();
            return self.ends_number().map(|()| Token::Number);
        }
        let tag = inner.find(|c| !is_word_part(c) || c == '$').unwrap_or(inner.len());
        if !inner[tag..].starts_with('$') {
            self.at += 1;
            return Ok(Token::Symbol('$'));
        }
        let mark = &rest[..tag + 2];
        let body = &rest[mark.len()..];
        let close = body.find(mark).ok_or(LexicalFault::OpenLiteral)?;
        self.at += mark.len() + close + mark.len();
        Ok(Token::Literal)
    }
}

/// `'`, or a letter that changes what the quote behind it means.
fn literal_prefix(rest: &str) -> Option<&str> {
    let bytes = rest.as_bytes();
    match bytes {
        [b'\'', ..] => Some(&rest[..1]),
        [b'e' | b'E' | b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'', ..] => Some(&rest[..2]),
        [b'u' | b'U', b'&', b'\'', ..] => Some(&rest[..3]),
        _ => None,
    }
}

fn is_word_start(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii()
}

fn is_word_part(c: char) -> bool {
    is_word_start(c) || c.is_ascii_digit() || c == '$'
}

/// Decodes `\XXXX` and `\+XXXXXX` (with the escape character given) of a `U&""` identifier.
fn decode_unicode(raw: &str, escape: char) -> Result<String, LexicalFault> {
    let mut decoded = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(place) = rest.find(escape) {
        decoded.push_str(&rest[..place]);
        let after = &rest[place + escape.len_utf8()..];
        if let Some(after) = after.strip_prefix(escape) {
            decoded.push(escape);
            rest = after;
            continue;
        }
        let (digits, after) = match after.strip_prefix('+') {
            Some(long) => (long.get(..6), long.get(6..)),
            None => (after.get(..4), after.get(4..)),
        };
        let code = digits
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .and_then(char::from_u32)
            .filter(|c| *c != '\0');
        decoded.push(code.ok_or(LexicalFault::BadEscape)?);
        rest = after.unwrap_or_default();
    }
    decoded.push_str(rest);
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        let show = |placed: Placed<'_>| match placed.token {
            Token::Word(word) => word.into_owned(),
            Token::Quoted(name) => format!("«{name}»"),
            Token::Literal => "'…'".into(),
            Token::Number => "#".into(),
            Token::Symbol(symbol) => symbol.to_string(),
        };
        tokens(text).unwrap().into_iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_semicolon_inside_a_literal_a_name_or_a_comment_is_no_semicolon() {
        for text in [
            "';'",
            "''';'''",
            "E'\\';'",
            "$$;$$",
            "$a$;$b$;$a$",
            "\";\"",
            "U&\";\"",
            "-- ;\n1",
            "/* ; /* ; */ ; */ 1",
            "U&';'",
            "n';'",
            "'a'\n';'",
        ] {
            assert!(!shape(text).contains(" ;") && shape(text) != ";", "{text}");
        }
    }

    #[test]
    fn a_backslash_escapes_only_in_the_e_form() {
        assert_eq!(shape(r"'\' ;"), "'…' ;");
        assert_eq!(shape(r"E'\' ;' ;"), "'…' ;");
        assert_eq!(shape("E'a'\n'\\' ;' ;"), "'…' ;");
        // A comment between the parts changes nothing: the quote behind the backslash is escaped.
        assert_eq!(shape("E'a' -- x\n'\\'' ; --'"), "'…' ;");
    }

    #[test]
    fn a_unicode_escaped_name_is_decoded_with_its_escape_character() {
        assert_eq!(shape(r#"U&"pg\005fsleep""#), "«pg_sleep»");
        assert_eq!(shape(r#"u&"pg!005fsleep" uescape '!'"#), "«pg_sleep»");
        assert_eq!(shape(r#"U&"pg\+00005fsleep""#), "«pg_sleep»");
        assert_eq!(shape(r#"U&"a\\b""#), r"«a\b»");
    }

    #[test]
    fn a_dollar_inside_a_name_opens_nothing() {
        assert_eq!(shape("a$b$ ; c$b$"), "a$b$ ; c$b$");
        assert_eq!(shape("$1;$2"), "# ; #");
    }

    #[test]
    fn words_are_folded_as_postgresql_folds_them() {
        assert_eq!(shape("SeLeCT \"SeLeCT\" ÄÖ"), "select «SeLeCT» ÄÖ");
        assert_eq!(shape("pg_termİnate_backend"), "pg_terminate_backend");
    }

    #[test]
    fn a_number_ends_where_every_version_of_postgresql_ends_it() {
        assert_eq!(shape("1 1.5 .5 1. 1e5 1.5E-5 1.e+5 a[1:2]"), "# # . # # # # # a [ # : # ]");
        assert_eq!(shape("1+1-.5e1"), "# + # - . #");
        // To a server before 15 the first is `1` and the name `a$$`, so that nothing behind it is
        // hidden in a literal.
        for text in
            ["1a$$, pg_sleep(9), 1a$$", "1$$;$$", "1e'\\'", "0x1f", "1_000", "$1a", "1e", "1ä"]
        {
            assert_eq!(tokens(text).unwrap_err(), LexicalFault::RunOnNumber, "{text}");
        }
    }

    #[test]
    fn what_is_not_closed_is_a_fault() {
        for (text, fault) in [
            ("'abc", LexicalFault::OpenLiteral),
            ("E'abc\\'", LexicalFault::OpenLiteral),
            ("$a$ $b$", LexicalFault::OpenLiteral),
            ("\"abc", LexicalFault::OpenIdentifier),
            ("\"\"", LexicalFault::OpenIdentifier),
            ("/* /* */", LexicalFault::OpenComment),
            ("a\0b", LexicalFault::Nul),
            (r#"U&"\00zz""#, LexicalFault::BadEscape),
            (r#"U&"a" UESCAPE 'aa'"#, LexicalFault::BadEscape),
        ] {
            assert_eq!(tokens(text).unwrap_err(), fault, "{text}");
        }
    }
}
