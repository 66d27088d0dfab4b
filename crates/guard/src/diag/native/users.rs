//! Names of users and groups, from the host's own files. What another directory service knows stays a number: asking it
//! would take sockets.

use std::fs::File;
use std::io::Read;

/// No file of accounts is read further.
const LONGEST: u64 = 4 * 1024 * 1024;

/// Both tables, each read when first needed.
#[derive(Default)]
pub(crate) struct Names {
    users: Option<Vec<(u32, String)>>,
    groups: Option<Vec<(u32, String)>>,
}

impl Names {
    pub(crate) fn user(&mut self, id: u32) -> Option<&str> {
        name(self.users.get_or_insert_with(|| table("/etc/passwd")), id)
    }

    pub(crate) fn group(&mut self, id: u32) -> Option<&str> {
        name(self.groups.get_or_insert_with(|| table("/etc/group")), id)
    }

    /// The number of a user, by name or as a number.
    pub(crate) fn user_id(&mut self, text: &str) -> Option<u32> {
        id(self.users.get_or_insert_with(|| table("/etc/passwd")), text)
    }

    /// The number of a group, by name or as a number.
    pub(crate) fn group_id(&mut self, text: &str) -> Option<u32> {
        id(self.groups.get_or_insert_with(|| table("/etc/group")), text)
    }
}

fn name(table: &[(u32, String)], id: u32) -> Option<&str> {
    table.iter().find(|(it, _)| *it == id).map(|(_, name)| name.as_str())
}

fn id(table: &[(u32, String)], text: &str) -> Option<u32> {
    table.iter().find(|(_, name)| name == text).map(|(id, _)| *id).or_else(|| text.parse().ok())
}

fn table(path: &str) -> Vec<(u32, String)> {
    let mut text = Vec::new();
    if let Ok(file) = File::open(path) {
        let _ = file.take(LONGEST).read_to_end(&mut text);
    }
    let line = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        Some((fields.nth(1)?.parse().ok()?, name))
    };
    String::from_utf8_lossy(&text).lines().filter_map(line).collect()
}
