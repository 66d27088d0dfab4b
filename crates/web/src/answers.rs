//! What the JSON API answers with: these types are what is sent, and what its document says.
//!
//! Shapes of the wire live here, at the edge; what the rest of the server works with may change without a client noticing.

use breakglass_incident::{Actor, CallId, Event, IncidentId, Seq, TurnId, TurnOutcome};
use breakglass_protocol::{OperationId, Step, Timestamp, Verb};
use breakglass_recovery::{ChangedKey, Dependency, TargetView};
use breakglass_triage::Triage;
use schemars::JsonSchema;
use serde::Serialize;

mod acts;

pub(crate) use acts::{Ended, Looked, NotSent, NotThrough, Sent, Started, Stopped};

/// What went wrong, in words for the one who asked.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Failure {
    /// What happened.
    pub(crate) error: String,
    /// What to do now, and what was not done.
    pub(crate) what_now: String,
    /// The other ways in, where this one failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) other_ways: Vec<String>,
}

/// That the server answers, and whether the journal keeps; nothing of the fleet.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Healthz {
    /// Always true: who reads this was answered.
    pub(crate) ok: bool,
    /// Whether the journal's disk takes what happens.
    pub(crate) journal_keeps: bool,
    /// Since when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) not_keeping_since: Option<Timestamp>,
    /// How many events it did not take since then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) events_not_kept: Option<u64>,
    /// The server's version.
    pub(crate) version: String,
}

/// All targets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Targets {
    /// By name, their hypervisors included.
    pub(crate) targets: Vec<TargetView>,
}

/// All incidents.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Incidents {
    /// Newest first.
    pub(crate) incidents: Vec<IncidentLine>,
}

/// An incident in a line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct IncidentLine {
    /// Its number.
    pub(crate) id: IncidentId,
    /// The component that is to be recovered; empty where that was erased.
    pub(crate) target: String,
    /// Why it began.
    pub(crate) reason: String,
    /// When it began.
    pub(crate) opened: Timestamp,
    /// When it ended, and why.
    pub(crate) closed: Option<Closed>,
    /// How many events it has.
    pub(crate) events: u64,
    /// Its newest event.
    pub(crate) last: Seq,
}

/// The end of an incident.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Closed {
    /// When.
    pub(crate) at: Timestamp,
    /// Why.
    pub(crate) reason: String,
}

/// An incident that was opened.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Opened {
    /// Its number; the one that was open already, where one was.
    pub(crate) incident: IncidentId,
}

/// An incident as it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Incident {
    pub(crate) id: u64,
    pub(crate) target: String,
    pub(crate) reason: String,
    pub(crate) opened: Option<Timestamp>,
    pub(crate) closed: Option<Timestamp>,
    pub(crate) close_reason: Option<String>,
    /// How long the target was away, in milliseconds, where that was observed.
    pub(crate) away_millis: Option<u64>,
    /// The newest state that was observed.
    pub(crate) state: Option<StateAt>,
    /// The verb that is running.
    pub(crate) running: Option<Running>,
    pub(crate) triage: Option<Triage>,
    pub(crate) turns: Vec<TurnLine>,
    /// Calls of outside agents that wait for a person.
    pub(crate) outside_waiting: Vec<Waits>,
    /// The newest event.
    pub(crate) last: Seq,
}

/// A state, and when it was observed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StateAt {
    pub(crate) at: Timestamp,
    pub(crate) state: breakglass_incident::TargetState,
}

/// A verb that is running.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Running {
    pub(crate) verb: Verb,
    /// The guard's id of it; absent while its acceptance has not been seen.
    pub(crate) operation: Option<OperationId>,
    pub(crate) by: Actor,
    pub(crate) since: Timestamp,
    pub(crate) steps: Vec<Step>,
    /// What happened to the line to the guard, where it is lost.
    pub(crate) line_lost: Option<String>,
}

/// A turn in short; what was said and called is in the events.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TurnLine {
    pub(crate) turn: TurnId,
    pub(crate) by: Actor,
    pub(crate) engine: String,
    pub(crate) ask: String,
    pub(crate) since: Timestamp,
    /// How many calls it made.
    pub(crate) calls: usize,
    /// The call that waits for a person.
    pub(crate) waiting: Option<Waits>,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) how: Option<TurnOutcome>,
    pub(crate) sentence: Option<String>,
}

