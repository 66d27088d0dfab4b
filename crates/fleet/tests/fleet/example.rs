//! The file that `breakglass init` writes.

use super::good;
use breakglass_fleet::{AgentSection, Door, Fleet, Notify, Verify, Watch, Web, check, example};

/// The example without the keys whose values are defaults: what is left must mean the same.
#[test]
fn every_default_written_out_is_the_default_in_code() {
    let text = example();
    let only_examples: String = text
        .lines()
        .filter(|line| {
            let is_setting = line.contains(" = ") && !line.starts_with('#');
            !is_setting || line.contains("# example")
        })
        .map(|line| format!("{line}\n"))
        .collect();
    assert_ne!(text, only_examples);
    assert_eq!(good(&text), good(&only_examples));
}

/// And the other way round: each default stands there, so that nobody has to look into the code for it.
#[test]
fn every_default_in_code_is_written_out() {
    let fleet = good(&example());
    assert_eq!(fleet.web, Web::default());
    assert_eq!(fleet.watch, Watch::default());
    assert_eq!(fleet.verify, Verify::default());
    assert_eq!(fleet.agent, AgentSection::default());
    assert_eq!(fleet.notify, Notify::default());
    assert!(
        fleet
            .doors
            .iter()
            .all(|door| door.deadline == Door::DEFAULT_DEADLINE && door.port == Door::DEFAULT_PORT)
    );
    let text = example();
    for key in [
        "state_dir",
        "needs",
        "host_key",
        "copies",
        "readers",
        "port",
        "via",
        "become_root",
        "deadline",
        "listen",
        "session_hours",
        "secure_cookies",
        "everybody",
        "interval",
        "confirm",
        "learn",
        "sync_probe",
        "every",
        "kinds",
        "repair",
        "power",
        "wall_clock",
        "approval",
        "program",
        "commands",
        "commands_per_hour",
        "verbs",
        "verbs_per_hour",
        "cycles",
        "calls",
        "cool_down",
        "keep_trying",
    ] {
        let written =
            text.lines().any(|line| line.starts_with(&format!("{key} =")) && !line.contains("# example"));
        assert!(written, "{key}");
    }
}

/// What stands behind a `#` is real too: taken into use, it parses.
#[test]
fn what_is_commented_out_parses_once_it_is_not() {
    let text = example();
    let uncommented: String = text
        .lines()
        .map(|line| {
            let is_code = line.starts_with("#[")
                || line
                    .split_once(" = ")
                    .is_some_and(|(key, _)| key.strip_prefix('#').is_some_and(|key| !key.contains(' ')));
            let line = if is_code { line.trim_start_matches('#') } else { line };
            format!("{line}\n")
        })
        .collect();
    let with_cluster = format!("{uncommented}[[component]]\nname = \"cluster\"\nkind = \"kubernetes\"\n");
    let fleet: Fleet = good(&with_cluster);
    assert!(fleet.web.trusted_header.is_some() && fleet.web.password_file.is_some());
    assert!(fleet.web.tls.as_ref().is_some_and(|tls| tls.files.is_some() && tls.names.len() == 2));
    assert_eq!(fleet.web.roles.of_person("auditor", &[]), breakglass_fleet::Role::View);
    assert!(fleet.agent.api.is_some() && fleet.agent.runbooks.is_some());
    assert_eq!(fleet.agent.doors, [("devvm-power".to_owned(), breakglass_fleet::Autonomy::Ask)]);
    let ways: Vec<&str> = fleet.notify.receivers.iter().map(|receiver| receiver.way.as_str()).collect();
    assert_eq!(ways, ["webhook", "ntfy", "mail"]);
    assert_eq!((fleet.scenarios.len(), fleet.watch.maintenance.len()), (1, 1));
}

#[test]
fn the_example_gets_only_the_advice_to_allow_somebody_in() {
    let advice: Vec<String> = check(&good(&example())).iter().map(ToString::to_string).collect();
    assert_eq!(advice.len(), 1, "{advice:#?}");
    assert!(advice[0].contains("nobody can log in"));
}
