//! When to read: the debounce. A pure state machine; it is told the time and what was seen.
//!
//! ```text
//!                      event                        read: settled
//!   Still ────────────────────────▶ Waiting ─────────────────────────▶ Resting
//!     ▲                              ▲    │                             │  │  ▲
//!     │                              │    │ read: doubtful        event │  │  │
//!     │                              └────┼─────────────────────────────┘  │  │
//!     │                                   ▼                                │  │
//!     │                     ┌──────── Doubting ─── second read: final ─────┼──┘
//!     │               event │             ▲      (a fault is reported)     │
//!     │                     └─────────────┘                                │
//!     └───────────────────────── 100 ms without an event ──────────────────┘
//!
//!   Still     nothing happens; the next event is read at once
//!   Waiting   a read is due: at once after silence, else when the rest is over
//!   Resting   something was read less than 100 ms ago; events are gathered into one more read
//!   Doubting  the first read failed or came out shorter: whoever writes may not be done. Read
//!             again after 100 ms without an event, and after 500 ms whatever happens
//! ```

use std::time::{Duration, Instant};

/// Silence after which an event is read at once, and the rest between two reads.
pub(crate) const QUIET: Duration = Duration::from_millis(100);

/// How long a doubtful read is put off at most.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

/// What was seen of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sighting {
    /// Something happened to it; a writer may still be at work.
    Touched,
    /// It was renamed into place: whole, whatever its length.
    Renamed,
}

/// How a read went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Good, or the same bytes as before.
    Settled,
    /// It failed, or came out shorter where [`Attempt::accepts_shorter`] is false.
    Doubtful,
}

/// What the read that is due may take for true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// A shorter file is not suspected of being half written.
    pub(crate) accepts_shorter: bool,
}

/// What follows from a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Say nothing yet, there will be another read.
    Retry,
    /// The outcome stands; a fault is to be reported.
    Final,
}

/// See the top of the file.
#[derive(Debug)]
pub(crate) struct Settle(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Still,
    Waiting { at: Instant, latest: Sighting },
    Resting { until: Instant },
    Doubting { at: Instant, deadline: Instant },
}

impl Settle {
    pub(crate) fn new() -> Self {
        Self(State::Still)
    }

    /// Something was seen.
    pub(crate) fn event(&mut self, now: Instant, sighting: Sighting) {
        self.0 = match self.0 {
            State::Still => State::Waiting { at: now, latest: sighting },
            State::Resting { until } => State::Waiting { at: until.max(now), latest: sighting },
            State::Waiting { at, .. } => State::Waiting { at, latest: sighting },
            State::Doubting { deadline, .. } => {
                let at = match sighting {
                    Sighting::Touched => (now + QUIET).min(deadline),
                    // What is in place now is whole: the doubt is over.
                    Sighting::Renamed => now,
                };
                State::Doubting { at, deadline }
            }
        };
    }

    /// When to read; `None` while nothing is to be read.
    pub(crate) fn due(&self) -> Option<Instant> {
        match self.0 {
            State::Still | State::Resting { .. } => None,
            State::Waiting { at, .. } | State::Doubting { at, .. } => Some(at),
        }
    }

    /// What the read that is due may accept.
    pub(crate) fn attempt(&self) -> Attempt {
        let accepts_shorter = match self.0 {
            State::Still | State::Resting { .. } => false,
            State::Waiting { latest, .. } => latest == Sighting::Renamed,
            State::Doubting { .. } => true,
        };
        Attempt { accepts_shorter }
    }

