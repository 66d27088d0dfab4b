//! From text to a fleet: syntax, then each section, then what holds between them.

use crate::invalid::Problem;
use crate::reader::{Report, Section};
use crate::references::Names;
use crate::{Fleet, Invalid, forced, sections};
use std::path::Path;
use toml::de::DeTable;

/// Sections that may stand in the file before anything acts on them; what is inside is not looked at yet.
const NOT_YET_READ: [&str; 1] = ["kit"];

impl Fleet {
    /// Parses the text of a fleet file; `path` is only for messages.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place. A file that is no TOML is told its syntax errors only.
    pub fn parse(text: &str, path: &Path) -> Result<Self, Invalid> {
        let (root, syntax) = DeTable::parse_recoverable(text);
        if !syntax.is_empty() {
            let problems = syntax.iter().map(|error| {
                let span = error.span().unwrap_or(0..0);
                Problem::at(text, &span, error.message().to_owned(), None)
            });
            return Err(Invalid::new(path, problems.collect(), true));
        }

        let mut report = Report::new(text);
        let mut names = Names::default();
        let mut file = Section::whole_file(root.get_ref(), 0..0);

        let (name, state) = sections::fleet(&mut file, &mut report);
        let components = sections::components(&mut file, &mut report, &mut names);
        let secrets = sections::secrets(&mut file, &mut report, &mut names);
        let doors = sections::doors(&mut file, &mut report, &mut names);
        let scenarios = sections::scenarios(&mut file, &mut report, &mut names);
        let web = sections::web(&mut file, &mut report);
        let watch = sections::watch(&mut file, &mut report, &mut names);
        let verify = sections::verify(&mut file, &mut report);
        let agent = sections::agent(&mut file, &mut report, &mut names);
        let notify = sections::notify(&mut file, &mut report, &mut names);
        let unused_sections = unused_sections(&mut file, &mut report);
        file.close(&mut report);

        names.resolve(&mut report);
        names.refuse_circles(&mut report);
        forced::refuse_two_commands_with_one_key(&doors, &mut report);
        // Where something else is wrong, an address may be missing only because its line could not be read.
        if report.is_clean() {
            sections::refuse_doors_to_nowhere(&components, &doors, &mut report);
        }

        let problems = report.into_problems();
        if !problems.is_empty() {
            return Err(Invalid::new(path, problems, false));
        }
        let doors = doors.into_iter().map(|placed| placed.door).collect();
        Ok(Self {
            name,
            components,
            secrets,
            doors,
            scenarios,
            web,
            watch,
            verify,
            agent,
            notify,
            state,
            unused_sections,
        })
    }
}

fn unused_sections(file: &mut Section<'_, '_>, report: &mut Report<'_>) -> Vec<String> {
    let mut unused = Vec::new();
    for section in NOT_YET_READ {
        if file.table(report, section, &format!("[{section}]")).is_some() {
            unused.push(section.to_owned());
        }
    }
    // Scenarios are read and held to their names, and no code answers them yet: whoever wrote one has to know.
    if file.value("scenario").is_some() {
        unused.push("scenario".to_owned());
    }
    unused.sort();
    unused
}
