//! Every door of a target, tried as on the night on which it is needed: over a connection of its own, what must work and what must
//! be refused.
//!
//! **Nothing that is sent here changes a host, also where the guard fails to refuse it.** The requests that must be refused are
//! chosen for that: `/bin/echo` with a word that shows in its output, a redirection into `/dev/null`, a forwarding to a port that no
//! program can have, a terminal in which nothing is run. So a door whose forced command was lost is found, and not used.

use crate::guard_lines::GuardLines;
use crate::record::keep;
use crate::turn::redacted;
use crate::{Desk, harness, host_key, power};
use breakglass_doors::{Asked, Captured, End, Fresh, HostKeyState};
use breakglass_fleet::{Door, DoorKind, Fleet};
use breakglass_incident::{Actor, EventBody, Proof, Trial};
use breakglass_protocol::{EndedBy, Line, Outcome, Timestamp, Verb, exit};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

/// Targets that are tried at the same time: enough to be quick, few enough that nobody's SSH server sees a flood.
const AT_A_TIME: usize = 8;
/// What one answer may hold; a status is far smaller.
const ANSWER_LIMIT: usize = 1 << 20;
/// What is told of what came instead, in characters.
const EXCERPT: usize = 160;

/// The word that comes back where a command was run.
const WORD: &str = "breakglass-canary";
/// A command that changes nothing, whose answer is known.
const KNOWN: &str = "/bin/echo breakglass-canary";
/// A request that no guard knows, and no machine.
const UNKNOWN: &str = "breakglass-canary";
/// A look that every host can answer.
const LOOK: &str = "uptime";
/// A write that changes nothing where it is let through.
const WRITE: &str = "uptime >/dev/null";

/// What was found at one target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Which target or host.
    pub target: String,
    /// When it began.
    pub at: Timestamp,
    /// What was found at each of its doors.
    pub doors: Vec<Proof>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

impl Verified {
    /// Whether every door was proven.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        self.doors.iter().all(|proof| proof.proven)
    }
}

/// What a door is for: the target whose power it controls, else where it ends.
fn serves(door: &Door) -> &str {
    door.controls.as_deref().unwrap_or(&door.to)
}

/// The doors that can be proven: all but `cold` ones, which nothing uses yet.
fn doors_of<'a>(fleet: &'a Fleet, target: &'a str) -> impl Iterator<Item = &'a Door> {
    fleet.doors.iter().filter(move |door| door.kind != DoorKind::Cold && serves(door) == target)
}

/// Every target and host that has a door to prove, in the order of their names.
#[must_use]
pub fn verifiable(fleet: &Fleet) -> Vec<String> {
    let doors = fleet.doors.iter().filter(|door| door.kind != DoorKind::Cold);
    let names: BTreeSet<&str> = doors.map(serves).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// Tries the doors of these targets, some targets at a time, each within [`crate::Times::verify`]; journals each result, shows it on
/// the board and sends it on as it comes.
pub async fn verify_many(desk: &Desk, who: &Actor, targets: &[String], results: mpsc::Sender<Verified>) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut tried = tokio::task::JoinSet::new();
    for target in targets {
        let (desk, who, target) = (desk.clone(), who.clone(), target.clone());
        let (places, results) = (Arc::clone(&places), results.clone());
        tried.spawn(async move {
            // It is never closed, so there is always a place in the end.
            let _place = places.acquire().await;
            let found = verify(&desk, &who, &target).await;
            let _ = results.send(found).await;
        });
    }
    while tried.join_next().await.is_some() {}
}

/// The same for one target.
pub async fn verify(desk: &Desk, who: &Actor, target: &str) -> Verified {
    let found = attempt(desk, target).await;
    tell(desk, who, &found).await;
    found
}

/// Keeps what was found and shows it.
pub(crate) async fn tell(desk: &Desk, who: &Actor, found: &Verified) {
    desk.board.show_proofs(found.at, &found.doors);
    let Verified { target, doors, millis, .. } = found.clone();
    // To no incident: it is a statement about doors, whatever else goes on.
    keep(desk, None, who.clone(), EventBody::Verified { target, doors, millis }).await;
}

/// Tries the doors of one target side by side, and tells nobody.
pub(crate) async fn attempt(desk: &Desk, target: &str) -> Verified {
    let (at, began) = (desk.now(), Instant::now());
    let deadline = began + desk.times.verify;
    let tries = doors_of(&desk.fleet, target).map(|door| proof_of(desk, door, deadline));
    let doors = futures_util::future::join_all(tries).await;
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Verified { target: target.to_owned(), at, doors, millis }
}

