//! The events. Their JSON is what the journal keeps for ever: a field may be added with a default, none may change.

use crate::{Actor, Proof, TurnEvent};
use breakglass_protocol::{OperationId, Outcome, PartOutcome, Phase, Refusal, Status, Timestamp, Verb};
use breakglass_triage::{Health, Triage, Wedge};
use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// Place of an event in the journal's one chain, from 1.
    Seq
}
number_id! {
    /// Number of an incident, from 1, as people say it: "incident 41".
    IncidentId
}
number_id! {
    /// One press of a verb: the seq of its `VerbPressed` event.
    PressId
}
number_id! {
    /// One command through the repair door: the seq of its `CommandStarted` event.
    CommandId
}
number_id! {
    /// One run of an agent: the seq of its `TurnStarted` event. 0 is no turn: a call of an outside agent has none.
    TurnId
}
number_id! {
    /// One call of a tool by an agent: the seq of its `ToolCalled` event.
    CallId
}

impl TurnId {
    /// Where a call of an outside agent belongs: to no turn.
    pub const OUTSIDE: Self = Self(0);
}

/// Something large that is kept beside the journal, named by its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ArtifactRef {
    /// Lower-case hexadecimal SHA-256 of the bytes.
    pub sha256: String,
    /// A name for a reader, such as `screen.png`.
    pub name: String,
    /// Its media type.
    pub media: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// How a target does, as the watch or a verb observed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetState {
    /// On the whole.
    pub health: Health,
    /// In a sentence.
    pub sentence: String,
    /// The wedge, where it is clear already.
    pub wedge: Option<Wedge>,
}

/// One event as the journal keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Event {
    /// Its place.
    pub seq: Seq,
    /// The incident that it belongs to, if any.
    pub incident: Option<IncidentId>,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub body: EventBody,
}

const fn one() -> u64 {
    1
}

