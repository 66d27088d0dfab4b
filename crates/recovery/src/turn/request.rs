//! The tools as a model sees them, and what it wrote made into a request, or refused with what would be right.

use super::engine::ToolSpec;
use breakglass_fleet::DoorKind;
use breakglass_incident::Spend;
use breakglass_incident::policy::Denial;
use breakglass_protocol::Verb;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;

/// Arguments of more bytes are nothing that a tool takes: the gate refuses them.
pub const LARGEST_ARGUMENTS: usize = 48 << 10;
/// A command runs so long unless the model says otherwise.
const COMMAND_DEADLINE: u64 = 60;
/// And so long at most.
const LONGEST_COMMAND_DEADLINE: u64 = 600;

/// What is asked for, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    Hosts,
    Triage { target: Option<String> },
    Diag { host: Option<String>, command: String },
    Repair { target: Option<String>, command: String, deadline: Duration },
    Power { target: Option<String>, verb: Verb },
    Runbook { name: Option<String> },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoArguments {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetOnly {
    target: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Look {
    host: Option<String>,
    command: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Repair {
    target: Option<String>,
    command: String,
    deadline_seconds: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Power {
    target: Option<String>,
    verb: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Runbook {
    name: Option<String>,
}

impl Request {
    /// Understands a call, or says what would be right.
    pub(crate) fn parse(tool: &str, arguments: &Value) -> Result<Self, Denial> {
        Ok(match tool {
            "hosts" => {
                let NoArguments {} = read(tool, arguments)?;
                Self::Hosts
            }
            "triage" => Self::Triage { target: read::<TargetOnly>(tool, arguments)?.target },
            "diag" => {
                let Look { host, command } = read(tool, arguments)?;
                Self::Diag { host, command }
            }
            "repair" => {
                let Repair { target, command, deadline_seconds } = read(tool, arguments)?;
                let seconds = deadline_seconds.unwrap_or(COMMAND_DEADLINE).clamp(1, LONGEST_COMMAND_DEADLINE);
                Self::Repair { target, command, deadline: Duration::from_secs(seconds) }
            }
            "power" => {
                let Power { target, verb } = read(tool, arguments)?;
                let verb = Verb::from_bytes(verb.as_bytes()).ok_or_else(|| {
                    Denial::new(
                        "unknown-verb",
                        "that is none of the six verbs",
                        "Use one of status, forensics, reset, stop, start, cycle.",
                    )
                })?;
                Self::Power { target, verb }
            }
            "runbook" => Self::Runbook { name: read::<Runbook>(tool, arguments)?.name },
            _ => {
                return Err(Denial::new(
                    "unknown-tool",
                    "there is no such tool",
                    "There are hosts, triage, diag, repair, power and runbook; nothing else can be called.",
                ));
            }
        })
    }

    /// The component that it names.
    pub(crate) fn named(&self) -> Option<&str> {
        match self {
            Self::Triage { target } | Self::Repair { target, .. } | Self::Power { target, .. } => {
                target.as_deref()
            }
            Self::Diag { host, .. } => host.as_deref(),
            Self::Hosts | Self::Runbook { .. } => None,
        }
    }

    /// What it takes from the budget.
    pub(crate) const fn spends(&self) -> Option<Spend> {
        match self {
            Self::Repair { .. } => Some(Spend::Command),
            Self::Power { verb, .. } if verb.is_mutating() => Some(Spend::Verb(*verb)),
            _ => None,
        }
    }

    /// The tool that was called.
    pub(crate) const fn tool(&self) -> &'static str {
        match self {
            Self::Hosts => "hosts",
            Self::Triage { .. } => "triage",
            Self::Diag { .. } => "diag",
            Self::Repair { .. } => "repair",
            Self::Power { .. } => "power",
            Self::Runbook { .. } => "runbook",
        }
    }

    /// Whether it would change, or reach into, what it names.
    pub(crate) const fn touches(&self) -> bool {
        matches!(self, Self::Repair { .. } | Self::Power { .. })
    }

    /// Whether it makes sense for one machine only.
    pub(crate) const fn is_about_one(&self) -> bool {
        !matches!(self, Self::Hosts | Self::Runbook { .. })
    }

    /// The kind of door that it goes through.
    pub(crate) const fn door(&self) -> DoorKind {
        if matches!(self, Self::Power { .. }) { DoorKind::Power } else { DoorKind::Repair }
    }

    /// As a person reads it.
    pub(crate) fn shown(&self, target: &str) -> String {
        match self {
            Self::Hosts => "hosts".to_owned(),
            Self::Triage { .. } => format!("triage {target}"),
            Self::Diag { command, .. } | Self::Repair { command, .. } => command.clone(),
            Self::Power { verb, .. } => format!("{verb} {target}"),
            Self::Runbook { name: Some(name) } => format!("runbook {name}"),
            Self::Runbook { name: None } => "runbook".to_owned(),
        }
    }
}

/// The tools as an outside agent sees them: it is in no incident, so it names the machine in each call.
pub(crate) fn specs_outside(hosts: &[&str], looks_only: bool) -> Vec<ToolSpec> {
    let mut specs = specs("a target");
    for spec in &mut specs {
        let name = match spec.name.as_str() {
            "diag" => "host",
            "triage" | "repair" | "power" => "target",
            _ => continue,
        };
        let described = match name {
            "host" if looks_only => format!("one of: {}", hosts.join(", ")),
            "host" => "a host with a diag door, as `hosts` lists it".to_owned(),
            _ => "a target of the fleet, as `hosts` lists it".to_owned(),
        };
        if let Some(property) = spec.schema.pointer_mut(&format!("/properties/{name}/description")) {
            *property = Value::String(described);
        }
        if let Some(required) = spec.schema.as_object_mut().and_then(|schema| schema.get_mut("required"))
            && let Some(required) = required.as_array_mut()
        {
            required.insert(0, Value::String(name.to_owned()));
        }
        if matches!(spec.name.as_str(), "repair" | "power") {
            spec.description.push_str(
                " A person may be asked first, on the page: the answer waits for them, and says what they decided.",
            );
        }
    }
    specs
}

fn read<T: DeserializeOwned>(tool: &str, arguments: &Value) -> Result<T, Denial> {
    // A model that has nothing to say sends null as often as an empty object.
    let empty = json!({});
    let arguments = if arguments.is_null() { &empty } else { arguments };
    T::deserialize(arguments).map_err(|error| {
        let what: String = error.to_string().chars().take(200).collect();
        let instead = format!("Call {tool} with the arguments of its schema and no others.");
        Denial::new("bad-arguments", format!("the arguments of {tool} are not right: {what}"), instead)
    })
}

/// The six tools.
pub(crate) fn specs(target: &str) -> Vec<ToolSpec> {
    let text = |what: &str| json!({ "type": "string", "description": what });
    let object = |properties: Value, required: &[&str]| json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false });
    let verbs: Vec<&str> = Verb::ALL.iter().map(|verb| verb.as_str()).collect();
    let spec = |name: &str, description: String, schema: Value, read_only: bool, destructive: bool| {
        ToolSpec { name: name.to_owned(), description, schema, read_only, destructive }
    };
    vec![
        spec(
            "hosts",
            "Lists the machines of the fleet: how each does, which doors lead to it, and what you may do there.".to_owned(),
            object(json!({}), &[]),
            true,
            false,
        ),
        spec(
            "triage",
            "Looks at a target from every side that answers, by fixed rules, in a few seconds, and recommends one action. \
             Changes nothing. Call it first, and again after each step."
                .to_owned(),
            object(json!({ "target": text("a target of the fleet; the incident's own if left out") }), &[]),
            true,
            false,
        ),
        spec(
            "diag",
            "Runs one read-only command on a host through its diag door. Pipes between allowed commands work; other shell \
             syntax does not. Prefer it to repair for looking."
                .to_owned(),
            object(
                json!({ "host": text("a host of the fleet; the incident's target if left out"),
                        "command": text("the command line, such as `df -h` or `journalctl -u nginx -n 50`") }),
                &["command"],
            ),
            true,
            false,
        ),
        spec(
            "repair",
            format!(
                "Runs one shell command line on {target} through its repair door. Counts against the budget even if it only \
                 looks, so put what belongs together into one command. No terminal; nothing may ask a question."
            ),
            object(
                json!({ "target": text("left out, or the incident's target: there is no other"),
                        "command": text("the command line, for the login shell of the repair account"),
                        "deadline_seconds": { "type": "integer", "minimum": 1, "maximum": LONGEST_COMMAND_DEADLINE,
                            "description": "after this it is given up; 60 if left out" } }),
                &["command"],
            ),
            false,
            true,
        ),
        spec(
            "power",
            format!(
                "Presses one verb of {target}'s power door, at its hypervisor. status and forensics only look. reset keeps \
                 the QEMU process, cycle ends it and starts a fresh one, which is what a stalled QEMU needs. Forensics are \
                 captured first. Answers when the end was seen."
            ),
            object(
                json!({ "target": text("left out, or the incident's target: there is no other"),
                        "verb": { "type": "string", "enum": verbs } }),
                &["verb"],
            ),
            false,
            true,
        ),
        spec(
            "runbook",
            "Reads a runbook that this fleet's owner wrote; without a name, lists them.".to_owned(),
            object(json!({ "name": text("as listed") }), &[]),
            true,
            false,
        ),
    ]
}
