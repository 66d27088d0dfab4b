//! Names: declared once, meant where they are used, and no component that needs itself.

use crate::nearest;
use crate::reader::{Located, Report};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a name is the name of; each has names of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Space {
    Component,
    Secret,
    Door,
    Scenario,
    Receiver,
}

impl Space {
    const ALL: [Self; 5] = [Self::Component, Self::Secret, Self::Door, Self::Scenario, Self::Receiver];

    const fn word(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Secret => "secret",
            Self::Door => "door",
            Self::Scenario => "scenario",
            Self::Receiver => "receiver",
        }
    }
}

struct Use {
    space: Space,
    name: Located<String>,
    /// Such as `needs of [[component]] "devvm"`.
    by: String,
}

/// All names that were declared and used while the file was read.
#[derive(Default)]
pub(crate) struct Names {
    declared: Vec<(Space, Located<String>)>,
    used: Vec<Use>,
    needs: BTreeMap<String, Vec<Located<String>>>,
}

impl Names {
    /// A name is declared.
    pub(crate) fn declare(&mut self, space: Space, name: Located<String>) {
        self.declared.push((space, name));
    }

    /// A name is used; `by` says where, for messages.
    pub(crate) fn mention(&mut self, space: Space, name: Located<String>, by: String) {
        self.used.push(Use { space, name, by });
    }

    /// A component needs others, which are mentioned elsewhere.
    pub(crate) fn component_needs(&mut self, component: &str, needs: Vec<Located<String>>) {
        self.needs.entry(component.to_owned()).or_default().extend(needs);
    }

    /// Reports names that are declared twice and names that are declared nowhere.
    pub(crate) fn resolve(&self, report: &mut Report<'_>) {
        let mut first = BTreeMap::new();
        for (space, name) in &self.declared {
            if first.insert((*space, name.value.as_str()), ()).is_some() {
                let reason = format!("there is another {} \"{}\" before this one", space.word(), name.value);
                report.say(&name.span, reason, Some("names are unique; rename one of the two".to_owned()));
            }
        }
        for used in &self.used {
            if first.contains_key(&(used.space, used.name.value.as_str())) {
                continue;
            }
            let word = used.space.word();
            let name = used.name.value.escape_debug();
            let reason = format!("no {word} is called \"{name}\" ({})", used.by);
            let known: Vec<&str> = self.of(used.space).collect();
            let elsewhere =
                Space::ALL.into_iter().find(|space| self.of(*space).any(|other| other == used.name.value));
            let hint = match elsewhere {
                Some(other) => format!("\"{name}\" is a {}; here stands the name of a {word}", other.word()),
                None => nearest::hint(&used.name.value, '"', "declared", &known),
            };
            report.say(&used.name.span, reason, Some(hint));
        }
    }

    fn of(&self, space: Space) -> impl Iterator<Item = &str> {
        self.declared.iter().filter(move |(of, _)| *of == space).map(|(_, name)| name.value.as_str())
    }

    /// Reports each circle of needs once, at the need that closes it.
    pub(crate) fn refuse_circles(&self, report: &mut Report<'_>) {
        let mut done = BTreeSet::new();
        for component in self.of(Space::Component) {
            self.walk(component, &mut Vec::new(), &mut done, report);
        }
    }

    fn walk<'a>(
        &'a self,
        component: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
        report: &mut Report<'_>,
    ) {
        if done.contains(component) {
            return;
        }
        path.push(component);
        for need in self.needs.get(component).into_iter().flatten() {
            match path.iter().position(|on_path| *on_path == need.value) {
                Some(from) => {
                    report_circle(path.get(from..).unwrap_or_default(), &need.value, &need.span, report)
                }
                None => self.walk(&need.value, path, done, report),
            }
        }
        path.pop();
        done.insert(component);
    }
}

fn report_circle(path: &[&str], closes: &str, span: &Range<usize>, report: &mut Report<'_>) {
    let mut names = path.to_vec();
    names.push(closes);
    let reason = format!("a component cannot need itself: {}", names.join(" needs "));
    report.say(
        span,
        reason,
        Some("nothing in such a circle could ever start; take out the need that is not real".to_owned()),
    );
}
