//! A turn from its beginning to its end: choose an engine, measure, brief, listen, end.
//!
//! It ends within a second of being told to, whatever the engine does; a verb that was begun goes on at its hypervisor, a
//! command is told to stop, and how each ended is told. When an engine fails in the middle, nothing is tried behind a person's back: the incident says so, shows a fresh
//! triage and names the engine that could go on.

use super::brief;
use super::engine::{Engine, Engines, Says, TurnBrief, TurnEnd};
use super::observer::Observer;
use super::registry::Slot;
use super::says::Speech;
use super::standing::{InTurn, Standing};
use super::tools::{Gate, TurnTools};
use crate::record::{keep, since};
use crate::{Desk, gather};
use breakglass_incident::{
    Actor, AgentActor, Event, EventBody, IncidentId, Seq, TurnEvent, TurnId, TurnOutcome,
};
use breakglass_triage::Triage;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// An engine says in this time whether it can start.
const READY: Duration = Duration::from_secs(10);
/// An engine that was told to stop gets this; then it is dropped.
const LAST_WORDS: Duration = Duration::from_millis(700);
/// Text is shown this often.
const SHOW: Duration = Duration::from_millis(80);
/// A triage that is younger needs no repeating.
const YOUNG: u64 = 15_000;

/// A turn that is in the journal and does not run yet.
pub(crate) struct Begun {
    pub(crate) incident: IncidentId,
    pub(crate) turn: TurnId,
    pub(crate) target: String,
    pub(crate) by: Actor,
    pub(crate) by_machine: bool,
    pub(crate) ask: String,
    pub(crate) engine: String,
}

/// How it ended.
struct End {
    how: TurnOutcome,
    sentence: String,
    next: Option<String>,
    unheard: u64,
    tokens: Option<(u64, u64)>,
    by: Actor,
}

impl End {
    fn new(how: TurnOutcome, sentence: impl Into<String>, by: Actor) -> Self {
        Self { how, sentence: sentence.into(), next: None, unheard: 0, tokens: None, by }
    }
}

/// Runs it.
pub(crate) async fn drive(desk: &Desk, slot: Slot, engines: Engines, begun: Begun) {
    let end = tokio::select! {
        biased;
        end = to_its_end(desk, &slot, &engines, &begun) => end,
        // Only what is not yet an engine's is dropped here; from then on the stop is heard below.
        () = never_heard(&slot) => stopped(&slot),
    };
    let body = TurnEvent::TurnEnded {
        turn: begun.turn,
        how: end.how,
        sentence: end.sentence,
        next: end.next,
        unheard: end.unheard,
        tokens: end.tokens,
    };
    // The place is given back first: whoever hears of the end may start the next turn at once.
    drop(slot);
    keep(desk, Some(begun.incident), end.by, EventBody::Turn(body)).await;
}

/// Somewhat longer than an engine's last words: what else may hang is then left behind.
async fn never_heard(slot: &Slot) {
    slot.stop.cancelled().await;
    tokio::time::sleep(LAST_WORDS + Duration::from_millis(200)).await;
}

fn stopped(slot: &Slot) -> End {
    let by = slot.halt.by().unwrap_or(Actor::Server);
    End::new(
        TurnOutcome::Stopped,
        "A command that was running is told to stop, a verb goes on to its own end; how it ended is told here.",
        by,
    )
}

async fn to_its_end(desk: &Desk, slot: &Slot, engines: &Engines, begun: &Begun) -> End {
    let Some((engine, left)) = choose(desk, engines, begun).await else {
        let sentence = "No agent could start. Triage and the buttons work without one.";
        triage(desk, begun).await;
        return End::new(TurnOutcome::Failed, sentence, Actor::Server);
    };
    if slot.stop.is_cancelled() {
        return stopped(slot);
    }
    let actor = Actor::Agent(AgentActor {
        turn: begun.turn,
        engine: engine.name().to_owned(),
        asked_by: begun.by.to_string(),
    });
    let triage = triage(desk, begun).await;
    // One that the wall clock, the budget and the end of the engine cancel too.
    let stop = slot.stop.child_token();
    let brief = briefed(desk, &stop, engines, begun, engine.name(), triage.as_deref()).await;
    let (before, asks_before) = mpsc::channel(8);
    let standing = Standing::Turn(InTurn {
        turn: begun.turn,
        incident: begun.incident,
        home: begun.target.clone(),
        by_machine: begun.by_machine,
        observer: Observer::start(desk, begun.incident, begun.turn, begun.target.clone()),
        before,
        calls: AtomicU64::new(0),
        halt: slot.halt.clone(),
    });
    let gate = Arc::new(Gate::new(desk.clone(), actor.clone(), stop.clone(), standing));
    let mut speech = Speech::new(desk, begun.incident, begun.turn, actor.clone());
    let heard = listen(desk, &engine, brief, &gate, &mut speech, asks_before).await;
    stop.cancel();
    let tokens = speech.end().await;
    let mut end = judged(slot, &gate, heard, engine.name(), left, actor);
    end.tokens = tokens;
    end.unheard = gate.unheard.load(Ordering::Relaxed);
    if end.how == TurnOutcome::Failed {
        // The next step is a person's: they get what is so now.
        let fresh = gather::triage(desk, &Actor::Server, &begun.target, Some(begun.incident));
        let _ = tokio::time::timeout(Duration::from_secs(8), fresh).await;
    }
    end
}

