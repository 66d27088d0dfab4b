//! From events to receivers and back: what is told of the journal, and what the journal is told of the telling.
//!
//! The journal is the only memory: who was told of an event is an event itself (`Notified`). After a restart what has none is told, with the
//! key that it had before.

use crate::notice::{Kind, Member, Notice};
use crate::outbox::Job;
use crate::pace::{Pace, passed};
use crate::postman::{self, Lines, Outcome, Round};
use crate::selection::Selection;
use breakglass_fleet::Receiver;
use breakglass_incident::{Actor, Delivery, Event, EventBody, Seq};
use breakglass_journal::{Keeping, Tail, Wanted};
use breakglass_protocol::Timestamp;
use breakglass_recovery::{Dependency, Desk};
use breakglass_triage::Health;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, timeout};

/// So many events before the start are looked at again.
const LOOKED_BACK: u64 = 2_000;
/// How many are read at a time.
const PAGE: usize = 256;
/// How long that may take, where a disk hardly answers.
const LOOK_BACK: Duration = Duration::from_secs(10);

/// Tells whoever the fleet file names until `ending` is over. Nothing waits for this, and what hangs in it holds up nothing.
/// It sees what happens from the call on, not from the first poll.
pub fn notify(
    desk: Desk,
    pace: Pace,
    ending: impl Future<Output = ()> + Send,
) -> impl Future<Output = ()> + Send {
    let tail = desk.journal.subscribe();
    run(desk, pace, tail, ending)
}

