//! The agents: what can be seen to be wrong with them without starting one.

use super::{Advice, say};
use crate::{AgentKind, Autonomy, DoorKind, Fleet};

pub(super) fn advise(fleet: &Fleet, advice: &mut Vec<Advice>) {
    let agent = &fleet.agent;
    let about = || "[agent]".to_owned();
    if agent.kinds.contains(&AgentKind::Claude) && agent.claude.user.is_none() {
        say(
            advice,
            about(),
            "claude is given no user: a server that is root runs it under a number that no account has, any other starts it only \
             where the kernel keeps its own sockets from it (Landlock ABI 9); `user` in [agent.claude] names an account",
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
    for door in fleet.doors.iter().filter(|door| agent.outside_autonomy(door) == Some(Autonomy::Act)) {
        let target = door.controls.as_deref().unwrap_or(&door.to);
        let what = if door.kind == DoorKind::Repair { "run commands" } else { "press verbs" };
        let sentence = format!(
            "outside agents may {what} on {target} through \"{}\" without asking anybody: \"ask\" puts a person between",
            door.name
        );
        say(advice, "[agent.outside]".to_owned(), sentence);
    }
    for (name, wanted) in &agent.outside.doors {
        let door = fleet.door(name);
        let given = door.and_then(|door| agent.outside_autonomy(door)).filter(|given| given < wanted);
        if let Some(given) = given {
            let sentence = format!(
                "door \"{name}\" is granted \"{wanted}\" and stays at \"{given}\": outside agents never may more than [agent] allows"
            );
            say(advice, "[agent.outside]".to_owned(), sentence);
        }
    }
    for (name, _) in agent.doors.iter().chain(&agent.outside.doors) {
        let kind = fleet.door(name).map(|door| door.kind);
        if matches!(kind, Some(DoorKind::Diag | DoorKind::Cold)) {
            say(advice, about(), format!("door \"{name}\" changes nothing, so its autonomy means nothing"));
        }
    }
}