async fn proof_of(desk: &Desk, door: &Door, deadline: Instant) -> Proof {
    let mut tried = Tried { trials: Vec::new(), now: "a new connection opens", next: String::new() };
    let all = through(desk, door, deadline, &mut tried);
    if tokio::time::timeout_at(deadline, all).await.is_err() {
        let waited = desk.times.verify.as_secs_f32();
        let what = tried.now;
        tried.failed(what, format!("no answer within {waited} s"), || hung(door));
    }
    let Tried { trials, next, .. } = tried;
    let proven = !trials.is_empty() && trials.iter().all(|trial| trial.held);
    Proof { door: door.name.clone(), kind: door.kind.as_str().to_owned(), proven, trials, next }
}

fn hung(door: &Door) -> String {
    format!(
        "Something at {} hangs: look how it does (`breakglass status`), and try `ssh -v {}@{}` by hand",
        door.to, door.user, door.to
    )
}

/// What was tried at one door so far.
struct Tried {
    trials: Vec<Trial>,
    /// What is being tried.
    now: &'static str,
    next: String,
}

impl Tried {
    fn held(&mut self, what: &str, seen: impl Into<String>) {
        self.trials.push(Trial { what: what.to_owned(), held: true, seen: seen.into() });
    }

    /// The first thing that fails is the one that says what to do.
    fn failed(&mut self, what: &str, seen: impl Into<String>, next: impl FnOnce() -> String) {
        self.trials.push(Trial { what: what.to_owned(), held: false, seen: seen.into() });
        if self.next.is_empty() {
            self.next = next();
        }
    }
}

async fn through(desk: &Desk, door: &Door, deadline: Instant, tried: &mut Tried) {
    let left = || deadline.saturating_duration_since(Instant::now());
    let met_before = desk.doors.state(&door.name).host_key != HostKeyState::Unknown;
    let line = match desk.doors.fresh(&door.name, left()).await {
        Ok(line) => line,
        Err(end) => {
            host_key::tell_if_changed(desk, &door.name, &end).await;
            let what = match end {
                End::HostKeyChanged { .. } => "the host key is the pinned one",
                _ => tried.now,
            };
            let next = next_for(door, &end);
            return tried.failed(what, short(&end.to_string()), || next);
        }
    };
    tried.held("a new connection opens", "");
    let first = "first contact: pinned now; compare its fingerprint with the host's own";
    tried.held("the host key is the pinned one", if met_before { "" } else { first });
    let at = At { line, door, deadline };
    match door.kind {
        DoorKind::Power => power_door(&at, tried).await,
        DoorKind::Diag => diag_door(&at, tried).await,
        DoorKind::Repair => repair_door(&at, tried).await,
        DoorKind::Cold => {}
    }
    if door.kind != DoorKind::Repair || door.harness {
        // A repair door without a harness is its account's own shell: what that may do is the host's affair.
        let forwarding = at.line.forwarding(left());
        denied(tried, door, "a forwarding into the host's network is refused", forwarding).await;
        denied(tried, door, "a terminal is refused", at.line.terminal(left())).await;
    }
}

async fn denied(tried: &mut Tried, door: &Door, what: &'static str, asked: impl Future<Output = Asked>) {
    tried.now = what;
    match asked.await {
        Asked::Denied => tried.held(what, ""),
        Asked::Granted => tried.failed(what, "it was given", || {
            format!(
                "Put `restrict` before the key of {} in the authorized_keys of {} at {}",
                door.name, door.user, door.to
            )
        }),
        Asked::Unclear(why) => tried.failed(what, short(&why), || hung(door)),
    }
}

/// Where requests go.
struct At<'a> {
    line: Fresh,
    door: &'a Door,
    deadline: Instant,
}

impl At<'_> {
    async fn ask(&self, request: &str) -> (End, Captured) {
        let left = self.deadline.saturating_duration_since(Instant::now());
        self.line.capture(request, left, ANSWER_LIMIT).await
    }

    /// A request that the guard must refuse. Only its own word counts: a command that fails was run.
    async fn must_refuse(&self, tried: &mut Tried, what: &'static str, request: &str) {
        tried.now = what;
        let (end, answer) = self.ask(request).await;
        let by_guard =
            matches!(end, End::Finished { exit: Some(code), .. } if code == u32::from(exit::REFUSED));
        let ran = String::from_utf8_lossy(&answer.stdout).lines().any(|line| line.trim() == WORD);
        if by_guard && !ran {
            return tried.held(what, "");
        }
        let seen = match (ran, &end) {
            (true, _) => "a shell answered: it was run".to_owned(),
            (_, End::Finished { .. }) => format!("no guard refused it: {}", instead(&end, &answer)),
            _ => instead(&end, &answer),
        };
        let (door, answered) = (self.door, matches!(end, End::Finished { .. }));
        tried.failed(what, seen, || if answered { lost(door) } else { next_for(door, &end) });
    }
}

