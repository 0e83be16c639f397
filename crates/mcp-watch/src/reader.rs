//! How one file becomes bytes: by default whole, regular, and up to a size.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

/// What a file holds at most unless the owner says otherwise (the cap of credential files).
const DEFAULT_MAX_BYTES: u64 = 64 * 1024 * 1024;

type ReadFile = dyn Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync;

/// Reads one file whole. Cheap to clone; called on a thread that may block.
#[derive(Clone)]
pub struct Reader(Arc<ReadFile>);

impl Reader {
    /// A reader of the owner's own. It must put a bound to what it reads, and its errors must not
    /// repeat what is in the file: they are logged.
    pub fn new(read: impl Fn(&Path) -> io::Result<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// Reads regular files of up to `max_bytes`; anything else is an error.
    #[must_use]
    pub fn capped(max_bytes: u64) -> Self {
        Self::checked(max_bytes, |_, _| Ok(()))
    }

    /// As [`capped`](Self::capped), after `check` has passed the mode, owner or the like.
    ///
    /// The check is shown the metadata of the open file, which is the file that is then read:
    /// nobody can put another one in its place between the two.
    pub fn checked(
        max_bytes: u64,
        check: impl Fn(&Path, &Metadata) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(move |path| {
            // Looked at before opening as well: to open a pipe would wait for its writer.
            refuse_irregular(&fs::metadata(path)?)?;
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            refuse_irregular(&metadata)?;
            check(path, &metadata)?;
            read_capped(file, max_bytes)
        })
    }

    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        (self.0)(path)
    }
}

impl Default for Reader {
    /// [`capped`](Self::capped) at 64 MiB.
    fn default() -> Self {
        Self::capped(DEFAULT_MAX_BYTES)
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reader(…)")
    }
}

fn refuse_irregular(metadata: &Metadata) -> io::Result<()> {
    if metadata.is_file() {
        Ok(())
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"))
    }
}

fn read_capped(file: File, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells a full file from one that is too large. The size in the
    // metadata is not believed: the file may grow while it is read.
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= max_bytes) {
        Ok(bytes)
    } else {
        let message = format!("larger than {max_bytes} bytes");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        fs::write(&path, text).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_of_exactly_the_cap_is_read_and_one_byte_more_is_refused() {
        let (_directory, path) = file_of("12345");
        assert_eq!(Reader::capped(5).read(&path).unwrap(), b"12345");
        let refused = Reader::capped(4).read(&path).unwrap_err();
        assert_eq!(refused.to_string(), "larger than 4 bytes");
    }

    #[test]
    fn a_directory_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let refused = Reader::default().read(directory.path()).unwrap_err();
        assert_eq!(refused.to_string(), "not a regular file");
    }

    #[test]
    fn a_check_refuses_before_anything_is_read() {
        let (_directory, path) = file_of("secret");
        let reader = Reader::checked(64, |_, metadata| {
            if metadata.len() == 6 { Err(io::Error::other("six is refused")) } else { Ok(()) }
        });
        assert_eq!(reader.read(&path).unwrap_err().to_string(), "six is refused");
    }
}
