//! What each section of the file may hold, one function a section.
//!
//! Where a value is missing or wrong, its default stands in, so that the rest is still looked at; a file with any
//! problem gives no fleet.

mod agent;
mod door;
mod notify;
mod verify;
mod watch;
mod web;

pub(crate) use agent::agent;
pub(crate) use door::{PlacedDoor, doors, refuse_doors_to_nowhere};
pub(crate) use notify::notify;
pub(crate) use verify::verify;
pub(crate) use watch::watch;
pub(crate) use web::web;

use crate::model::DEFAULT_STATE_DIR;
use crate::reader::{Located, Report, Section};
use crate::references::{Names, Space};
use crate::values;
use crate::{Component, ComponentKind, HostKeyPolicy, Scenario, Secret};
use std::path::PathBuf;

/// The values without their places.
fn plain<T>(texts: Option<Vec<Located<T>>>) -> Vec<T> {
    texts.unwrap_or_default().into_iter().map(|text| text.value).collect()
}

/// A name that this table declares.
fn declare(
    section: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
    space: Space,
) -> String {
    section.must_have("name");
    let form = if space == Space::Scenario { values::line } else { values::name };
    let name = section.text(report, "name", form);
    name.map_or_else(String::new, |name| {
        names.declare(space, name.clone());
        name.value
    })
}

/// A list of names that are declared elsewhere.
fn names_of(
    section: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
    key: &'static str,
    space: Space,
) -> Vec<Located<String>> {
    let texts = section.texts(report, key, values::line).unwrap_or_default();
    for text in &texts {
        names.mention(space, text.clone(), format!("`{key}` of {}", section.called()));
    }
    texts
}

/// One name that is declared elsewhere.
fn name_of(
    section: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
    key: &'static str,
    space: Space,
) -> Option<Located<String>> {
    let text = section.text(report, key, values::line)?;
    names.mention(space, text.clone(), format!("`{key}` of {}", section.called()));
    Some(text)
}

/// `[fleet]`: the name and the directory of the server's state.
pub(crate) fn fleet(file: &mut Section<'_, '_>, report: &mut Report<'_>) -> (String, PathBuf) {
    file.must_have("fleet");
    let Some(mut section) = file.table(report, "fleet", "[fleet]") else {
        return (String::new(), PathBuf::from(DEFAULT_STATE_DIR));
    };
    section.must_have("name");
    let name = section.text(report, "name", values::line).map_or_else(String::new, |name| name.value);
    let state = section.text(report, "state_dir", values::path);
    section.close(report);
    (name, state.map_or_else(|| PathBuf::from(DEFAULT_STATE_DIR), |state| state.value))
}

/// `[[component]]`.
pub(crate) fn components(
    file: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
) -> Vec<Component> {
    let mut components = Vec::new();
    for mut section in file.tables(report, "component", "[[component]]") {
        let name = declare(&mut section, report, names, Space::Component);
        section.must_have("kind");
        let kind = section.word(report, "kind", ComponentKind::WORDS, ComponentKind::from_word);
        let addresses = plain(section.texts(report, "addresses", values::address));
        let needs = names_of(&mut section, report, names, "needs", Space::Component);
        let groups = plain(section.texts(report, "groups", values::name));
        let refusing_port = section.text(report, "refusing_port", values::address_with_port);
        let host_key = section.text(report, "host_key", values::host_key);
        section.close(report);

        names.component_needs(&name, needs.clone());
        components.push(Component {
            name,
            kind: kind.unwrap_or(ComponentKind::Host),
            addresses,
            needs: plain(Some(needs)),
            groups,
            refusing_port: refusing_port.map(|text| text.value),
            host_key: host_key.map_or(HostKeyPolicy::TofuAlarm, |policy| policy.value),
        });
    }
    components
}

/// `[[secret]]`.
pub(crate) fn secrets(file: &mut Section<'_, '_>, report: &mut Report<'_>, names: &mut Names) -> Vec<Secret> {
    let mut secrets = Vec::new();
    for mut section in file.tables(report, "secret", "[[secret]]") {
        let name = declare(&mut section, report, names, Space::Secret);
        let file = section.text(report, "file", values::path).map(|path| path.value);
        let copies = plain(section.texts(report, "copies", values::line));
        let readers = plain(section.texts(report, "readers", values::line));
        section.close(report);
        secrets.push(Secret { name, file, copies, readers });
    }
    secrets
}

/// `[[scenario]]`.
pub(crate) fn scenarios(
    file: &mut Section<'_, '_>,
    report: &mut Report<'_>,
    names: &mut Names,
) -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for mut section in file.tables(report, "scenario", "[[scenario]]") {
        let name = declare(&mut section, report, names, Space::Scenario);
        section.must_have("down");
        let down = plain(Some(names_of(&mut section, report, names, "down", Space::Component)));
        let must_open = plain(Some(names_of(&mut section, report, names, "must_open", Space::Door)));
        section.close(report);
        scenarios.push(Scenario { name, down, must_open });
    }
    scenarios
}