    /// The read that was due is over.
    pub(crate) fn read(&mut self, now: Instant, outcome: Outcome) -> Verdict {
        if let (State::Waiting { .. }, Outcome::Doubtful) = (self.0, outcome) {
            self.0 = State::Doubting { at: now + QUIET, deadline: now + PATIENCE };
            Verdict::Retry
        } else {
            self.0 = State::Resting { until: now + QUIET };
            Verdict::Final
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The machine and the moment that its times count from.
    struct Told {
        settle: Settle,
        start: Instant,
    }

    impl Told {
        fn new() -> Self {
            Self { settle: Settle::new(), start: Instant::now() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        fn touched(&mut self, ms: u64) {
            self.settle.event(self.at(ms), Sighting::Touched);
        }

        fn renamed(&mut self, ms: u64) {
            self.settle.event(self.at(ms), Sighting::Renamed);
        }

        fn read(&mut self, ms: u64, outcome: Outcome) -> Verdict {
            self.settle.read(self.at(ms), outcome)
        }

        fn due(&self) -> Option<u128> {
            self.settle.due().map(|at| at.duration_since(self.start).as_millis())
        }
    }

    #[test]
    fn the_first_event_after_silence_is_read_at_once() {
        let mut told = Told::new();
        assert_eq!(told.due(), None);
        told.touched(7);
        assert_eq!(told.due(), Some(7));
        told.read(7, Outcome::Settled);
        told.touched(207);
        assert_eq!(told.due(), Some(207));
    }

    #[test]
    fn events_within_the_rest_are_one_more_read() {
        let mut told = Told::new();
        told.touched(0);
        told.read(0, Outcome::Settled);
        for ms in [1, 50, 99] {
            told.touched(ms);
            assert_eq!(told.due(), Some(100));
        }
        told.read(100, Outcome::Settled);
        assert_eq!(told.due(), None);
    }

    #[test]
    fn a_busy_writer_is_read_every_100_ms_and_cannot_postpone() {
        let mut told = Told::new();
        let mut reads = Vec::new();
        for ms in 0..1000 {
            told.touched(ms);
            if told.due().is_some_and(|due| due <= u128::from(ms)) {
                reads.push(ms);
                told.read(ms, Outcome::Settled);
            }
        }
        assert_eq!(reads, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
    }

    #[test]
    fn a_doubtful_read_is_tried_again_after_silence() {
        let mut told = Told::new();
        told.touched(0);
        assert_eq!(told.read(0, Outcome::Doubtful), Verdict::Retry);
        assert_eq!(told.due(), Some(100));
        told.touched(60);
        assert_eq!(told.due(), Some(160));
    }

    #[test]
    fn a_doubtful_read_is_tried_again_after_500_ms_at_the_latest() {
        let mut told = Told::new();
        told.touched(0);
        told.read(0, Outcome::Doubtful);
        for ms in (50..500).step_by(50) {
            told.touched(ms);
        }
        assert_eq!(told.due(), Some(500));
    }

    #[test]
    fn the_second_doubtful_read_is_final() {
        let mut told = Told::new();
        told.touched(0);
        told.read(0, Outcome::Doubtful);
        assert!(told.settle.attempt().accepts_shorter);
        assert_eq!(told.read(100, Outcome::Doubtful), Verdict::Final);
        assert_eq!(told.due(), None);
    }

    #[test]
    fn a_shorter_file_is_doubted_unless_it_was_renamed_into_place() {
        let mut told = Told::new();
        told.touched(0);
        assert!(!told.settle.attempt().accepts_shorter);
        told.renamed(1);
        assert!(told.settle.attempt().accepts_shorter);
        // Somebody writes into the renamed file: it may be half written again.
        told.touched(2);
        assert!(!told.settle.attempt().accepts_shorter);
    }

    #[test]
    fn a_rename_ends_the_doubt_at_once() {
        let mut told = Told::new();
        told.touched(0);
        told.read(0, Outcome::Doubtful);
        told.renamed(3);
        assert_eq!(told.due(), Some(3));
    }

    proptest! {
        #[test]
        fn no_event_is_left_unread_for_longer_than_the_patience(
            gaps in prop::collection::vec((0_u64..150, any::<bool>(), any::<bool>()), 1..200),
        ) {
            let mut told = Told::new();
            let (mut now, mut unread_since) = (0, None);
            for (gap, is_event, is_good) in gaps {
                now += gap;
                if told.due().is_some_and(|due| due <= u128::from(now)) {
                    let outcome = if is_good { Outcome::Settled } else { Outcome::Doubtful };
                    if told.read(now, outcome) == Verdict::Final {
                        unread_since = None;
                    }
                }
                if is_event {
                    told.touched(now);
                    unread_since.get_or_insert(now);
                }
                if let Some(since) = unread_since {
                    let due = told.due().expect("an unread event makes a read due");
                    // Each gap may add its length to the time that a read comes late.
                    prop_assert!(due <= u128::from(since) + 100 + 500 + 2 * 150);
                }
            }
        }
    }
}
