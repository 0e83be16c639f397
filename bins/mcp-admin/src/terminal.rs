//! What is typed at a terminal and must not be seen.

use std::io::{self, BufRead as _};

use mcp_identity::Password;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};
use zeroize::Zeroizing;

use crate::prompt::say;

/// The longest line, in bytes: no password is that long.
const LONGEST: usize = 4 * 1024;

const END_OF_TEXT: u8 = 0x03; // Ctrl-C
const END_OF_INPUT: u8 = 0x04; // Ctrl-D
const BACKSPACE: u8 = 0x08;
const ERASE_LINE: u8 = 0x15; // Ctrl-U
const QUIT: u8 = 0x1c; // Ctrl-\
const DELETE: u8 = 0x7f;

/// What somebody did.
pub(crate) enum Typed {
    Line(Password),
    /// The end of input: a "no" to whatever was asked.
    Ended,
}

/// Asks, and reads one line from the terminal on standard input, which shows nothing of it.
///
/// Keys are read one by one, those of signals as well: a Ctrl-C that ended the process there and
/// then would leave a terminal behind that shows nothing.
pub(crate) fn ask_hidden(question: &str) -> io::Result<Typed> {
    // First, so that nothing is seen of an answer that is quicker than us.
    let hidden = Hidden::begin()?;
    say(question)?;
    let mut input = io::stdin().lock();
    let mut line = Line::default();
    loop {
        let byte = match input.fill_buf() {
            Ok(bytes) => bytes.first().copied(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        input.consume(usize::from(byte.is_some()));
        match byte.map_or(Key::Ended, |byte| line.take(byte)) {
            Key::More => {}
            Key::Ended => return Ok(Typed::Ended),
            Key::Enter => return line.into_password().map(Typed::Line),
            Key::Interrupt => {
                drop(hidden);
                say("\n")?;
                // As if the key had been its own self: whoever started us learns of it.
                kill_process(getpid(), Signal::INT)?;
                return Ok(Typed::Ended);
            }
        }
    }
}

/// The terminal shows nothing and hands over each key. Dropped, it is as it was before.
struct Hidden(Termios);

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut hidden = before.clone();
        let modes = LocalModes::ECHO | LocalModes::ECHONL | LocalModes::ICANON | LocalModes::ISIG;
        hidden.local_modes.remove(modes | LocalModes::IEXTEN);
        hidden.special_codes[SpecialCodeIndex::VMIN] = 1;
        hidden.special_codes[SpecialCodeIndex::VTIME] = 0;
        // What was typed ahead stays: a password may be pasted with what comes before it.
        tcsetattr(io::stdin(), OptionalActions::Now, &hidden)?;
        Ok(Self(before))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no mending.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// What a key did to the line.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    More,
    Enter,
    Ended,
    Interrupt,
}

/// A line as it is typed. Never grows, so that no copy is left behind unwiped.
struct Line(Zeroizing<Vec<u8>>);

impl Default for Line {
    fn default() -> Self {
        Self(Zeroizing::new(Vec::with_capacity(LONGEST)))
    }
}

impl Line {
    fn take(&mut self, byte: u8) -> Key {
        match byte {
            b'\r' | b'\n' => return Key::Enter,
            END_OF_TEXT | QUIT => return Key::Interrupt,
            END_OF_INPUT if self.0.is_empty() => return Key::Ended,
            END_OF_INPUT => {}
            BACKSPACE | DELETE => self.erase(),
            ERASE_LINE => self.0.clear(),
            byte if self.0.len() < LONGEST => self.0.push(byte),
            // Too long for any password: what follows changes nothing.
            _ => {}
        }
        Key::More
    }

    /// Takes back one character, however many bytes it has.
    fn erase(&mut self) {
        while self.0.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
    }

    fn into_password(self) -> io::Result<Password> {
        let unreadable = |_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8");
        let text = str::from_utf8(&self.0).map_err(unreadable)?;
        Ok(Password::presented(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(keys: &str) -> (String, Key) {
        let mut line = Line::default();
        let mut last = Key::More;
        for byte in keys.bytes() {
            last = line.take(byte);
            if last != Key::More {
                break;
            }
        }
        (line.into_password().unwrap().expose().to_owned(), last)
    }

    #[test]
    fn keys_that_correct_do_and_a_character_goes_as_a_whole() {
        assert_eq!(typed("abc\u{7f}d\r"), ("abd".to_owned(), Key::Enter));
        assert_eq!(typed("aé日\u{8}\u{8}b\n"), ("ab".to_owned(), Key::Enter));
        assert_eq!(typed("\u{7f}wrong\u{15}right\n"), ("right".to_owned(), Key::Enter));
    }

    #[test]
    fn the_end_of_input_is_one_only_on_an_empty_line() {
        assert_eq!(typed("\u{4}"), (String::new(), Key::Ended));
        assert_eq!(typed("a\u{4}b\n"), ("ab".to_owned(), Key::Enter));
        assert_eq!(typed("a\u{3}").1, Key::Interrupt);
    }

    #[test]
    fn a_line_does_not_grow_for_ever() {
        assert_eq!(typed(&"x".repeat(LONGEST + 100)).0.len(), LONGEST);
    }
}
