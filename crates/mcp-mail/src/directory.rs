//! Letters as files: for trying things out, and for a program of yours that carries them on.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::address::Mailbox;
use crate::compose::compose;
use crate::error::{Fault, SendError, Step};
use crate::letter::{Letter, Postmark};
use crate::outbox::{Outbox, Sending};

/// Writes each letter into a file of its own, `<unix time>-<id>.eml`, mode 0600: there are links
/// in letters. A file has its name only when it is whole and on the disk.
#[derive(Clone, Debug)]
pub struct DirectoryOutbox {
    directory: PathBuf,
    from: Mailbox,
}

impl DirectoryOutbox {
    /// An outbox in a directory that exists, or will by the time a letter is sent.
    #[must_use]
    pub fn new(directory: PathBuf, from: Mailbox) -> Self {
        Self { directory, from }
    }

    /// The file that a letter with this mark is written to.
    #[must_use]
    pub fn file(&self, postmark: &Postmark) -> PathBuf {
        let seconds = postmark.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.directory.join(format!("{seconds}-{}.eml", postmark.hex()))
    }
}

impl Outbox for DirectoryOutbox {
    fn send<'a>(&'a self, letter: &'a Letter, postmark: &'a Postmark) -> Sending<'a> {
        Box::pin(async move {
            let error =
                |step, fault| SendError::new(&self.directory.display().to_string(), step, fault);
            let bytes = compose(letter, &self.from, postmark)
                .map_err(|_| error(Step::Compose, Fault::Unfit))?;
            let (directory, file) = (self.directory.clone(), self.file(postmark));
            // A disk may take its time, which is not the runtime's to lose.
            let written =
                tokio::task::spawn_blocking(move || write(&directory, &file, &bytes)).await;
            let written = written.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()));
            written.map_err(|reason| error(Step::Write, Fault::Io(reason.to_string())))
        })
    }
}

fn write(directory: &Path, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut unfinished = tempfile::Builder::new().prefix(".letter-").tempfile_in(directory)?;
    unfinished.write_all(bytes)?;
    unfinished.as_file().sync_all()?;
    unfinished.persist_noclobber(file).map_err(|refused| refused.error)?;
    // The name too must outlive a power cut.
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::{Address, Line};

    fn letter() -> Letter {
        let to = Address::parse("ann@example.com").unwrap();
        Letter::new(to, Line::parse("Reset").unwrap(), "https://mcp.example.com/reset/abc").unwrap()
    }

    fn outbox(directory: &Path) -> DirectoryOutbox {
        let from = Address::parse("mcp@example.com").unwrap();
        DirectoryOutbox::new(directory.to_owned(), from.into())
    }

    fn postmark(id: u8) -> Postmark {
        Postmark { at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_760_000_000), id: [id; 16] }
    }

    #[tokio::test]
    async fn each_letter_is_a_file_that_only_its_owner_reads() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = outbox(directory.path());
        for id in [1, 2] {
            outbox.send(&letter(), &postmark(id)).await.unwrap();
        }
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [1_u8, 2].map(|id| { format!("1760000000-{}.eml", format!("{id:02x}").repeat(16)) })
        );
        let file = outbox.file(&postmark(1));
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.contains("\r\n\r\nhttps://mcp.example.com/reset/abc\r\n"), "{text}");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_letter_is_never_written_over_another() {
        let directory = tempfile::tempdir().unwrap();
        let outbox = outbox(directory.path());
        outbox.send(&letter(), &postmark(1)).await.unwrap();
        let error = outbox.send(&letter(), &postmark(1)).await.unwrap_err();
        assert_eq!(error.step(), Step::Write);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_directory_that_is_missing_is_named_and_may_be_there_next_time() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing");
        let error = outbox(&missing).send(&letter(), &postmark(1)).await.unwrap_err();
        assert!(error.to_string().starts_with(&format!("{}: write: ", missing.display())));
        assert!(!error.is_permanent());
    }
}
