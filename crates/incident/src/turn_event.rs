//! The events of turns: what an agent was asked, said and called, what it was answered, what a person decided, and what was
//! observed afterwards. Like all events they are kept for ever: a field may be added with a default, none may change.

use crate::{ArtifactRef, CallId, TurnId};
use breakglass_protocol::{Timestamp, Verb};
use breakglass_triage::Health;
use serde::{Deserialize, Serialize};

/// What happened in a turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TurnEvent {
    /// Somebody asked an agent. The turn is named by this event's number.
    TurnStarted {
        /// The component that is to be recovered.
        target: String,
        /// The agent that is tried first.
        engine: String,
        /// What was asked.
        ask: String,
        /// Whether no person started it: then whatever changes something is asked for.
        by_machine: bool,
        /// Which of our texts it was told.
        prompt: String,
    },
    /// What the agent was told before it began, all of it.
    TurnBriefed {
        /// The turn.
        turn: TurnId,
        /// The agent that runs it.
        engine: String,
        /// The text.
        told: Option<ArtifactRef>,
    },
    /// The agent said something. A claim, never an observation.
    AgentSaid {
        /// The turn.
        turn: TurnId,
        /// Its words.
        text: String,
    },
    /// Something about the agent's program itself.
    EngineNoted {
        /// The turn.
        turn: TurnId,
        /// In a sentence.
        text: String,
    },
    /// An agent could not start, or could not go on.
    EngineFailed {
        /// The turn.
        turn: TurnId,
        /// Which one.
        engine: String,
        /// What happened and what to do.
        sentence: String,
        /// The one that is tried, or may be tried, next.
        next: Option<String>,
    },
    /// The agent called a tool. Written before anything is done; a call is named by this event's number.
    ToolCalled {
        /// The turn.
        turn: TurnId,
        /// The tool, as the agent named it.
        tool: String,
        /// The component that it is about, where it is about one.
        target: Option<String>,
        /// The call as a person reads it: the command line, or the verb and its target.
        shown: String,
        /// Digest of the whole call: tool, target and arguments.
        digest: String,
        /// What it takes from the budget, if it is carried out.
        spends: Option<Spend>,
    },
    /// What the agent was answered.
    ToolAnswered {
        /// The call.
        call: CallId,
        /// The turn.
        turn: TurnId,
        /// How it ended.
        outcome: CallOutcome,
        /// The rule that refused it.
        rule: Option<String>,
        /// The exit code, where a command ended by itself.
        exit: Option<u32>,
        /// How long it took, in milliseconds.
        millis: u64,
        /// The beginning of the answer, as the agent got it: redacted.
        text: String,
        /// All of the output, where it was longer.
        rest: Option<ArtifactRef>,
    },
    /// A person is asked whether this very call may be carried out.
    ApprovalAsked {
        /// The call.
        call: CallId,
        /// The turn.
        turn: TurnId,
        /// The call as a person reads it.
        shown: String,
        /// The digest that an answer has to name.
        digest: String,
        /// Until when the question stands.
        expires: Timestamp,
    },
    /// A person allowed this very call, once.
    ApprovalGiven {
        /// The call.
        call: CallId,
        /// The digest that they saw.
        digest: String,
    },
    /// A person refused this call.
    ApprovalRefused {
        /// The call.
        call: CallId,
    },
    /// Nobody answered in time, or the turn ended before.
    ApprovalExpired {
        /// The call.
        call: CallId,
    },
    /// What was seen of the target after calls that may have changed it.
    OutcomeObserved {
        /// The turn.
        turn: TurnId,
        /// The calls that it comes after.
        calls: Vec<CallId>,
        /// The component.
        target: String,
        /// How it does.
        health: Health,
        /// In a sentence.
        sentence: String,
    },
    /// The turn is over.
    TurnEnded {
        /// The turn.
        turn: TurnId,
        /// How it ended.
        how: TurnOutcome,
        /// In a sentence, with what to do next where that is not plain.
        sentence: String,
        /// The agent that may be tried next.
        next: Option<String>,
        /// How many calls came after the limit and were refused without a word each.
        unheard: u64,
        /// Tokens that went in and came out, where the endpoint counted them.
        tokens: Option<(u64, u64)>,
    },
    /// The server went away in the middle of the turn.
    TurnInterrupted {
        /// The turn.
        turn: TurnId,
    },
}

/// What a call takes from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Spend {
    /// A command through a repair door.
    Command,
    /// A verb that changes something.
    Verb(Verb),
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum CallOutcome {
    /// It was carried out; what came of it is in the answer.
    Done,
    /// Nothing was done.
    Refused,
    /// It was tried, and failed or ended in the dark.
    Failed,
}

/// How a turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TurnOutcome {
    /// The agent came to its end.
    Finished,
    /// Somebody stopped it.
    Stopped,
    /// The agent could not go on.
    Failed,
    /// The wall clock ran out.
    OutOfTime,
}

impl TurnEvent {
    /// The word that its JSON has under `kind`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::TurnStarted { .. } => "turn-started",
            Self::TurnBriefed { .. } => "turn-briefed",
            Self::AgentSaid { .. } => "agent-said",
            Self::EngineNoted { .. } => "engine-noted",
            Self::EngineFailed { .. } => "engine-failed",
            Self::ToolCalled { .. } => "tool-called",
            Self::ToolAnswered { .. } => "tool-answered",
            Self::ApprovalAsked { .. } => "approval-asked",
            Self::ApprovalGiven { .. } => "approval-given",
            Self::ApprovalRefused { .. } => "approval-refused",
            Self::ApprovalExpired { .. } => "approval-expired",
            Self::OutcomeObserved { .. } => "outcome-observed",
            Self::TurnEnded { .. } => "turn-ended",
            Self::TurnInterrupted { .. } => "turn-interrupted",
        }
    }
}
