//! One read: the bytes of all files, whether they are new, and what they mean. May block.

use std::error::Error;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use crate::fault::Fault;
use crate::reader::Reader;
use crate::survey::Survey;

type Parse<T> = dyn Fn(&[Vec<u8>]) -> Result<T, Fault> + Send + Sync;

/// Everything a read needs. Shared with the thread that reads.
pub(crate) struct Look<T> {
    pub(crate) paths: Vec<PathBuf>,
    reader: Reader,
    parse: Box<Parse<T>>,
    fingerprints: RandomState,
}

/// What a file's bytes are known by. The bytes themselves are not kept: they may be a secret
/// key, and a credential file has up to 64 MiB of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint {
    hash: u64,
    length: u64,
}

/// What a read that did not fail found.
pub(crate) enum Found<T> {
    /// The very bytes that are in use.
    Same,
    /// Shorter than what is in use, and not to be trusted yet. Not parsed.
    Shorter,
    /// New and good.
    New(T, Fingerprint),
}

impl<T> Look<T> {
    pub(crate) fn new<E>(
        paths: Vec<PathBuf>,
        reader: Reader,
        parse: impl Fn(&[Vec<u8>]) -> Result<T, E> + Send + Sync + 'static,
    ) -> Self
    where
        E: Error + Send + Sync + 'static,
    {
        let parse =
            move |files: &[Vec<u8>]| parse(files).map_err(|error| Fault::Refused(Arc::new(error)));
        // The keys of the hash are random: nobody can prepare two files with one fingerprint.
        Self { paths, reader, parse: Box::new(parse), fingerprints: RandomState::new() }
    }

    pub(crate) fn survey(&self) -> Survey {
        Survey::of(&self.paths)
    }

    /// Reads and parses while nothing is in use to compare with.
    pub(crate) fn first(&self) -> Result<(T, Fingerprint), Fault> {
        let files = self.files()?;
        Ok((self.parsed(&files)?, self.fingerprint(&files)))
    }

    /// Reads, and parses unless the bytes are those of `in_use`.
    pub(crate) fn read(
        &self,
        in_use: Option<Fingerprint>,
        accepts_shorter: bool,
    ) -> Result<Found<T>, Fault> {
        let files = self.files()?;
        let fingerprint = self.fingerprint(&files);
        match in_use {
            Some(known) if known == fingerprint => Ok(Found::Same),
            Some(known) if fingerprint.length < known.length && !accepts_shorter => {
                Ok(Found::Shorter)
            }
            _ => Ok(Found::New(self.parsed(&files)?, fingerprint)),
        }
    }

    fn files(&self) -> Result<Vec<Vec<u8>>, Fault> {
        let read = |path: &PathBuf| {
            let fault = |source| Fault::Read { path: path.clone(), source: Arc::new(source) };
            self.reader.read(path).map_err(fault)
        };
        self.paths.iter().map(read).collect()
    }

    fn fingerprint(&self, files: &[Vec<u8>]) -> Fingerprint {
        let mut hasher = self.fingerprints.build_hasher();
        let mut length = 0;
        for file in files {
            // The length goes first, so that bytes cannot wander from one file to the next unseen.
            hasher.write_usize(file.len());
            hasher.write(file);
            length += file.len() as u64;
        }
        Fingerprint { hash: hasher.finish(), length }
    }

    fn parsed(&self, files: &[Vec<u8>]) -> Result<T, Fault> {
        // The parser is a function of its input, and what it was building is dropped here: there
        // is nothing that a panic could leave half done.
        catch_unwind(AssertUnwindSafe(|| (self.parse)(files)))
            .unwrap_or_else(|_| Err(Fault::Panicked { path: self.paths[0].clone() }))
    }
}