/// What the engine's run came to.
enum Heard {
    End(TurnEnd),
    Stopped,
    OutOfTime,
    /// The engine panicked.
    Broke(String),
}

fn judged(slot: &Slot, gate: &Gate, heard: Heard, engine: &str, left: Option<String>, actor: Actor) -> End {
    if gate.endless.load(Ordering::Relaxed) {
        let sentence =
            "It went on calling tools long after its budget of calls was spent, so the turn was ended.";
        return End::new(TurnOutcome::Failed, sentence, Actor::Server);
    }
    match heard {
        Heard::End(TurnEnd::Finished { .. }) => End::new(TurnOutcome::Finished, "", actor),
        Heard::End(TurnEnd::Failed { sentence, retry_other }) => {
            let next = left.filter(|_| retry_other);
            let sentence = format!("{engine}: {}", super::answer::redacted(&sentence));
            End { next, ..End::new(TurnOutcome::Failed, sentence, Actor::Server) }
        }
        Heard::Broke(why) => {
            let sentence = format!("{engine} broke off ({why}). Ask again, or go on by hand.");
            End { next: left, ..End::new(TurnOutcome::Failed, sentence, Actor::Server) }
        }
        Heard::OutOfTime | Heard::End(TurnEnd::OutOfTime) => End::new(
            TurnOutcome::OutOfTime,
            "Its time was over. Ask again to go on: the next turn knows what this one did.",
            Actor::Server,
        ),
        Heard::Stopped | Heard::End(TurnEnd::Stopped) => stopped(slot),
    }
}

/// Listens to the engine until it ends, is stopped, or time is over.
async fn listen(
    desk: &Desk,
    engine: &Arc<dyn Engine>,
    brief: TurnBrief,
    gate: &Arc<Gate>,
    speech: &mut Speech,
    mut asks_before: mpsc::Receiver<tokio::sync::oneshot::Sender<()>>,
) -> Heard {
    let (says, mut said) = mpsc::channel::<Says>(256);
    let tools = Arc::new(TurnTools(Arc::clone(gate)));
    let wall_clock = tokio::time::sleep(desk.fleet.agent.wall_clock);
    let running = {
        let engine = Arc::clone(engine);
        // A task of its own, so that an engine that panics or never yields takes nobody with it.
        let task = tokio::spawn(async move { engine.run(brief, tools, says).await });
        EndsWithUs(task)
    };
    let mut running = running;
    let mut show = tokio::time::interval(SHOW);
    show.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tokio::pin!(wall_clock);
    let mut cut_off: Option<(tokio::time::Instant, bool)> = None;
    loop {
        let patience = cut_off
            .map_or_else(|| tokio::time::Instant::now() + Duration::from_secs(3600), |(until, _)| until);
        tokio::select! {
            biased;
            // The clocks first: an engine that floods must not be deaf to them. What was said comes before the call that it precedes.
            () = tokio::time::sleep_until(patience), if cut_off.is_some() => {
                return if matches!(cut_off, Some((_, true))) { Heard::OutOfTime } else { Heard::Stopped };
            }
            () = &mut wall_clock, if cut_off.is_none() => {
                cut_off = Some((tokio::time::Instant::now() + LAST_WORDS, true));
                gate.stop.cancel();
            }
            () = gate.stop.cancelled(), if cut_off.is_none() => {
                cut_off = Some((tokio::time::Instant::now() + LAST_WORDS, false));
            }
            _ = show.tick() => speech.show(),
            Some(says) = said.recv() => speech.take(says).await,
            Some(heard) = asks_before.recv() => { let _ = heard.send(()); }
            end = &mut running.0 => {
                while let Ok(says) = said.try_recv() {
                    speech.take(says).await;
                }
                return match (end, cut_off) {
                    (_, Some((_, true))) => Heard::OutOfTime,
                    (_, Some(_)) => Heard::Stopped,
                    (Ok(end), None) => Heard::End(end),
                    (Err(error), None) => Heard::Broke(error.to_string()),
                };
            }
        }
    }
}

