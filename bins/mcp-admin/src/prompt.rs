//! Questions to a person at a terminal. They go to standard error: standard output is data.

use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};

use crate::output::{Fault, escaped};

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
        return Err(Fault::refused("cancelled: nothing was changed"));
    }
    Ok(answer.trim().to_owned())
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
