//! The outbox of tests: letters stay in memory.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::letter::{Letter, Postmark};
use crate::outbox::{Outbox, Sending};

/// As many letters as are kept; the oldest go.
const MOST: usize = 1_000;

/// Keeps the latest thousand letters in memory, as they were handed in.
#[derive(Debug, Default)]
pub struct CaptureOutbox(Mutex<VecDeque<(Letter, Postmark)>>);

impl CaptureOutbox {
    /// Takes out what was sent, oldest first.
    pub fn take(&self) -> Vec<(Letter, Postmark)> {
        self.kept().drain(..).collect()
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<(Letter, Postmark)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outbox for CaptureOutbox {
    fn send<'a>(&'a self, letter: &'a Letter, postmark: &'a Postmark) -> Sending<'a> {
        let mut kept = self.kept();
        if kept.len() == MOST {
            kept.pop_front();
        }
        kept.push_back((letter.clone(), *postmark));
        Box::pin(async { Ok(()) })
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::{Address, Line};

    #[tokio::test]
    async fn the_latest_thousand_are_kept_in_order() {
        let outbox = CaptureOutbox::default();
        let postmark = Postmark { at: SystemTime::UNIX_EPOCH, id: [0; 16] };
        for number in 0..=MOST {
            let to = Address::parse("ann@example.com").unwrap();
            let subject = Line::parse(&number.to_string()).unwrap();
            let letter = Letter::new(to, subject, "x").unwrap();
            outbox.send(&letter, &postmark).await.unwrap();
        }
        let taken = outbox.take();
        assert_eq!(taken.len(), MOST);
        assert_eq!(taken[0].0.subject().as_str(), "1");
        assert_eq!(taken[MOST - 1].0.subject().as_str(), "1000");
        assert!(outbox.take().is_empty());
    }
}