/// A task that ends when nobody listens to it any more.
struct EndsWithUs<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for EndsWithUs<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The first engine that can start, and the one after it.
async fn choose(desk: &Desk, engines: &Engines, begun: &Begun) -> Option<(Arc<dyn Engine>, Option<String>)> {
    let (wanted, others): (Vec<_>, Vec<_>) =
        engines.list.iter().cloned().partition(|engine| engine.name() == begun.engine);
    let order: Vec<Arc<dyn Engine>> = wanted.into_iter().chain(others).collect();
    for (at, engine) in order.iter().enumerate() {
        let next = order.get(at + 1).map(|next| next.name().to_owned());
        let why = match tokio::time::timeout(READY, engine.ready()).await {
            Ok(Ok(())) => {
                // Whoever asked for the second one after the first had failed is offered the first again.
                let other = next.or_else(|| order.first().map(|first| first.name().to_owned()));
                return Some((Arc::clone(engine), other.filter(|other| other != engine.name())));
            }
            Ok(Err(why)) => super::answer::redacted(&why),
            Err(_) => format!("it did not say within {} s whether it can start", READY.as_secs()),
        };
        let body = TurnEvent::EngineFailed {
            turn: begun.turn,
            engine: engine.name().to_owned(),
            sentence: why,
            next,
        };
        keep(desk, Some(begun.incident), Actor::Server, EventBody::Turn(body)).await;
    }
    None
}

/// What is so now: a young triage, or a new one.
async fn triage(desk: &Desk, begun: &Begun) -> Option<Arc<Triage>> {
    let held = desk.board.target(&begun.target).and_then(|view| view.triage);
    if let Some(young) = held.filter(|triage| desk.now().millis_since(triage.at) < YOUNG) {
        return Some(young);
    }
    Some(Arc::new(gather::triage(desk, &Actor::Server, &begun.target, Some(begun.incident)).await))
}

async fn briefed(
    desk: &Desk,
    stop: &CancellationToken,
    engines: &Engines,
    begun: &Begun,
    engine: &str,
    triage: Option<&Triage>,
) -> TurnBrief {
    let events = events_of(desk, begun.incident).await;
    let open: Vec<IncidentId> = desk.board.targets().iter().filter_map(|view| view.incident).collect();
    {
        let mut ledger = desk.turns.ledger();
        events.iter().for_each(|event| ledger.apply(event));
        ledger.forget(&open, desk.now());
    }
    let (history, interrupted) = brief::history(&events, begun.turn);
    let system = brief::system(desk, &engines.prompt, begun.incident, &begun.target, begun.by_machine).await;
    let situation = brief::situation(desk, &begun.target, triage, interrupted);
    let told = format!(
        "{system}\n\n--- before each question ---\n{situation}\n\n--- the question ---\n{}",
        begun.ask
    );
    let stored = desk.journal.put_artifact("what-the-agent-was-told.txt", "text/plain", told);
    let told = tokio::time::timeout(Duration::from_secs(2), stored).await.ok().and_then(Result::ok);
    let body = TurnEvent::TurnBriefed { turn: begun.turn, engine: engine.to_owned(), told };
    keep(desk, Some(begun.incident), Actor::Server, EventBody::Turn(body)).await;
    TurnBrief {
        turn: begun.turn,
        incident: begun.incident,
        target: begun.target.clone(),
        system,
        situation,
        history,
        ask: begun.ask.clone(),
        wall_clock: desk.fleet.agent.wall_clock,
        stop: stop.clone(),
    }
}

/// All events of the incident, as far as the journal tells them in time.
async fn events_of(desk: &Desk, incident: IncidentId) -> Vec<Event> {
    let (mut all, mut after) = (Vec::new(), Seq(0));
    while let Some(page) = since(desk, after, Some(incident)).await {
        let Some(last) = page.last() else { break };
        after = last.seq;
        all.extend(page);
    }
    all
}
