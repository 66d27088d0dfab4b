//! `[agent]`: the agents, what each door lets them do, and their budget.

use super::name_of;
use crate::agent::{AgentKind, AgentSection, Api, Autonomy, Budget, Claude, Dialect, Outside};
use crate::reader::{Report, Section};
use crate::references::{Names, Space};
use crate::values;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const SECOND: Duration = Duration::from_secs(1);
/// More than this is no budget.
const MOST: u32 = 100_000;

pub(crate) fn agent(file: &mut Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> AgentSection {
    let default = AgentSection::default();
    let Some(mut section) = file.table(report, "agent", "[agent]") else { return default };
    let kinds = section.words(report, "kinds", AgentKind::WORDS, AgentKind::from_word).unwrap_or_default();
    refuse_twice(&section, &kinds, report);
    let claude = section.table(report, "claude", "[agent.claude]").map(|claude| read_claude(claude, report));
    if kinds.contains(&AgentKind::Api) {
        section.must_have("api");
    }
    let api = section.table(report, "api", "[agent.api]").and_then(|api| read_api(api, report));
    let repair = section.word(report, "repair", Autonomy::WORDS, Autonomy::from_word);
    let power = section.word(report, "power", Autonomy::WORDS, Autonomy::from_word);
    let doors = section.tables(report, "door", "[[agent.door]]");
    let doors = doors.into_iter().filter_map(|door| own_autonomy(door, report, names)).collect();
    let outside = section
        .table(report, "outside", "[agent.outside]")
        .map_or(default.outside, |outside| read_outside(outside, report, names));
    let budget = section
        .table(report, "budget", "[agent.budget]")
        .map_or(default.budget, |budget| read_budget(budget, report));
    let wall_clock = section.duration(report, "wall_clock", SECOND..=HOUR * 24);
    let approval = section.duration(report, "approval", SECOND..=HOUR);
    let runbooks = section.text(report, "runbooks", values::path).map(|path| path.value);
    section.close(report);
    AgentSection {
        kinds,
        claude: claude.unwrap_or_default(),
        api,
        repair: repair.unwrap_or(default.repair),
        power: power.unwrap_or(default.power),
        doors,
        outside,
        budget,
        wall_clock: wall_clock.unwrap_or(default.wall_clock),
        approval: approval.unwrap_or(default.approval),
        runbooks,
    }
}

fn refuse_twice(section: &Section<'_, '_>, kinds: &[AgentKind], report: &mut Report<'_>) {
    let twice = kinds.iter().enumerate().any(|(at, kind)| kinds.iter().take(at).any(|other| other == kind));
    if twice && let Some(span) = section.key_span("kinds") {
        let hint = "name each kind once, in the order in which they are tried".to_owned();
        report.say(&span, "a kind of agent stands in `kinds` twice", Some(hint));
    }
}

fn read_claude(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Claude {
    let program = section.text(report, "program", program);
    let user = section.text(report, "user", values::user).map(|user| user.value);
    let model = section.text(report, "model", values::line).map(|model| model.value);
    let key_file = section.text(report, "key_file", values::path).map(|path| path.value);
    let endpoint = section.text(report, "endpoint", endpoint).map(|endpoint| endpoint.value);
    section.close(report);
    let program = program.map_or_else(|| Claude::default().program, |program| program.value);
    Claude { program, user, model, key_file, endpoint }
}

fn read_api(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Option<Api> {
    for key in ["dialect", "endpoint", "model"] {
        section.must_have(key);
    }
    let dialect = section.word(report, "dialect", Dialect::WORDS, Dialect::from_word);
    let endpoint = section.text(report, "endpoint", endpoint);
    let model = section.text(report, "model", values::line);
    let key_file = section.text(report, "key_file", values::path).map(|path| path.value);
    let key_env = section.text(report, "key_env", variable).map(|name| name.value);
    if key_file.is_some()
        && key_env.is_some()
        && let Some(span) = section.key_span("key_env")
    {
        let hint = "take one of the two out: a local model may need neither".to_owned();
        report.say(&span, "`key_file` and `key_env` both say where the key is", Some(hint));
    }
    section.close(report);
    Some(Api { dialect: dialect?, endpoint: endpoint?.value, model: model?.value, key_file, key_env })
}

fn own_autonomy(
    mut section: Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
) -> Option<(String, Autonomy)> {
    section.must_have("name");
    section.must_have("autonomy");
    let name = name_of(&mut section, report, names, "name", Space::Door);
    let autonomy = section.word(report, "autonomy", Autonomy::WORDS, Autonomy::from_word);
    section.close(report);
    Some((name?.value, autonomy?))
}

fn read_outside(mut section: Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> Outside {
    let default = Outside::default();
    let repair = section.word(report, "repair", Autonomy::WORDS, Autonomy::from_word);
    let power = section.word(report, "power", Autonomy::WORDS, Autonomy::from_word);
    let doors = section.tables(report, "door", "[[agent.outside.door]]");
    let doors = doors.into_iter().filter_map(|door| own_autonomy(door, report, names)).collect();
    let calls_per_hour = section.number(report, "calls_per_hour", 0..=MOST);
    section.close(report);
    Outside { repair, power, doors, calls_per_hour: calls_per_hour.unwrap_or(default.calls_per_hour) }
}

fn read_budget(mut section: Section<'_, '_>, report: &mut Report<'_>) -> Budget {
    let default = Budget::default();
    let mut count = |key, value: u32| section.number(report, key, 0..=MOST).unwrap_or(value);
    let commands = count("commands", default.commands);
    let commands_per_hour = count("commands_per_hour", default.commands_per_hour);
    let verbs = count("verbs", default.verbs);
    let verbs_per_hour = count("verbs_per_hour", default.verbs_per_hour);
    let cycles = count("cycles", default.cycles);
    let calls = count("calls", default.calls);
    let cool_down = section.duration(report, "cool_down", Duration::ZERO..=HOUR);
    section.close(report);
    let cool_down = cool_down.unwrap_or(default.cool_down);
    Budget { commands, commands_per_hour, verbs, verbs_per_hour, cycles, calls, cool_down }
}

/// A program: a bare name or an absolute path, never a command line.
fn program(text: &str) -> values::Parsed<String> {
    let plain =
        !text.is_empty() && !text.starts_with('-') && !text.chars().any(|c| c.is_control() || c == ' ');
    if plain && (text.starts_with('/') || !text.contains('/')) {
        Ok(text.to_owned())
    } else {
        Err(format!("`{}` is neither the name of a program nor an absolute path to one", text.escape_debug()))
    }
}

/// The address of a model's endpoint.
fn endpoint(text: &str) -> values::Parsed<String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = rest.and_then(|rest| rest.split(['/', '?', '#']).next());
    let plain = text.chars().all(|c| c.is_ascii_graphic() && !"?#\"\\<>".contains(c));
    match host {
        Some(host) if !host.is_empty() && plain && !host.contains('@') => {
            Ok(text.trim_end_matches('/').to_owned())
        }
        Some(host) if host.contains('@') => {
            Err("a key has no place in an address: give it with key_file or key_env".to_owned())
        }
        _ => Err(format!(
            "`{}` is no endpoint; write it like https://api.example.net or http://127.0.0.1:11434/v1",
            text.escape_debug()
        )),
    }
}

/// The name of an environment variable.
fn variable(text: &str) -> values::Parsed<String> {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    if first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        Ok(text.to_owned())
    } else {
        Err("this is no name of an environment variable; the key itself must never stand in this file"
            .to_owned())
    }
}
