//! Ends of attempts that nobody waits for: their clients left in the middle.

use std::time::SystemTime;

use tokio::sync::mpsc;
use tokio_postgres::types::Type;

use crate::attempts::Tries;
use crate::fault::Fault;
use crate::pool::{Pool, Values};

/// So many wait to be written. Beyond it an end is lost, and its place is void by itself.
const WAITING: usize = 4_096;

/// How an attempt of an address ended.
#[derive(Debug)]
pub(crate) struct Loose {
    pub(crate) address: String,
    pub(crate) ends: Ends,
    pub(crate) tries: Tries,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Ends {
    /// While a place was asked for. What came of it is not known, and a failure is counted as one
    /// that held no place: never too few, and one place too many until it is void.
    Left(SystemTime),
    /// While its place was held, if that is still so: a failure at that time.
    Failed(SystemTime, SystemTime),
    /// Its place is free.
    Free(SystemTime),
}

/// Where such ends are put.
#[derive(Clone, Debug)]
pub(crate) struct LooseEnds(mpsc::Sender<Loose>);

impl LooseEnds {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Loose>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(sender), receiver)
    }

    pub(crate) fn send(&self, loose: Loose) {
        let _ = self.0.try_send(loose);
    }
}

impl Loose {
    /// Says it to the database. What cannot be said now is void by itself soon.
    pub(crate) async fn settle(&self, pool: &Pool) -> Result<(), Fault> {
        const COUNT: &str = "SELECT mcp_count_address($1, $2, $3, $4, $5)::text";
        const FAIL: &str = "SELECT mcp_fail_address($1, $2, $3, $4, $5, $6, true)::text";
        const FREE: &str = "SELECT mcp_free_address($1, $2)::text";
        let address = (&self.address as _, Type::TEXT);
        let Tries { most, spans, holds } = &self.tries;
        let tries = [(most as _, Type::INT8), (spans as _, Type::INT8), (holds as _, Type::INT8)];
        let [most, spans, holds] = tries;
        let (sql, values): (_, Values<'_>) = match &self.ends {
            Ends::Left(at) => (COUNT, &[address, most, spans, holds, (at, Type::TIMESTAMPTZ)]),
            Ends::Failed(place, at) => {
                let (place, at) = ((place as _, Type::TIMESTAMPTZ), (at as _, Type::TIMESTAMPTZ));
                (FAIL, &[address, place, most, spans, holds, at])
            }
            Ends::Free(place) => (FREE, &[address, (place, Type::TIMESTAMPTZ)]),
        };
        pool.write(sql, values).await.map(drop)
    }
}

/// Something that is being said. Dropped before it is tied, nobody waited for the answer.
pub(crate) struct Untied<'a> {
    ends: &'a LooseEnds,
    address: &'a str,
    loose: Option<(Ends, Tries)>,
}

impl<'a> Untied<'a> {
    pub(crate) fn new(all: &'a LooseEnds, address: &'a str, ends: Ends, tries: Tries) -> Self {
        Self { ends: all, address, loose: Some((ends, tries)) }
    }

    /// The answer was heard, whatever it is.
    pub(crate) fn tie(mut self) {
        self.loose = None;
    }
}

impl Drop for Untied<'_> {
    fn drop(&mut self) {
        if let Some((ends, tries)) = self.loose.take() {
            self.ends.send(Loose { address: self.address.to_owned(), ends, tries });
        }
    }
}