const fn is_one(times: &u64) -> bool {
    *times == 1
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum EventBody {
    /// The server came up. `unclean` when the run before it did not say good-bye.
    ServerStarted {
        /// Its version.
        version: String,
        /// Whether the run before ended without a word.
        unclean: bool,
    },
    /// The server goes down in order.
    ServerStopped {},
    /// Somebody logged in.
    LoggedIn {
        /// By which way: `password`, `token`, `header`.
        way: String,
        /// From which address.
        from: String,
    },
    /// Somebody was not let in.
    LoginRefused {
        /// The name that was tried, capped and escaped.
        name: String,
        /// Why.
        reason: String,
        /// From which address; of several, how many.
        from: String,
        /// More than one where many are told in one event: a flood.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        times: u64,
    },
    /// Sessions of the page were ended before their time, by whoever the actor is.
    SessionsEnded {
        /// Whose.
        name: String,
        /// Which one, by its public name; all of theirs where none is named.
        session: Option<String>,
    },
    /// An incident began.
    IncidentOpened {
        /// The component that is to be recovered.
        target: String,
        /// Why, in a sentence.
        reason: String,
    },
    /// An incident ended: the target was observed to be well, or a person closed it.
    IncidentClosed {
        /// The component.
        target: String,
        /// Why, in a sentence.
        reason: String,
        /// How long it was away, in milliseconds, where that was observed.
        away_millis: Option<u64>,
    },
    /// The state of a target was seen to have changed.
    Observed {
        /// The component.
        target: String,
        /// The new state.
        state: TargetState,
        /// The state before it, where known.
        before: Option<Health>,
    },
    /// A triage ended.
    Triaged {
        /// The component.
        target: String,
        /// Its result.
        triage: Box<Triage>,
    },
    /// A person or program pressed a verb. Written before the guard is asked: the intent survives a crash.
    VerbPressed {
        /// The component that the verb is for.
        target: String,
        /// The verb.
        verb: Verb,
        /// The newest event that the presser had been shown.
        seen: Option<Seq>,
        /// What the presser had been shown, such as `running writes=0 lock=none`.
        shown: String,
        /// The door that it goes through.
        door: String,
    },
    /// The guard accepted it.
    VerbAccepted {
        /// Whose press.
        press: PressId,
        /// The component.
        target: String,
        /// The verb.
        verb: Verb,
        /// The guard's id of the operation.
        operation: OperationId,
        /// Whether it joined one that was running already.
        joined: bool,
    },
    /// A step of the operation was reached.
    VerbProgress {
        /// The component.
        target: String,
        /// The operation.
        operation: OperationId,
        /// When the guard saw it.
        seen_at: Timestamp,
        /// Which step.
        phase: Phase,
        /// What was observed.
        note: String,
    },
    /// Forensics came in.
    ForensicsCaptured {
        /// The component.
        target: String,
        /// The operation; absent for the verb `forensics`.
        operation: Option<OperationId>,
        /// The parts: name, outcome, milliseconds, and the bytes where there are any.
        parts: Vec<ForensicsPart>,
    },
    /// A verb ended, or the server stopped hearing of it.
    VerbFinished {
        /// Whose press; absent where an operation was found that no press here started.
        press: Option<PressId>,
        /// The component.
        target: String,
        /// The verb.
        verb: Verb,
        /// The operation, where one was accepted.
        operation: Option<OperationId>,
        /// How it ended.
        outcome: Outcome,
        /// What was observed, or what is known and what to do next.
        message: String,
        /// The refusal, where there was one.
        refusal: Option<Refusal>,
        /// The state that was seen at the end.
        status: Option<Box<Status>>,
    },
    /// The line to the guard was lost while an operation ran; the server asks again until it knows.
    LineLost {
        /// The component.
        target: String,
        /// The operation, where its acceptance was seen.
        operation: Option<OperationId>,
        /// What happened to the line.
        reason: String,
    },
    /// A command was sent through the repair door.
    CommandStarted {
        /// The component.
        target: String,
        /// The door.
        door: String,
        /// The command line.
        command: String,
    },
    /// A command ended.
    CommandFinished {
        /// Which one.
        command: CommandId,
        /// The component.
        target: String,
        /// Its exit code, where it ended by itself.
        exit: Option<u32>,
        /// How it ended, in a sentence.
        message: String,
        /// How long it took, in milliseconds.
        millis: u64,
        /// The head of what it wrote, both outputs as they came, at most 16 KiB.
        output: String,
        /// The whole of it, where it was longer.
        rest: Option<ArtifactRef>,
    },
    /// Somebody's words.
    Note {
        /// The words.
        text: String,
    },
    /// A host key was pinned on first contact.
    HostKeyPinned {
        /// The component.
        host: String,
        /// `SHA256:…`.
        fingerprint: String,
    },
    /// A host showed another key than the pinned one. Its doors are closed until a human accepts it.
    HostKeyChanged {
        /// The component.
        host: String,
        /// The pinned one.
        pinned: String,
        /// The one that it showed.
        shown: String,
    },
    /// A human accepted a host's new key.
    HostKeyAccepted {
        /// The component.
        host: String,
        /// The new pinned one.
        fingerprint: String,
    },
    /// The journal could not keep events for a time; how many and why.
    Gap {
        /// How many events were not kept.
        missing: u64,
        /// How many numbers before this one no event ever had here: the server gave numbers of its own while it could not read
        /// how far the chain had come, or the chain begins anew.
        #[serde(default, skip_serializing_if = "is_zero")]
        skipped: u64,
        /// From when.
        from: Timestamp,
        /// Until when.
        until: Timestamp,
        /// Why.
        reason: String,
    },
    /// A spool of the command line was not taken in: it was edited, or holds what no command line writes.
    SpoolSetAside {
        /// Where it lies now. Nothing of it was deleted.
        path: String,
        /// What is wrong with it, in a sentence fragment.
        why: String,
    },
    /// A receiver elsewhere was told of an event, or could not be. Whoever restarts sees here who knows already.
    Notified {
        /// The event that the notice is about; 0 where it is about no event, such as a journal that keeps none.
        of: Seq,
        /// The key of the notice: the same at every try, so that a receiver can tell a second copy from a second notice.
        key: String,
        /// The receiver's name in the fleet file.
        receiver: String,
        /// How far it came.
        how: Delivery,
        /// How often it was tried.
        tries: u32,
        /// What the notice says, or what went wrong, in a sentence fragment.
        sentence: String,
    },
    /// The doors of a target were tried over fresh connections, as the canary or as somebody asked: what must work and what must be
    /// refused.
    Verified {
        /// The component that they are for.
        target: String,
        /// What was found at each.
        doors: Vec<Proof>,
        /// How long it took, in milliseconds.
        millis: u64,
    },
    /// Somebody took the body of an event out of the journal, a secret that had slipped in, say. Its place, time, actor, kind and
    /// digest stay, so the chain still holds.
    Erased {
        /// Which event.
        which: Seq,
        /// Of what kind it was.
        was: String,
        /// Why, in a sentence.
        why: String,
    },
    /// What a reader gets in the place of a body that was erased, or that this version does not understand. Never written.
    Removed {
        /// Of what kind it was.
        was: String,
        /// Why it cannot be shown, in a sentence fragment.
        why: String,
    },
    /// Something happened in a turn of an agent. Its JSON has the inner event's own `kind`.
    #[serde(untagged)]
    Turn(TurnEvent),
}

impl EventBody {
    /// The word that its JSON has under `kind`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::ServerStarted { .. } => "server-started",
            Self::ServerStopped {} => "server-stopped",
            Self::LoggedIn { .. } => "logged-in",
            Self::LoginRefused { .. } => "login-refused",
            Self::SessionsEnded { .. } => "sessions-ended",
            Self::IncidentOpened { .. } => "incident-opened",
            Self::IncidentClosed { .. } => "incident-closed",
            Self::Observed { .. } => "observed",
            Self::Triaged { .. } => "triaged",
            Self::VerbPressed { .. } => "verb-pressed",
            Self::VerbAccepted { .. } => "verb-accepted",
            Self::VerbProgress { .. } => "verb-progress",
            Self::ForensicsCaptured { .. } => "forensics-captured",
            Self::VerbFinished { .. } => "verb-finished",
            Self::LineLost { .. } => "line-lost",
            Self::CommandStarted { .. } => "command-started",
            Self::CommandFinished { .. } => "command-finished",
            Self::Note { .. } => "note",
            Self::HostKeyPinned { .. } => "host-key-pinned",
            Self::HostKeyChanged { .. } => "host-key-changed",
            Self::HostKeyAccepted { .. } => "host-key-accepted",
            Self::Gap { .. } => "gap",
            Self::SpoolSetAside { .. } => "spool-set-aside",
            Self::Notified { .. } => "notified",
            Self::Verified { .. } => "verified",
            Self::Erased { .. } => "erased",
            Self::Removed { .. } => "removed",
            Self::Turn(event) => event.kind(),
        }
    }
}

/// How far a notice came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Delivery {
    /// The receiver took it.
    Sent,
    /// It did not yet; it is tried again.
    Waiting,
    /// It is tried no more.
    GivenUp,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One part of forensics in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ForensicsPart {
    /// Its name.
    pub part: String,
    /// How it went.
    pub outcome: PartOutcome,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The bytes, where there are any.
    pub artifact: Option<ArtifactRef>,
}
