//! The house rules that a compiler does not see: which room may use which, who starts processes, who speaks SQL and
//! SSH, and that every file opens with what it is for. It reads sources and manifests; it runs nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources(under: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![under.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The source without its comments and without what stands behind `#[cfg(test)]`.
fn production(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap_or_default().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn in_room(path: &Path, room: &str) -> bool {
    path.starts_with(root().join("crates").join(room).join("src"))
}

/// Sources of the crates that ship: no tests, no examples, no lab.
fn shipped() -> Vec<PathBuf> {
    sources(&root().join("crates"))
        .into_iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "src"))
        .filter(|path| {
            !path.ends_with("tests.rs") && !path.components().any(|part| part.as_os_str() == "tests")
        })
        .collect()
}

#[test]
fn crate_edges_are_the_listed_ones() {
    let listed: BTreeMap<String, Vec<String>> = fs::read_to_string(root().join("docs/edges.txt"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| {
            let (room, uses) = line.split_once("->").expect("`room -> uses`");
            (room.trim().to_owned(), uses.split_whitespace().map(str::to_owned).collect())
        })
        .collect();
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let mut uses: Vec<String> = dependencies
            .lines()
            .filter_map(|line| line.strip_prefix("breakglass-"))
            .filter_map(|line| line.split(['.', ' ', '=']).next())
            .map(str::to_owned)
            .collect();
        uses.sort();
        found.insert(folder.file_name().unwrap().to_string_lossy().into_owned(), uses);
    }
    assert_eq!(found, listed, "left: the manifests; right: docs/edges.txt");
}

#[test]
fn only_the_named_modules_start_processes() {
    // The list may only shrink. The lab and the demo exist to start processes; what ships should not.
    let listed: Vec<String> = fs::read_to_string(root().join("docs/process-starts.txt"))
        .unwrap()
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split_whitespace().next().unwrap_or_default().to_owned())
        .collect();
    let found: Vec<String> = shipped()
        .into_iter()
        .filter(|path| !in_room(path, "lab"))
        .filter(|path| production(path).contains("Command::new("))
        .map(|path| path.strip_prefix(root()).unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(found, listed, "left: the sources; right: docs/process-starts.txt");
}

#[test]
fn only_the_journal_speaks_sql_and_only_doors_speaks_ssh() {
    for path in shipped() {
        let text = production(&path);
        assert!(in_room(&path, "journal") || !text.contains("rusqlite"), "{} speaks SQL", path.display());
        assert!(in_room(&path, "doors") || !text.contains("russh"), "{} speaks SSH", path.display());
    }
}

#[test]
fn the_pure_crates_read_no_clock_and_do_no_io() {
    for room in ["protocol", "chain", "redact", "triage", "incident"] {
        for path in shipped().into_iter().filter(|path| in_room(path, room)) {
            let text = production(&path);
            for word in ["SystemTime", "Instant::now", "std::fs", "std::net", "std::process", "tokio"] {
                assert!(!text.contains(word), "{} uses {word}", path.display());
            }
        }
    }
}

#[test]
fn the_guard_has_no_async_no_tcp_and_no_shell() {
    for path in shipped().into_iter().filter(|path| in_room(path, "guard")) {
        let text = production(&path);
        // What an account's log-in shell may be is written and checked there, and none is started; the repair door hands
        // its command line to one, which is what it is for.
        let names_shells = ["install/account.rs", "check/account.rs", "repair/harness.rs"]
            .iter()
            .any(|it| path.ends_with(it));
        for word in ["async fn", "TcpStream", "TcpListener", "ToSocketAddrs", "\"sh\"", "/bin/sh", "\"bash\""]
        {
            let allowed = word == "/bin/sh" && names_shells;
            assert!(allowed || !text.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn the_pages_know_neither_lab_nor_provision() {
    for path in shipped().into_iter().filter(|path| in_room(path, "web")) {
        let text = production(&path);
        assert!(
            !text.contains("breakglass_lab") && !text.contains("breakglass_provision"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn every_source_opens_with_what_it_is_for() {
    let all = ["crates", "xtask", "e2e", "bench"].into_iter().flat_map(|room| sources(&root().join(room)));
    let silent: Vec<PathBuf> = all
        .filter(|path| !fs::read_to_string(path).unwrap().lines().take(3).any(|line| line.starts_with("//!")))
        .collect();
    assert!(silent.is_empty(), "no //! at the top of {silent:?}");
}
