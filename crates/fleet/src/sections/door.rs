//! `[[door]]`: one way in.

use super::{declare, name_of, names_of, plain};
use crate::reader::{Report, Section};
use crate::references::{Names, Space};
use crate::values;
use crate::{Backend, Component, Door, DoorKind};
use std::ops::Range;
use std::time::Duration;

/// A door and where in the file it names what others are compared with.
pub(crate) struct PlacedDoor {
    pub(crate) door: Door,
    pub(crate) key_span: Range<usize>,
    pub(crate) to_span: Range<usize>,
}

/// Keys that mean something at a door of one kind only.
const OF_ONE_KIND: [(&str, DoorKind); 5] = [
    ("controls", DoorKind::Power),
    ("backend", DoorKind::Power),
    ("vm", DoorKind::Power),
    ("vm_name", DoorKind::Power),
    ("harness", DoorKind::Repair),
];

pub(crate) fn doors(
    file: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
) -> Vec<PlacedDoor> {
    let sections = file.tables(report, "door", "[[door]]");
    sections.into_iter().map(|section| read(section, report, names)).collect()
}

fn read(mut section: Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> PlacedDoor {
    let name = declare(&mut section, report, names, Space::Door);
    for key in ["kind", "to", "user", "key"] {
        section.must_have(key);
    }
    let kind = section.word(report, "kind", DoorKind::WORDS, DoorKind::from_word);
    let to = name_of(&mut section, report, names, "to", Space::Component);

    if kind == Some(DoorKind::Power) {
        section.must_have("controls");
    }
    let controls = name_of(&mut section, report, names, "controls", Space::Component);
    let backend = section.word(report, "backend", Backend::WORDS, Backend::from_word);
    let vm = section.number(report, "vm", 1..=999_999_999);
    let vm_name = section.text(report, "vm_name", values::vm_name).map(|text| text.value);
    if let Some(kind) = kind {
        refuse_keys_of_others(&section, kind, report);
    }
    if let (Some(to), Some(controls)) = (&to, &controls)
        && to.value == controls.value
    {
        let hint = "a power door leads to the hypervisor and controls a VM on it".to_owned();
        report.say(&controls.span, "a door cannot control the component that it leads to", Some(hint));
    }

    let user = section.text(report, "user", values::user).map(|text| text.value).unwrap_or_default();
    let port = section.number(report, "port", 1..=65_535).and_then(|port| u16::try_from(port).ok());
    let key = name_of(&mut section, report, names, "key", Space::Secret);
    let sources = plain(section.texts(report, "sources", values::source));
    let via = plain(Some(names_of(&mut section, report, names, "via", Space::Component)));
    let served_from = name_of(&mut section, report, names, "served_from", Space::Component);
    let become_root = section.text(report, "become_root", prefix).map(|text| text.value);
    let deadline = section.duration(report, "deadline", Duration::from_secs(1)..=Duration::from_secs(3600));

    let harness = section.yes_or_no(report, "harness");

    let here = section.span().clone();
    section.close(report);
    let (to_span, to) = to.map_or_else(|| (here.clone(), String::new()), |to| (to.span, to.value));
    let (key_span, key) = key.map_or_else(|| (here, String::new()), |key| (key.span, key.value));
    let door = Door {
        name,
        kind: kind.unwrap_or(DoorKind::Repair),
        to,
        controls: controls.map(|text| text.value),
        backend,
        vm,
        vm_name,
        port: port.unwrap_or(Door::DEFAULT_PORT),
        key,
        sources,
        via,
        served_from: served_from.map(|text| text.value),
        become_root: become_root.unwrap_or_else(|| Door::default_become_root(&user).to_owned()),
        user,
        deadline: deadline.unwrap_or(Door::DEFAULT_DEADLINE),
        harness: harness.unwrap_or(false),
    };
    PlacedDoor { door, key_span, to_span }
}

/// What stands before a command: may be empty, and is one line.
fn prefix(text: &str) -> values::Parsed<String> {
    if text.is_empty() {
        return Ok(String::new());
    }
    let text = values::line(text)?;
    if text.ends_with(' ') {
        Ok(text)
    } else {
        Err(format!("the command follows directly: end it with a space, \"{text} \""))
    }
}

fn refuse_keys_of_others(section: &Section<'_, '_>, kind: DoorKind, report: &mut Report<'_>) {
    for (key, of) in OF_ONE_KIND.into_iter().filter(|(_, of)| *of != kind) {
        if let Some(span) = section.key_span(key) {
            let reason = format!("`{key}` belongs to a {of} door, and {} is a {kind} door", section.called());
            report.say(&span, reason, Some(format!("take it out, or write kind = \"{of}\"")));
        }
    }
}

/// Refuses a door to a component that is declared without any address: it could never open.
pub(crate) fn refuse_doors_to_nowhere(
    components: &[Component],
    doors: &[PlacedDoor],
    report: &mut Report<'_>,
) {
    for placed in doors {
        let to = components.iter().find(|component| component.name == placed.door.to);
        if to.is_some_and(|component| component.addresses.is_empty()) {
            let reason = format!(
                "door \"{}\" leads to \"{}\", which has no address",
                placed.door.name, placed.door.to
            );
            let hint = format!("add addresses = [\"…\"] to [[component]] \"{}\"", placed.door.to);
            report.say(&placed.to_span, reason, Some(hint));
        }
    }
}
