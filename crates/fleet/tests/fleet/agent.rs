//! `[agent]`: what is understood, what is refused and with which words.

use super::{GOOD, good, parse};
use breakglass_fleet::{AgentKind, Autonomy, Dialect, Fleet, check};

fn with(agent: &str) -> String {
    format!("{GOOD}\n{agent}\n")
}

#[test]
fn a_whole_section_is_understood() {
    let fleet = good(&with(
        r#"[agent]
kinds = ["api", "claude"]
power = "ask"
wall_clock = "5 min"
runbooks = "/etc/breakglass/runbooks"
[agent.claude]
program = "/opt/claude/bin/claude"
user = "breakglass-agent"
[agent.api]
dialect = "openai"
endpoint = "http://127.0.0.1:11434/v1/"
model = "qwen3"
key_env = "MODEL_KEY"
[[agent.door]]
name = "devvm-repair"
autonomy = "observe"
[agent.budget]
cycles = 1
cool_down = "0 s""#,
    ));
    let agent = &fleet.agent;
    assert_eq!(agent.kinds, [AgentKind::Api, AgentKind::Claude]);
    let api = agent.api.as_ref().expect("there is one");
    assert_eq!((api.dialect, api.endpoint.as_str()), (Dialect::OpenAi, "http://127.0.0.1:11434/v1"));
    assert_eq!((agent.budget.cycles, agent.budget.commands), (1, 60));
    let autonomy = |door: &str| agent.autonomy(fleet.door(door).expect("declared"));
    assert_eq!(autonomy("devvm-power"), Autonomy::Ask, "its kind's");
    assert_eq!(autonomy("devvm-repair"), Autonomy::Observe, "its own");
    assert!(fleet.unused_sections.is_empty());
}

#[test]
fn outside_agents_get_what_is_written_and_never_more_than_a_turn() {
    let fleet = good(&with("[agent]\npower = \"ask\""));
    let may = |fleet: &Fleet, door: &str| fleet.agent.outside_autonomy(fleet.door(door).expect("declared"));
    assert_eq!((may(&fleet, "devvm-power"), may(&fleet, "devvm-repair")), (None, None));
    let fleet = good(&with(
        "[agent]\npower = \"ask\"\n[agent.outside]\nrepair = \"act\"\npower = \"act\"\n[[agent.outside.door]]\nname = \"devvm-repair\"\nautonomy = \"observe\"",
    ));
    assert_eq!(may(&fleet, "devvm-repair"), Some(Autonomy::Observe), "its own");
    assert_eq!(may(&fleet, "devvm-power"), Some(Autonomy::Ask), "no more than [agent]");
    let fleet = good(&with(
        "[agent.outside]\nrepair = \"act\"\n[[agent.outside.door]]\nname = \"devvm-power\"\nautonomy = \"act\"\n[[agent.door]]\nname = \"devvm-power\"\nautonomy = \"ask\"",
    ));
    let told: Vec<String> = check(&fleet).iter().map(ToString::to_string).collect();
    assert!(
        told.iter().any(|advice| advice.contains("run commands on devvm") && advice.contains("\"ask\"")),
        "{told:?}"
    );
    assert!(told.iter().any(|advice| advice.contains("stays at \"ask\"")), "{told:?}");
}

#[test]
fn each_mistake_is_told_with_its_remedy() {
    for (section, fragments) in [
        (
            "[agent.outside]\nrepiar = \"ask\"",
            vec!["unknown key `repiar` in [agent.outside]", "did you mean `repair`?"],
        ),
        ("[agent.outside]\npower = \"allow\"", vec!["none of the words for `power`", "ask"]),
        (
            "[[agent.outside.door]]\nname = \"devvm-pwoer\"\nautonomy = \"ask\"",
            vec!["devvm-pwoer", "devvm-power"],
        ),
        ("[agent]\nkind = [\"claude\"]", vec!["unknown key `kind` in [agent]", "did you mean `kinds`?"]),
        ("[agent]\nkinds = [\"cluade\"]", vec!["none of the words for `kinds`", "claude"]),
        ("[agent]\nkinds = [\"claude\", \"claude\"]", vec!["twice"]),
        ("[agent]\nkinds = [\"api\"]", vec!["[agent] has no `api`"]),
        ("[agent]\npower = \"allow\"", vec!["none of the words for `power`"]),
        ("[agent]\nwall_clock = 20", vec!["needs its unit"]),
        ("[agent]\nrunbooks = \"runbooks\"", vec!["no absolute path"]),
        ("[agent.claude]\nprogram = \"claude --yolo\"", vec!["neither the name of a program"]),
        ("[agent.claude]\nuser = \"-u\"", vec!["not the name of an account"]),
        ("[agent.api]\nendpoint = \"http://x\"", vec!["has no `dialect`", "has no `model`"]),
        (
            "[agent.api]\ndialect = \"openai\"\nmodel = \"m\"\nendpoint = \"https://key@host/v1\"",
            vec!["a key has no place in an address"],
        ),
        ("[agent.api]\ndialect = \"openai\"\nmodel = \"m\"\nendpoint = \"host:1\"", vec!["is no endpoint"]),
        (
            "[agent.api]\ndialect = \"openai\"\nmodel = \"m\"\nendpoint = \"https://h\"\nkey_env = \"sk-1234\"",
            vec!["must never stand in this file"],
        ),
        (
            "[agent.api]\ndialect = \"openai\"\nmodel = \"m\"\nendpoint = \"https://h\"\nkey_env = \"K\"\nkey_file = \"/k\"",
            vec!["both say where the key is"],
        ),
        ("[[agent.door]]\nname = \"devvm-powre\"\nautonomy = \"ask\"", vec!["devvm-powre", "devvm-power"]),
        ("[[agent.door]]\nname = \"devvm-power\"", vec!["has no `autonomy`"]),
        ("[agent.budget]\ncycles = -1", vec!["`cycles` is out of range"]),
    ] {
        let told = parse(&with(section)).expect_err(section).to_string();
        for fragment in fragments {
            assert!(told.contains(fragment), "{section}\nlacks {fragment:?}:\n{told}");
        }
        assert!(!told.contains("sk-1234\n") || section.contains("sk-1234"), "{told}");
    }
}

#[test]
fn advice_names_what_is_allowed_and_unwise() {
    let fleet = good(&with(
        "[agent]\nkinds = [\"claude\"]\n[agent.api]\ndialect = \"openai\"\nmodel = \"m\"\nendpoint = \"http://192.0.2.9/v1\"",
    ));
    let advice: Vec<String> = check(&fleet).iter().map(ToString::to_string).collect();
    for fragment in ["under a number that no account has", "in the clear", "it is never used"] {
        assert!(advice.iter().any(|told| told.contains(fragment)), "{fragment}: {advice:#?}");
    }
}
