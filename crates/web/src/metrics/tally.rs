//! What is counted while the server runs. Labels are words of this program, never text from outside: so there are as many
//! series as there are words, whatever anybody sends.

use breakglass_incident::{Actor, Event, EventBody, Seq, TurnEvent, TurnOutcome};
use breakglass_protocol::{Outcome, Verb};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counts by words. Held in memory only, and never while anything else is waited for.
pub(super) struct Counts<const N: usize>(Mutex<BTreeMap<[&'static str; N], u64>>);

impl<const N: usize> Counts<N> {
    /// Begins at zero for these, so that the first of each shows as a rise.
    fn from_zero(words: impl IntoIterator<Item = [&'static str; N]>) -> Self {
        Self(Mutex::new(words.into_iter().map(|words| (words, 0)).collect()))
    }

    fn add(&self, words: [&'static str; N], times: u64) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(words).or_default();
        *count = count.saturating_add(times);
    }

    /// All of them, as they stand.
    pub(super) fn read(&self) -> Vec<([&'static str; N], u64)> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(words, count)| (*words, *count)).collect()
    }
}

/// How an attempt to log in ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum LogIn {
    In,
    Wrong,
    Throttled,
    Crowded,
    NoPasswords,
}

impl LogIn {
    const ALL: [Self; 5] = [Self::In, Self::Wrong, Self::Throttled, Self::Crowded, Self::NoPasswords];

    const fn word(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Wrong => "wrong",
            Self::Throttled => "throttled",
            Self::Crowded => "crowded",
            Self::NoPasswords => "no-passwords",
        }
    }
}

/// Who reads a stream.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Reader {
    Page,
    Program,
}

/// All that is counted.
pub(crate) struct Tally {
    pub(super) verbs: Counts<2>,
    pub(super) commands: Counts<1>,
    pub(super) turns: Counts<1>,
    pub(super) logins: Counts<1>,
    pub(super) requests: Counts<1>,
    pages: AtomicI64,
    programs: AtomicI64,
    /// The newest event that was counted. An event that was not kept is shown a second time once the disk took it.
    counted: Mutex<Seq>,
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
const TURNS: [&str; 5] = ["finished", "stopped", "failed", "out-of-time", "interrupted"];
const COMMANDS: [&str; 3] = ["succeeded", "failed", "no-exit"];

impl Default for Tally {
    fn default() -> Self {
        let pressed = Verb::ALL.into_iter().filter(|verb| *verb != Verb::Status);
        let verbs = pressed.flat_map(|verb| OUTCOMES.map(|outcome| [verb.as_str(), word_of(outcome)]));
        Self {
            verbs: Counts::from_zero(verbs),
            commands: Counts::from_zero(COMMANDS.map(|word| [word])),
            turns: Counts::from_zero(TURNS.map(|word| [word])),
            logins: Counts::from_zero(LogIn::ALL.map(|login| [login.word()])),
            requests: Counts::from_zero(CLASSES.map(|class| [class])),
            pages: AtomicI64::new(0),
            programs: AtomicI64::new(0),
            counted: Mutex::new(Seq(0)),
        }
    }
}

impl Tally {
    /// An attempt to log in ended.
    pub(crate) fn log_in(&self, how: LogIn) {
        self.logins.add([how.word()], 1);
    }

    /// A request was answered.
    pub(crate) fn answered(&self, status: u16) {
        let class = CLASSES.get(usize::from(status / 100).saturating_sub(1));
        self.requests.add([class.copied().unwrap_or("5xx")], 1);
    }

    /// Somebody attaches to a stream, until what is returned is dropped.
    pub(crate) fn attach(self: &Arc<Self>, reader: Reader) -> Attached {
        self.attached(reader).fetch_add(1, Ordering::Relaxed);
        Attached { tally: Arc::clone(self), reader }
    }

    const fn attached(&self, reader: Reader) -> &AtomicI64 {
        match reader {
            Reader::Page => &self.pages,
            Reader::Program => &self.programs,
        }
    }

    /// How many are attached.
    pub(super) fn streams(&self, reader: Reader) -> i64 {
        self.attached(reader).load(Ordering::Relaxed)
    }

    /// Counts an event of this server's own run; what a spool tells happened elsewhere and earlier.
    pub(super) fn event(&self, event: &Event) {
        {
            let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if event.seq <= *counted {
                return;
            }
            *counted = event.seq;
        }
        if matches!(event.actor, Actor::Spool(_)) {
            return;
        }
        match &event.body {
            EventBody::VerbFinished { verb, outcome, .. } => {
                self.verbs.add([verb.as_str(), word_of(*outcome)], 1);
            }
            EventBody::CommandFinished { exit, .. } => self.commands.add(
                [match exit {
                    Some(0) => "succeeded",
                    Some(_) => "failed",
                    None => "no-exit",
                }],
                1,
            ),
            EventBody::Turn(TurnEvent::TurnEnded { how, .. }) => self.turns.add(
                [match how {
                    TurnOutcome::Finished => "finished",
                    TurnOutcome::Stopped => "stopped",
                    TurnOutcome::Failed => "failed",
                    TurnOutcome::OutOfTime => "out-of-time",
                }],
                1,
            ),
            EventBody::Turn(TurnEvent::TurnInterrupted { .. }) => self.turns.add(["interrupted"], 1),
            _ => {}
        }
    }
}

/// One who reads a stream; counted until dropped.
pub(crate) struct Attached {
    tally: Arc<Tally>,
    reader: Reader,
}

impl Drop for Attached {
    fn drop(&mut self) {
        self.tally.attached(self.reader).fetch_sub(1, Ordering::Relaxed);
    }
}

const OUTCOMES: [Outcome; 7] = [
    Outcome::Done,
    Outcome::NotObserved,
    Outcome::Failed,
    Outcome::Refused,
    Outcome::Busy,
    Outcome::TimedOut,
    Outcome::Superseded,
];

const fn word_of(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Done => "done",
        Outcome::NotObserved => "not-observed",
        Outcome::Failed => "failed",
        Outcome::Refused => "refused",
        Outcome::Busy => "busy",
        Outcome::TimedOut => "timed-out",
        Outcome::Superseded => "superseded",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::Timestamp;

    fn note(seq: u64, actor: Actor) -> Event {
        let body = EventBody::Turn(TurnEvent::TurnInterrupted { turn: breakglass_incident::TurnId(1) });
        Event { seq: Seq(seq), incident: None, at: Timestamp::from_unix_millis(0), actor, body }
    }

    fn interrupted(tally: &Tally) -> u64 {
        tally.turns.read().into_iter().find(|(words, _)| *words == ["interrupted"]).unwrap().1
    }

    #[test]
    fn an_event_that_is_shown_twice_counts_once_and_a_spools_not_at_all() {
        let tally = Tally::default();
        tally.event(&note(7, Actor::Server));
        tally.event(&note(8, Actor::Server));
        tally.event(&note(7, Actor::Server));
        assert_eq!(interrupted(&tally), 2);
        let by = Box::new(Actor::Cli("mara@laptop".to_owned()));
        let at = Timestamp::from_unix_millis(0);
        let spool = breakglass_incident::SpoolActor { by, line: "1:00".to_owned(), taken_in: at };
        tally.event(&note(9, Actor::Spool(spool)));
        assert_eq!(interrupted(&tally), 2);
    }

    #[test]
    fn who_goes_is_counted_no_more() {
        let tally = Arc::new(Tally::default());
        let (one, two) = (tally.attach(Reader::Page), tally.attach(Reader::Page));
        drop(one);
        assert_eq!((tally.streams(Reader::Page), tally.streams(Reader::Program)), (1, 0));
        drop(two);
        assert_eq!(tally.streams(Reader::Page), 0);
    }
}