/// A call that waits for a person.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Waits {
    pub(crate) by: Actor,
    pub(crate) call: CallId,
    pub(crate) tool: String,
    /// The call, to the letter.
    pub(crate) shown: String,
    /// What an answer has to name.
    pub(crate) digest: String,
    pub(crate) expires: Timestamp,
}

/// What was written into the journal.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Written {
    /// The event's number.
    pub(crate) seq: Seq,
}

/// What the page depends on.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Dependencies {
    pub(crate) dependencies: Vec<Dependency>,
    /// What is wrong with the files of names, tokens and sessions.
    pub(crate) identity_faults: Vec<String>,
}

/// Where the journal's chain stands.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct JournalHead {
    /// The newest durable event.
    pub(crate) seq: u64,
    /// Its hash, in lower-case hexadecimal.
    pub(crate) hash: String,
    pub(crate) keeping: KeepingNow,
}

/// Whether the journal's disk takes what happens.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(crate) struct KeepingNow {
    pub(crate) keeps: bool,
    /// Since when it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) since: Option<Timestamp>,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// How many events it did not take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) missing: Option<u64>,
}

/// The hosts with a diag door.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Hosts {
    pub(crate) hosts: Vec<HostLine>,
    /// Hosts that show another key than the trusted one.
    pub(crate) changed: Vec<ChangedKey>,
}

/// A host in a line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HostLine {
    pub(crate) name: String,
    /// The component's kind.
    pub(crate) kind: &'static str,
    pub(crate) groups: Vec<String>,
}

/// A host key that is trusted now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Accepted {
    /// `SHA256:…`.
    pub(crate) fingerprint: String,
}

/// A turn.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Turn {
    /// Which one; 0 where it was stopped before it had a number.
    pub(crate) turn: TurnId,
}

/// What a person decided on a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Decided {
    pub(crate) call: u64,
    /// `allowed` or `refused`.
    pub(crate) decided: &'static str,
}

/// Who the server takes one for.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Me {
    pub(crate) name: String,
    /// By which way one is known.
    pub(crate) way: &'static str,
    /// `view`, `operate` or `admin`, each including the one before.
    pub(crate) role: &'static str,
}

/// The sessions that count now.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sessions {
    pub(crate) sessions: Vec<SessionLine>,
}

/// A session in a line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionLine {
    /// Its public name; it opens nothing.
    pub(crate) id: String,
    /// Whose.
    pub(crate) name: String,
    pub(crate) began: Timestamp,
    pub(crate) expires: Timestamp,
    pub(crate) seen: Timestamp,
    /// The address that it was seen from last.
    pub(crate) from: String,
    /// What the browser says of itself.
    pub(crate) browser: String,
}

/// Sessions that were ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SessionsEnded {
    /// Whose.
    pub(crate) ended: String,
    /// Whether the disk took it, so that it holds after a restart too.
    pub(crate) kept: bool,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
    /// What to do now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) what_now: Option<&'static str>,
}

/// What an outside agent may use.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AgentTools {
    /// The fleet's name.
    pub(crate) fleet: String,
    pub(crate) tools: Vec<AgentTool>,
}

/// A tool.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AgentTool {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The JSON schema of its arguments.
    pub(crate) schema: serde_json::Value,
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
}

/// One line of the answer to a call: any number of `waits`, then one `answer`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum CallLine {
    /// It goes on; always true.
    Waits(bool),
    /// It is over.
    Answer(CallAnswer),
}

/// The answer to a call.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CallAnswer {
    pub(crate) text: String,
    pub(crate) is_error: bool,
}

/// An event as it is sent. The journal's own bytes are sent; this is what is in them.
#[derive(JsonSchema)]
#[schemars(rename = "SentEvent")]
pub(crate) struct SentEvent {
    #[serde(flatten)]
    #[expect(dead_code, reason = "the shape is all that is wanted")]
    event: Event,
    /// False where the disk has not taken the event (yet); left out where it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[expect(dead_code, reason = "the shape is all that is wanted")]
    kept: Option<bool>,
}

/// Events, oldest first.
#[derive(JsonSchema)]
pub(crate) struct Events {
    #[expect(dead_code, reason = "the shape is all that is wanted")]
    events: Vec<SentEvent>,
}