async fn run(desk: Desk, pace: Pace, mut tail: Tail, ending: impl Future<Output = ()> + Send) {
    let config = &desk.fleet.notify;
    if config.receivers.is_empty() {
        return;
    }
    let (tell, mut outcomes) = mpsc::channel(64);
    let round = Round { ca_file: config.ca_file.clone(), pace, clock: desk.clock };
    let lines = match postman::start(config.receivers.clone(), round, tell) {
        Ok(lines) => lines,
        Err(error) => {
            tracing::error!(%error, "nobody can be notified");
            let sentence = format!("nobody is told of anything: the system gives no thread ({error})");
            let name = "notices".to_owned();
            desk.board.show_dependency(Dependency { name, health: Health::Down, sentence });
            return;
        }
    };
    let mut office = Office::new(desk, pace, lines);
    let mut ticks = tokio::time::interval(pace.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let work = async {
        loop {
            tokio::select! {
                frame = tail.next() => match frame {
                    Some(frame) => if let Some(event) = frame.event() { office.take(&event).await },
                    None => return,
                },
                Some(outcome) = outcomes.recv() => office.record(outcome).await,
                _ = ticks.tick() => office.tick().await,
            }
        }
    };
    tokio::select! {
        () = ending => {}
        () = work => {}
    }
}

struct Office {
    desk: Desk,
    pace: Pace,
    receivers: Vec<Receiver>,
    lines: Lines,
    selection: Selection,
    looked_back: bool,
    journal: JournalSeen,
}

/// What people were told of the journal.
#[derive(Default)]
struct JournalSeen {
    failing_since: Option<Timestamp>,
    told: Option<Timestamp>,
    is_told: bool,
}

impl Office {
    fn new(desk: Desk, pace: Pace, lines: Lines) -> Self {
        let selection = Selection::new(Arc::clone(&desk.fleet), pace);
        let receivers = desk.fleet.notify.receivers.clone();
        Self { desk, pace, receivers, lines, selection, looked_back: false, journal: JournalSeen::default() }
    }

    async fn take(&mut self, event: &Event) {
        // What was before comes first; while the disk does not give it, what happens now does not wait for it.
        self.look_back().await;
        if let Some(notice) = self.selection.take(event) {
            self.dispatch(&notice, false).await;
        }
    }

    async fn tick(&mut self) {
        self.look_back().await;
        let now = self.desk.now();
        for name in self.selection.doubtful() {
            let view = self.desk.board.target(&name).filter(|view| view.health == Health::Good);
            if let Some(since) = view.and_then(|view| view.since) {
                self.selection.seen_well(&name, since);
            }
        }
        for notice in self.selection.due(now) {
            self.dispatch(&notice, false).await;
        }
        self.journal_keeps().await;
    }

    /// Folds what happened before this server started, once the journal can be read, and tells what nobody was told.
    async fn look_back(&mut self) {
        if self.looked_back || !self.desk.journal.is_open() {
            return;
        }
        self.looked_back = true;
        let Ok((mut before, notices)) = timeout(LOOK_BACK, self.before()).await else {
            tracing::warn!("what happened before the start is read too slowly to be told");
            return;
        };
        let mut notices = notices;
        notices.extend(before.due(self.desk.now()));
        self.selection.adopt(before);
        for notice in notices {
            self.dispatch(&notice, true).await;
        }
    }

    async fn before(&self) -> (Selection, Vec<Notice>) {
        let journal = &self.desk.journal;
        let first = journal.first();
        let mut selection = Selection::new(Arc::clone(&self.desk.fleet), self.pace);
        let mut notices = Vec::new();
        let mut after = journal.before_newest(LOOKED_BACK).await;
        loop {
            let frames = journal.replay_frames(Wanted { incident: None, after, limit: PAGE }).await;
            let read = frames.len();
            for event in frames.iter().filter_map(|frame| frame.event()) {
                after = after.max(event.seq);
                if event.seq >= first {
                    return (selection, notices);
                }
                notices.extend(selection.due(event.at));
                notices.extend(selection.take(&event));
            }
            if read < PAGE {
                return (selection, notices);
            }
        }
    }

    /// Hands a notice to whoever wants it and was not told yet. One of an earlier run is told while it is news.
    async fn dispatch(&self, notice: &Notice, of_earlier_run: bool) {
        let now = self.desk.now();
        let fleet = Arc::clone(&self.desk.fleet);
        for (place, receiver) in self.receivers.iter().enumerate() {
            if notice.kind.occasion().is_some_and(|occasion| !receiver.wants(occasion)) {
                continue;
            }
            let name = &receiver.name;
            let told = |member: &Member| self.selection.was_told(member, name);
            let Some(notice) = notice.without(told) else { continue };
            let stale = |member: &Member| of_earlier_run && self.is_stale(&notice.kind, member, name);
            self.missed(receiver, notice.without(|member| !stale(member))).await;
            let Some(notice) = notice.without(stale) else { continue };
            let mut until = now.plus_millis(millis(fleet.notify.keep_trying));
            if let Kind::Asked(expires) = notice.kind {
                until = until.min(expires);
                if expires <= now {
                    continue;
                }
            }
            let job = Job::new(notice.letter(&fleet), notice.members, until);
            let Some(line) = self.lines.get(place) else { continue };
            if let Err(error) = line.try_send(job) {
                let job = error.into_inner();
                let outcome = Outcome {
                    receiver: name.clone(),
                    key: job.letter.id,
                    members: job.members,
                    tries: 0,
                    how: Some(Delivery::GivenUp),
                    sentence: format!("“{}”: too many notices wait for it", job.letter.title),
                    waiting: 0,
                };
                self.record(outcome).await;
            }
        }
    }

    /// Says of events that came too late to be told that they were not; to whoever should have been told of them.
    async fn missed(&self, receiver: &Receiver, notice: Option<Notice>) {
        let known = |member: &Member| self.selection.is_known(member, &receiver.name);
        let Some(notice) = notice.and_then(|notice| notice.without(|member| !known(member))) else { return };
        let letter = notice.letter(&self.desk.fleet);
        let sentence = format!("“{}”: no server ran for too long", letter.title);
        self.record(Outcome {
            receiver: receiver.name.clone(),
            key: letter.id,
            members: notice.members,
            tries: 0,
            how: Some(Delivery::GivenUp),
            sentence,
            waiting: 0,
        })
        .await;
    }

    /// Whether an event of an earlier run is no news any more. That a target is down still is, however long ago that began.
    fn is_stale(&self, kind: &Kind, member: &Member, receiver: &str) -> bool {
        let of = |believed: &dyn Fn(&str) -> bool| member.target.as_deref().is_some_and(believed);
        let still_down = match kind {
            Kind::Down => of(&|target| self.selection.is_down(target)),
            Kind::CanaryFailed => of(&|target| self.selection.is_unproven(target)),
            _ => false,
        };
        // Whoever is new here is not told what was before it came.
        let limit = if self.selection.is_known(member, receiver) {
            self.desk.fleet.notify.keep_trying
        } else {
            self.pace.recent
        };
        !still_down && passed(member.known, self.desk.now(), limit)
    }

    /// Shows what became of a notice, and keeps it where it is worth a line.
    async fn record(&self, outcome: Outcome) {
        self.show(&outcome);
        let Some(how) = outcome.how else { return };
        if how != Delivery::Sent {
            tracing::warn!(
                receiver = outcome.receiver,
                tries = outcome.tries,
                why = outcome.sentence,
                "not told"
            );
        }
        for member in &outcome.members {
            let body = EventBody::Notified {
                of: member.seq,
                key: outcome.key.clone(),
                receiver: outcome.receiver.clone(),
                how,
                tries: outcome.tries,
                sentence: outcome.sentence.clone(),
            };
            self.desk.journal.append(member.incident, Actor::Server, body).await;
        }
    }

    fn show(&self, outcome: &Outcome) {
        let at = self.desk.now().time_of_day();
        let (health, sentence) = match outcome.how {
            Some(Delivery::Sent) => (Health::Good, format!("took a notice at {at} UTC")),
            Some(Delivery::GivenUp) => (
                Health::Degraded,
                format!("was not told, and is not any more, of {} ({at} UTC)", outcome.sentence),
            ),
            Some(Delivery::Waiting) | None => {
                let waiting = match outcome.waiting {
                    0 | 1 => "it is tried again".to_owned(),
                    n => format!("{n} notices wait and are tried again"),
                };
                (
                    Health::Degraded,
                    format!("{} ({} tries, {at} UTC); {waiting}", outcome.sentence, outcome.tries),
                )
            }
        };
        let name = format!("receiver {}", outcome.receiver);
        self.desk.board.show_dependency(Dependency { name, health, sentence });
    }

    /// Tells that the journal does not keep what happens, and that it does again. No event says so: there is nobody to keep it.
    async fn journal_keeps(&mut self) {
        let now = self.desk.now();
        match self.desk.journal.keeping() {
            Keeping::NotKeeping { why, .. } => {
                let since = *self.journal.failing_since.get_or_insert(now);
                let quiet = self.journal.told.is_none_or(|told| passed(told, now, self.pace.stays_down));
                if !self.journal.is_told && quiet && passed(since, now, self.pace.gather) {
                    self.journal.is_told = true;
                    self.journal.told = Some(now);
                    let sentence = format!("{why}. Buttons, doors and triage go on working; mend the disk");
                    self.dispatch(&Notice::of_one(Kind::NotKeeping, about_nothing(since, sentence)), false)
                        .await;
                }
            }
            Keeping::Ok => {
                self.journal.failing_since = None;
                if std::mem::take(&mut self.journal.is_told) {
                    let sentence = "What was held in memory is written, and a gap marks the time".to_owned();
                    self.dispatch(&Notice::of_one(Kind::KeepingAgain, about_nothing(now, sentence)), false)
                        .await;
                }
            }
        }
    }
}

fn about_nothing(at: Timestamp, sentence: String) -> Member {
    Member { seq: Seq(0), incident: None, target: None, at, known: at, sentence }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
