//! Somebody who is known: who, by which way, and what their role is.

use breakglass_fleet::Role;
use breakglass_incident::Actor;

/// By which way somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A session that began with a password.
    Password,
    /// A bearer token.
    Token,
    /// The bearer token of an outside agent.
    Agent,
    /// The bearer token of what scrapes metrics.
    Metrics,
    /// A header that a listed proxy set.
    Header,
}

impl Way {
    /// The word for the journal and for the foot of a page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::Agent => "agent token",
            Self::Metrics => "metrics token",
            Self::Header => "header",
        }
    }
}

/// Somebody who is known. Handlers find it among the request's extensions; the gate puts it there.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// As the journal names them.
    pub actor: Actor,
    /// By which way they are known.
    pub way: Way,
    /// What they may do.
    pub role: Role,
    /// What a form of theirs must carry in its field `csrf`; empty for a token, which no browser sends by itself.
    pub csrf: String,
    /// The public name of their session, where they have one.
    pub(crate) session: Option<String>,
}

impl Visitor {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.actor {
            Actor::Human(name) | Actor::Token(name) | Actor::Cli(name) | Actor::Guard(name) => name,
            Actor::Agent(agent) => &agent.engine,
            Actor::Spool(_) => "spool",
            Actor::Outside(outside) => &outside.agent,
            Actor::Watch => "watch",
            Actor::Server => "breakglass",
        }
    }

    /// Whether a browser sends their identity along by itself, so that another site's page could abuse it.
    pub(crate) const fn is_ambient(&self) -> bool {
        matches!(self.way, Way::Password | Way::Header)
    }

    /// Why they may not do what this role may; nothing where they may.
    pub(crate) fn lacks(&self, needed: Role) -> Option<String> {
        (self.role < needed).then(|| format!("This needs the role {needed}; yours is {}.", self.role))
    }
}
