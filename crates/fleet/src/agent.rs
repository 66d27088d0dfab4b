//! `[agent]`: which agents there are, what they may do through each door, and how much of it.
//!
//! Values only. What they mean in an incident is decided by crate `incident`, and held by the server.

use crate::{Door, DoorKind};
use std::path::PathBuf;
use std::time::Duration;

/// How an agent's wish for something that changes a machine is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Autonomy {
    /// It may look, and is refused everything else.
    Observe,
    /// A person decides on the exact call.
    Ask,
    /// It is done, within the budget.
    Act,
}

crate::model::words!(Autonomy: Act = "act", Ask = "ask", Observe = "observe");

/// A way to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AgentKind {
    /// The Claude command line, without any tool of its own.
    Claude,
    /// Our own loop over a model's HTTP endpoint.
    Api,
}

crate::model::words!(AgentKind: Claude = "claude", Api = "api");

/// What a model's endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Anthropic's Messages.
    Anthropic,
    /// OpenAI's chat completions, which most local models speak too.
    OpenAi,
}

crate::model::words!(Dialect: Anthropic = "anthropic", OpenAi = "openai");

/// The agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSection {
    /// Tried in this order; the first that can start is used. Empty: no agent.
    pub kinds: Vec<AgentKind>,
    /// How `claude` is run.
    pub claude: Claude,
    /// What `api` talks to; there where `kinds` has it.
    pub api: Option<Api>,
    /// Through repair doors, unless a door has its own.
    pub repair: Autonomy,
    /// Through power doors, unless a door has its own.
    pub power: Autonomy,
    /// Doors with an autonomy of their own.
    pub doors: Vec<(String, Autonomy)>,
    /// What agents that no turn runs may do.
    pub outside: Outside,
    /// How much an agent may do.
    pub budget: Budget,
    /// How long one turn may run.
    pub wall_clock: Duration,
    /// For how long a question to a person stands.
    pub approval: Duration,
    /// A directory of Markdown files that agents may read.
    pub runbooks: Option<PathBuf>,
}

impl Default for AgentSection {
    fn default() -> Self {
        Self {
            kinds: Vec::new(),
            claude: Claude::default(),
            api: None,
            repair: Autonomy::Act,
            power: Autonomy::Act,
            doors: Vec::new(),
            outside: Outside::default(),
            budget: Budget::default(),
            wall_clock: Duration::from_secs(20 * 60),
            approval: Duration::from_secs(5 * 60),
            runbooks: None,
        }
    }
}

/// What outside agents may do, beyond looking through diag doors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outside {
    /// Through repair doors, unless a door has its own; `None`: they are closed to outside agents.
    pub repair: Option<Autonomy>,
    /// Through power doors, unless a door has its own; `None`: they are closed to outside agents.
    pub power: Option<Autonomy>,
    /// Doors with an autonomy of their own.
    pub doors: Vec<(String, Autonomy)>,
    /// Calls of any tool in one hour, for each token.
    pub calls_per_hour: u32,
}

impl Default for Outside {
    fn default() -> Self {
        Self { repair: None, power: None, doors: Vec::new(), calls_per_hour: 600 }
    }
}

/// How the Claude command line is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claude {
    /// The program: a name that is looked up in `PATH`, or an absolute path.
    pub program: String,
    /// The account that it runs as. `None`: a number that no account has, another one for each turn; a server that is not root
    /// can only run it as itself, and does so only where the kernel keeps its own sockets from it (Landlock ABI 9).
    pub user: Option<String>,
    /// The model, in the program's own words; `None`: its default.
    pub model: Option<String>,
    /// A file with its key. The server adds the key to what the program sends; the program never has it.
    pub key_file: Option<PathBuf>,
    /// Another endpoint than Anthropic's own, such as a gateway.
    pub endpoint: Option<String>,
}

impl Default for Claude {
    fn default() -> Self {
        Self { program: "claude".to_owned(), user: None, model: None, key_file: None, endpoint: None }
    }
}

/// What our own loop talks to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// What it speaks.
    pub dialect: Dialect,
    /// Where: `http://127.0.0.1:11434/v1`.
    pub endpoint: String,
    /// The model, in the endpoint's own words.
    pub model: String,
    /// A file with its key.
    pub key_file: Option<PathBuf>,
    /// The environment variable of the server that holds its key.
    pub key_env: Option<String>,
}

/// How much agents may do, whatever they want. Counted by the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Commands in one incident.
    pub commands: u32,
    /// Commands in one hour, all incidents together.
    pub commands_per_hour: u32,
    /// Verbs in one incident.
    pub verbs: u32,
    /// Verbs in one hour, all incidents together.
    pub verbs_per_hour: u32,
    /// Cycles in one incident, which count as verbs too.
    pub cycles: u32,
    /// Calls of any tool in one turn.
    pub calls: u32,
    /// The pause between two verbs on one target.
    pub cool_down: Duration,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            commands: 60,
            commands_per_hour: 120,
            verbs: 6,
            verbs_per_hour: 12,
            cycles: 2,
            calls: 300,
            cool_down: Duration::from_secs(60),
        }
    }
}

impl AgentSection {
    /// What the file says of this door.
    #[must_use]
    pub fn autonomy(&self, door: &Door) -> Autonomy {
        own(&self.doors, door).unwrap_or(match door.kind {
            DoorKind::Repair => self.repair,
            DoorKind::Power => self.power,
            // Nothing can be changed through the others.
            DoorKind::Diag | DoorKind::Cold => Autonomy::Observe,
        })
    }

    /// What an outside agent may do through this door: what it was granted, and never more than an agent in a turn may.
    /// `None`: it was granted nothing.
    #[must_use]
    pub fn outside_autonomy(&self, door: &Door) -> Option<Autonomy> {
        let granted = own(&self.outside.doors, door).or(match door.kind {
            DoorKind::Repair => self.outside.repair,
            DoorKind::Power => self.outside.power,
            DoorKind::Diag => Some(Autonomy::Observe),
            DoorKind::Cold => None,
        });
        granted.map(|granted| granted.min(self.autonomy(door)))
    }
}

fn own(doors: &[(String, Autonomy)], door: &Door) -> Option<Autonomy> {
    doors.iter().find(|(name, _)| *name == door.name).map(|(_, autonomy)| *autonomy)
}
