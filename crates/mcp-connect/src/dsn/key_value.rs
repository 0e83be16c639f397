//! `host=db.example password='it\'s'`: the key/value form (PostgreSQL docs, "Keyword/Value
//! Connection Strings").

use std::iter::Peekable;
use std::ops::Range;
use std::str::CharIndices;

use zeroize::Zeroizing;

use super::DsnError;
use super::parameter::Parameter;

const UNCLOSED: DsnError = DsnError::Malformed { reason: "a quote is not closed" };
const NOT_QUOTED: DsnError = DsnError::Malformed {
    reason: "an unknown parameter behind the password (a value with spaces needs quotes)",
};
const NO_EQUALS: DsnError = DsnError::Malformed { reason: "a parameter has no = behind it" };

pub(super) fn parse(text: &str) -> Result<Vec<(Parameter, Zeroizing<String>)>, DsnError> {
    let mut pairs: Vec<(Parameter, _)> = Vec::new();
    for pair in Pairs::new(text) {
        let pair = pair?;
        let after_password = pairs.last().is_some_and(|(last, _)| *last == Parameter::Password);
        let parameter = Parameter::parse(pair.name);
        // Its name may be what follows a space in a password, so it is not repeated.
        let parameter =
            parameter.map_err(|error| if after_password { NOT_QUOTED } else { error })?;
        pairs.push((parameter, pair.value));
    }
    Ok(pairs)
}

/// One `name = value`, and where the value stands in the text, quotes included.
pub(super) struct Pair<'a> {
    pub(super) name: &'a str,
    pub(super) value: Zeroizing<String>,
    pub(super) place: Range<usize>,
}

/// The pairs of a text, until the first that has no form.
pub(super) struct Pairs<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, chars: text.char_indices().peekable() }
    }

    fn skip_space(&mut self) {
        while self.chars.next_if(|(_, c)| c.is_whitespace()).is_some() {}
    }

    /// Where the next character stands.
    fn place(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(place, _)| *place)
    }

    fn name(&mut self) -> Result<&'a str, DsnError> {
        let start = self.place();
        while self.chars.next_if(|(_, c)| *c != '=' && !c.is_whitespace()).is_some() {}
        let end = self.place();
        self.skip_space();
        self.chars.next_if(|(_, c)| *c == '=').ok_or(NO_EQUALS)?;
        self.skip_space();
        Ok(&self.text[start..end])
    }

    fn value(&mut self) -> Result<Zeroizing<String>, DsnError> {
        let quoted = self.chars.next_if(|(_, c)| *c == '\'').is_some();
        let mut value = Zeroizing::new(String::new());
        loop {
            let stays = |(_, c): &(usize, char)| quoted || !c.is_whitespace();
            match self.chars.next_if(stays).map(|(_, c)| c) {
                Some('\\') => value.extend(self.chars.next().map(|(_, c)| c)),
                Some('\'') if quoted => return Ok(value),
                Some(c) => value.push(c),
                None if quoted => return Err(UNCLOSED),
                None => return Ok(value),
            }
        }
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, DsnError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.skip_space();
        self.chars.peek()?;
        let pair = self.name().and_then(|name| {
            let start = self.place();
            let value = self.value()?;
            Ok(Pair { name, value, place: start..self.place() })
        });
        Some(pair)
    }
}
