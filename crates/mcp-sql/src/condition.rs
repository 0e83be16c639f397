//! A condition: what may stand between the parentheses of `WHERE (…)`, and nothing that ends them.

use crate::lexer::{Token, tokens};
use crate::statement::Refusal;

/// One condition of a caller. It can be put between parentheses of a statement, and stays between
/// them; whether it is a condition at all, and on which columns, PostgreSQL says.
///
/// ```
/// use mcp_sql::Condition;
///
/// let condition = Condition::parse("total > 10 -- large ones").unwrap();
/// assert_eq!(condition.text(), "total > 10");
/// assert!(Condition::parse("true) UNION (SELECT 1").is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition<'t> {
    text: &'t str,
    start: usize,
}

impl<'t> Condition<'t> {
    /// Finds the condition in a text: from its first token to its last. Names that are never
    /// allowed are found when the whole statement is read.
    ///
    /// # Errors
    /// [`Refusal`], in words for the model that sent the text.
    pub fn parse(text: &'t str) -> Result<Self, Refusal> {
        let found = tokens(text)?;
        let (Some(first), Some(last)) = (found.first(), found.last()) else {
            return Err(Refusal::Empty);
        };
        let mut depth = 0_usize;
        for placed in &found {
            match placed.token {
                Token::Symbol('(') => depth += 1,
                Token::Symbol(')') => depth = depth.checked_sub(1).ok_or(Refusal::Unbalanced)?,
                Token::Symbol(';') => return Err(Refusal::Several),
                _ => {}
            }
        }
        if depth > 0 {
            return Err(Refusal::Unbalanced);
        }
        let start = text[..first.start].chars().count();
        Ok(Self { text: &text[first.start..last.end], start })
    }

    /// The condition, without comments and white space around it.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.text
    }

    /// How many characters of the caller's text stand in front of it.
    #[must_use]
    pub fn start(&self) -> usize {
        self.start
    }
}

#[cfg(test)]
mod tests {
    use super::Condition;
    use crate::lexer::LexicalFault;
    use crate::statement::Refusal;

    #[test]
    fn a_condition_cannot_end_the_parentheses_around_it() {
        for text in ["true) OR (true", ")", "true) UNION SELECT (1", "a = 1)", "(a = 1"] {
            assert_eq!(Condition::parse(text), Err(Refusal::Unbalanced), "{text}");
        }
        assert_eq!(Condition::parse("true; DROP TABLE t"), Err(Refusal::Several));
        assert_eq!(Condition::parse("true;"), Err(Refusal::Several));
        assert_eq!(Condition::parse(" -- true"), Err(Refusal::Empty));
    }

    #[test]
    fn what_could_swallow_what_comes_behind_is_refused_or_cut_off() {
        assert_eq!(Condition::parse("true -- ) the rest").unwrap().text(), "true");
        assert_eq!(Condition::parse("/* ü */ true /* ) */").unwrap().text(), "true");
        assert_eq!(Condition::parse("/* ü */ true").unwrap().start(), 8);
        for (text, fault) in [
            ("a = 'x", LexicalFault::OpenLiteral),
            ("a = $$x", LexicalFault::OpenLiteral),
            ("\"a", LexicalFault::OpenIdentifier),
            ("true /* x", LexicalFault::OpenComment),
            ("true\0", LexicalFault::Nul),
        ] {
            assert_eq!(Condition::parse(text), Err(Refusal::Lexical(fault)), "{text}");
        }
        for text in ["a = ')' AND b = $$;$$", "f(a, (b)) IN (SELECT 1)", "\"a)\" IS NULL"] {
            assert_eq!(Condition::parse(text).unwrap().text(), text);
        }
    }
}