/// The forced command is not, or no longer, what stands behind the key.
fn lost(door: &Door) -> String {
    format!(
        "Whoever has key {} is not held to this door: put the forced command back before it in the authorized_keys of {} at {} \
         (`breakglass-guard {} --label {}`), and ask the host's log who used it meanwhile",
        door.key,
        door.user,
        door.to,
        door.kind.as_str(),
        door.name
    )
}

async fn power_door(at: &At<'_>, tried: &mut Tried) {
    let what = "`status` answers";
    tried.now = what;
    let (end, answer) = at.ask(&power::request_text(at.door, Verb::Status)).await;
    let mut lines = GuardLines::default();
    match lines.stdout(&answer.stdout).pop() {
        Some(Line::Finished {
            outcome: Outcome::Done | Outcome::NotObserved, status: Some(status), ..
        }) => {
            tried.held(what, format!("{} is seen", status.vm));
        }
        Some(Line::Finished { message, .. }) => tried.failed(what, short(&message), || {
            format!("The guard at {} answers and its hypervisor's tools do not: look there", at.door.to)
        }),
        _ => tried.failed(what, instead(&end, &answer), || match &end {
            End::Finished { .. } => lost(at.door),
            end => next_for(at.door, end),
        }),
    }
    at.must_refuse(tried, "a request that it does not know is refused", UNKNOWN).await;
    at.must_refuse(tried, "a plain shell command is refused", KNOWN).await;
}

async fn diag_door(at: &At<'_>, tried: &mut Tried) {
    let what = "`uptime` answers";
    tried.now = what;
    let (end, answer) = at.ask(LOOK).await;
    if end.succeeded() && !answer.stdout.is_empty() {
        tried.held(what, "");
    } else {
        tried.failed(what, instead(&end, &answer), || match &end {
            End::Finished { exit: Some(126 | 127), .. } => lost(at.door),
            End::Finished { .. } => {
                format!("Run `breakglass-guard check` on {}; it says what is wrong there", at.door.to)
            }
            end => next_for(at.door, end),
        });
    }
    at.must_refuse(tried, "a command outside the grammar is refused", KNOWN).await;
    at.must_refuse(tried, "a write is refused", WRITE).await;
}

async fn repair_door(at: &At<'_>, tried: &mut Tried) {
    let what = "a command that changes nothing gives its known answer";
    tried.now = what;
    let left = at.deadline.saturating_duration_since(Instant::now());
    let request = if at.door.harness { harness::request(KNOWN, left) } else { KNOWN.to_owned() };
    let (end, answer) = at.ask(&request).await;
    let (said, ended) =
        if at.door.harness { unwrapped(&answer) } else { (answer.stdout.clone(), end.succeeded()) };
    if ended && String::from_utf8_lossy(&said).trim() == WORD {
        return tried.held(what, "");
    }
    tried.failed(what, instead(&end, &answer), || match &end {
        End::Finished { .. } if at.door.harness => lost(at.door),
        End::Finished { .. } => format!(
            "The log-in works and no command runs: look at the login shell and the start-up files of {} at {}",
            at.door.user, at.door.to
        ),
        end => next_for(at.door, end),
    });
}

/// What the command wrote behind a harness, and whether the harness saw it end well.
fn unwrapped(answer: &Captured) -> (Vec<u8>, bool) {
    let (mut said, mut ended) = (Vec::new(), false);
    for line in GuardLines::default().stdout(&answer.stdout) {
        match line {
            Line::Output { text, .. } => said.extend_from_slice(text.as_bytes()),
            Line::Finished { by, exit, .. } => ended = by == EndedBy::Command && exit == 0,
            _ => {}
        }
    }
    (said, ended)
}

/// How it ended and what came, in a line.
fn instead(end: &End, answer: &Captured) -> String {
    let text = if answer.stderr.is_empty() { &answer.stdout } else { &answer.stderr };
    let text = String::from_utf8_lossy(text.get(..4 * EXCERPT).unwrap_or(text));
    let came = short(&redacted(&text));
    if came.is_empty() {
        short(&end.to_string())
    } else {
        format!("{}; what came: {came}", short(&end.to_string()))
    }
}

/// One short line of visible text: what comes from a host is anybody's.
fn short(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(3 * EXCERPT) {
        line.truncate(cut);
        line.push('…');
    }
    line
}

/// What a person does about a door that did not open.
fn next_for(door: &Door, end: &End) -> String {
    match end {
        End::HostKeyChanged { host, .. } => format!(
            "If {host} was rebuilt, compare the key on its console and accept it (`breakglass accept-host-key {host}`); if it \
             was not, somebody stands in between: use another way in"
        ),
        End::Refused { .. } => format!(
            "Look at the authorized_keys of {} at {}: the key of {} has to be there, and a from= has to name us",
            door.user, door.to, door.name
        ),
        End::Unreachable { .. } => {
            format!("Look whether {} is up, and whether its SSH port can be reached from here", door.to)
        }
        _ => hung(door),
    }
}
