//! The agents: what can be seen to be wrong with them without starting one.

use super::{Advice, say};
use crate::{AgentKind, DoorKind, Fleet};

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    let agent = &fleet.agent;
    let about = || "[agent]".to_owned();
    if agent.kinds.contains(&AgentKind::Claude) && agent.claude.user.is_none() {
        say(
            advice,
            about(),
            "claude runs as the server's own account, held by the sandbox alone: give [agent.claude] a user of its own",
        );
    }
    if let Some(api) = &agent.api {
        let near = ["http://127.", "http://localhost", "http://[::1]"];
        let plain =
            api.endpoint.starts_with("http://") && !near.iter().any(|near| api.endpoint.starts_with(near));
        if plain {
            say(advice, about(), "the endpoint of api is plain http: what hosts print travels in the clear");
        }
        if !agent.kinds.contains(&AgentKind::Api) {
            say(advice, about(), "[agent.api] is there and `kinds` does not name api: it is never used");
        }
    }
    for (name, _) in &agent.doors {
        let kind = fleet.door(name).map(|door| door.kind);
        if matches!(kind, Some(DoorKind::Diag | DoorKind::Cold)) {
            say(advice, about(), format!("door \"{name}\" changes nothing, so its autonomy means nothing"));
        }
    }
}
