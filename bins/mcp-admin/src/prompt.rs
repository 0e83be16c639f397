//! Questions to a person at a terminal. They go to standard error: standard output is data.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use mcp_identity::Password;
use zeroize::Zeroizing;

use crate::output::{Fault, escaped};
use crate::terminal::{self, Typed};

/// The longest answer, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Is there somebody to ask?
pub(crate) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// One line, without the spaces around it.
pub(crate) fn ask(question: &str) -> Result<String, Fault> {
    let unheard = |error: io::Error| Fault::ours(format!("cannot read the answer: {error}"));
    say(question).map_err(unheard)?;
    let mut answer = String::new();
    let read = io::stdin().lock().take(LONGEST).read_line(&mut answer).map_err(unheard)?;
    if read == 0 {
        // The cursor still stands behind the question.
        say("\n").map_err(unheard)?;
        return Err(cancelled());
    }
    Ok(answer.trim().to_owned())
}

/// `true` for `y` and `yes`. Anything else is a no, and so is the end of input.
pub(crate) fn confirm(question: &str) -> Result<bool, Fault> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// Asks for a password, hidden and twice, until both are the same and `accept` takes it.
pub(crate) fn ask_for_password(
    question: &str,
    mut accept: impl FnMut(&Password) -> Result<(), String>,
) -> Result<Password, Fault> {
    loop {
        let password = ask_hidden(question)?;
        let refused = match accept(&password) {
            Ok(()) if ask_hidden("Confirm password: ")?.expose() == password.expose() => {
                return Ok(password);
            }
            Ok(()) => "the two are not the same".to_owned(),
            Err(refused) => refused,
        };
        say(&format!("{}\n", escaped(&refused))).map_err(|error| Fault::ours(error.to_string()))?;
    }
}

/// A password from standard input: the first line, without its end. Asked for and hidden if
/// somebody types there.
pub(crate) fn read_password() -> Result<Password, Fault> {
    if is_possible() {
        return ask_hidden("Password: ");
    }
    let mut line = Zeroizing::new(String::new());
    io::stdin().lock().take(LONGEST).read_line(&mut line).map_err(|error| unread(&error))?;
    let password = line.strip_suffix('\n').unwrap_or(&line);
    let password = password.strip_suffix('\r').unwrap_or(password);
    if password.is_empty() {
        return Err(Fault::refused("there is no password on standard input"));
    }
    Ok(Password::presented(password.to_owned()))
}

/// One line that the terminal does not show.
fn ask_hidden(question: &str) -> Result<Password, Fault> {
    let typed = terminal::ask_hidden(question).map_err(|error| unread(&error))?;
    // The key that ended the line was not shown either.
    say("\n").map_err(|error| unread(&error))?;
    match typed {
        Typed::Line(password) => Ok(password),
        Typed::Ended => Err(cancelled()),
    }
}

/// Why there is no password: what was given is none, or it could not be read.
fn unread(error: &io::Error) -> Fault {
    let message = format!("cannot read the password: {error}");
    match error.kind() {
        io::ErrorKind::InvalidData => Fault::refused(message),
        _ => Fault::ours(message),
    }
}

/// What a "no" comes to.
pub(crate) fn cancelled() -> Fault {
    Fault::refused("cancelled: nothing was changed")
}

/// Asks until the answer can be used.
pub(crate) fn ask_until<T>(
    question: &str,
    mut read: impl FnMut(&str) -> Result<T, String>,
) -> Result<T, Fault> {
    loop {
        match read(&ask(question)?) {
            Ok(value) => return Ok(value),
            Err(refused) => {
                let refused = format!("{}\n", escaped(&refused));
                say(&refused).map_err(|error| Fault::ours(error.to_string()))?;
            }
        }
    }
}

/// Says something that is no question.
pub(crate) fn say(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    stderr.write_all(text.as_bytes())?;
    stderr.flush()
}
