//! Command by command: in the place of every command of the tables an attacker runs, with the grammar switched off, behind
//! the very walls that this command gets. What the walls leave open is named here, one line each; all else must fail, and
//! must do its harm where there are no walls.

use super::support::{Tried, attack_program};
use super::trees;
use crate::stage::Stage;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

const ATTACK: &str = "/usr/local/bin/attack";
const GUARD: &str = "/usr/local/bin/guard";
const SOCKET: &str = "/run/walls.sock";
/// In a tree that every program is granted, and in the one with the devices.
const SHARED: &str = "/usr/share/walls-victim";
const DEVICE: &str = "/dev/shm/walls-victim";

/// What a program or a reader of ours may try on a file `a`, or to make at `b`.
const FILES: &[&str] = &[
    "write", "append", "truncate", "create", "unlink", "rename", "link", "symlink", "mkdir", "chmod",
    "chown", "utimes",
];
/// What only the program of the tests knows to try.
const MORE_FILES: &[&str] = &["write-both", "truncate-open", "tmpfile", "mkfifo", "fchmodat2", "bind-path"];
const MACHINE: &[&str] = &["mount-tmpfs", "fsopen", "unshare"];
const MORE_MACHINE: &[&str] = &["chroot", "open-tree", "mknod"];
const PROCESSES: &[&str] = &["ptrace", "signal"];
const MORE_PROCESSES: &[&str] = &["memory", "environ", "root"];

/// One name of the tables, as the guard itself lists it.
#[derive(Debug, Clone)]
struct Entry {
    name: String,
    role: String,
    sockets: bool,
    privilege: String,
}

impl Entry {
    fn is_ours(&self) -> bool {
        self.role == "Reader" || self.privilege == "ContainerEngine"
    }

    /// What these walls leave open on purpose. Each line has its reason in `docs/threat-model.md`.
    fn may(&self, attack: &str) -> bool {
        let name = self.name.as_str();
        let pools = matches!(name, "zpool" | "zfs");
        match attack.split_once(':').unwrap() {
            ("connect", SOCKET) => self.sockets,
            // Raw disks are what they are there to read; nothing writes to one.
            ("read", DEVICE) => self.privilege == "Hypervisor" || (self.privilege == "Disks" && !pools),
            // The cluster's daemon shares memory with who asks it.
            ("write", DEVICE) => self.privilege == "Hypervisor",
            ("read", place) => place.contains("/log/journal/") && matches!(name, "systemctl" | "journalctl"),
            _ => false,
        }
    }
}

fn tables() -> Vec<Entry> {
    let listed =
        Command::new(env!("CARGO_BIN_EXE_breakglass-guard")).args(["behind-walls", "--tables"]).output();
    let text = String::from_utf8(listed.unwrap().stdout).unwrap();
    let entries: Vec<Entry> = text
        .lines()
        .map(|line| {
            let cells: Vec<&str> = line.split('\t').collect();
            let [name, role, left, privilege] = cells[..] else { panic!("{line}") };
            let sockets = left.split(',').any(|it| it == "unix");
            Entry { name: name.to_owned(), role: role.to_owned(), sockets, privilege: privilege.to_owned() }
        })
        .collect();
    let count = |role| entries.iter().filter(|entry| entry.role == role).count();
    assert!(count("Program") > 50 && count("Reader") == 9 && count("Filter") == 11, "{text}");
    entries
}

/// A stage with the attacker, and everything that it is after.
struct Scene {
    stage: Stage,
    places: Vec<String>,
    _listener: UnixListener,
    /// One of root and one of nobody.
    neighbours: [Child; 2],
}

impl Scene {
    fn new() -> Option<Self> {
        let stage = Stage::new()?;
        stage.program(ATTACK, attack_program());
        stage.program(GUARD, &fs::read(env!("CARGO_BIN_EXE_breakglass-guard")).unwrap());
        let mount = stage.command(false, "/bin/mount").args(["-t", "tmpfs", "none", "/dev/shm"]).status();
        assert!(mount.unwrap().success());
        for path in [SHARED, DEVICE] {
            stage.write(path, b"text");
            fs::set_permissions(stage.at(path), fs::Permissions::from_mode(0o666)).unwrap();
        }
        let places = trees::built(&stage);
        let listener = UnixListener::bind(stage.at(SOCKET)).unwrap();
        fs::set_permissions(stage.at(SOCKET), fs::Permissions::from_mode(0o777)).unwrap();
        // They end when the test lets go of their input, however that ends.
        let neighbours = [false, true].map(|nobody| {
            let mut cat = stage.command(nobody, "/bin/cat");
            cat.env("SECRET", "BGCANARY").stdin(Stdio::piped()).stdout(Stdio::null());
            let cat = cat.spawn().unwrap();
            let exe = format!("/proc/{}/exe", cat.id());
            while !fs::read_link(&exe).is_ok_and(|exe| exe.ends_with("cat")) {
                std::thread::yield_now();
            }
            cat
        });
        Some(Self { stage, places, _listener: listener, neighbours })
    }

    /// A directory with a victim for each attack, which belongs to who attacks.
    fn ground(&self, name: &str, nobody: bool) -> String {
        let ground = format!("/srv/{name}");
        let owner = Some(if nobody { 65534 } else { 0 });
        for attack in FILES.iter().chain(MORE_FILES) {
            let path = format!("{ground}/{attack}");
            self.stage.write(&path, b"text of the victim");
            fs::set_permissions(self.stage.at(&path), fs::Permissions::from_mode(0o600)).unwrap();
            chown(self.stage.at(&path), owner, owner).unwrap();
        }
        fs::create_dir(self.stage.at(&format!("{ground}/mount"))).unwrap();
        chown(self.stage.at(&ground), owner, owner).unwrap();
        ground
    }

    /// What a ground and the other victims look like: any harm shows here.
    fn picture(&self, ground: &str) -> BTreeMap<String, String> {
        let mut paths: Vec<_> = vec![self.stage.at(SHARED), self.stage.at(DEVICE)];
        paths.extend(fs::read_dir(self.stage.at(ground)).unwrap().map(|entry| entry.unwrap().path()));
        let look = |path: std::path::PathBuf| {
            let metadata = fs::symlink_metadata(&path).unwrap();
            let said = format!(
                "{} {:o} {:?}",
                metadata.len(),
                metadata.permissions().mode(),
                metadata.modified().unwrap()
            );
            (path.display().to_string(), said)
        };
        paths.into_iter().map(look).collect()
    }

    /// Every attack as NAME A B: those that the guard's own children know too, or all.
    fn attacks(&self, ground: &str, nobody: bool, ours: bool) -> Vec<[String; 3]> {
        let [roots, nobodys] = &self.neighbours;
        let pid = if nobody { nobodys.id() } else { roots.id() }.to_string();
        let mut all: Vec<[String; 3]> = Vec::new();
        let mut add = |name: &str, a: &str, b: &str| all.push([name.to_owned(), a.to_owned(), b.to_owned()]);
        let more = |list: &'static [&'static str]| list.iter().filter(|_| !ours);
        for name in FILES.iter().chain(more(MORE_FILES)) {
            add(name, &format!("{ground}/{name}"), &format!("{ground}/{name}.new"));
        }
        for victim in [SHARED, DEVICE] {
            add("write", victim, "");
        }
        add("read", DEVICE, "");
        add("connect", SOCKET, "");
        for name in PROCESSES.iter().chain(more(MORE_PROCESSES)) {
            add(name, &pid, "");
        }
        // Nobody may do these by himself either.
        for name in MACHINE.iter().chain(more(MORE_MACHINE)).filter(|_| !nobody) {
            let at = if *name == "mknod" { "mknod.new" } else { "mount" };
            add(name, "", &format!("{ground}/{at}"));
        }
        for place in &self.places {
            add("read", place, "");
        }
        if ours {
            add("exec", "", "");
        }
        all
    }

    fn run(
        &self,
        nobody: bool,
        program: &str,
        options: &[&str],
        attacks: &[[String; 3]],
    ) -> Vec<(String, i32)> {
        let mut command = self.stage.command(nobody, program);
        let tried = Tried::from(command.args(options).args(attacks.iter().flatten()).output().unwrap());
        let told: Vec<(String, i32)> = tried
            .stdout
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(attack, number)| (attack.to_owned(), number.parse().unwrap()))
            .collect();
        assert_eq!(told.len(), attacks.len(), "{options:?} {tried:?}");
        told
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        for neighbour in &mut self.neighbours {
            drop(neighbour.stdin.take());
            let _ = neighbour.wait();
        }
    }
}

/// An error of the walls: EPERM, EACCES, ENOSYS, EAFNOSUPPORT, or the end by SIGSYS.
fn refused(number: i32) -> bool {
    [1, 13, 38, 97, 128 + 31].contains(&number)
}

#[test]
fn each_command_of_the_tables_is_held_by_its_own_walls() {
    let Some(scene) = Scene::new() else { return };
    let mut exceptions = 0;
    for nobody in [false, true] {
        for ours in [false, true] {
            let ground = scene.ground(&format!("{nobody}-{ours}"), nobody);
            let attacks = scene.attacks(&ground, nobody, ours);
            let before = scene.picture(&ground);
            let entries =
                tables().into_iter().filter(|entry| entry.role != "Filter" && entry.is_ours() == ours);
            // What needs privilege is never started by anybody but the broker, which is root.
            for entry in entries.filter(|entry| !nobody || entry.privilege.is_empty()) {
                let options = ["behind-walls", "--as", &entry.name, ATTACK, "many"];
                for (attack, number) in scene.run(nobody, GUARD, &options, &attacks) {
                    let name = &entry.name;
                    // A reader judges what it has opened: that is its wall, and has the next test.
                    if entry.role == "Reader" && attack.starts_with("read:") {
                        continue;
                    }
                    if entry.may(&attack) {
                        assert_eq!(number, 0, "{name} needs what it does not get: {attack}");
                        exceptions += 1;
                    } else {
                        assert!(
                            refused(number),
                            "nobody: {nobody}, in the place of {name}: {attack} {number}"
                        );
                    }
                }
                assert_eq!(scene.picture(&ground), before, "in the place of {}", entry.name);
            }
            let (program, options): (_, &[&str]) = if ours {
                (GUARD, &["behind-walls", "--nowhere", ATTACK, "many"])
            } else {
                (ATTACK, &["many"])
            };
            for (attack, number) in scene.run(nobody, program, options, &attacks) {
                assert_eq!(number, 0, "nobody: {nobody}: {attack} fails by itself");
            }
            assert_ne!(scene.picture(&ground), before);
        }
    }
    assert!(exceptions > 40, "{exceptions}");
}

#[test]
fn a_reader_shows_no_denied_place_without_its_grammar_either() {
    let Some(scene) = Scene::new() else { return };
    let squeezed = "printf BGCANARY | gzip -c > /etc/credstore/z.gz; mkdir -p /srv/open; cp /etc/credstore/z.gz /srv/open/";
    assert!(scene.stage.command(false, "/bin/sh").args(["-c", squeezed]).status().unwrap().success());
    for name in ["/srv/open/z.gz", "/etc/credstore/z.gz"] {
        fs::set_permissions(scene.stage.at(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    scene.stage.write("/srv/open/x", b"BGCANARY");
    let look = |nobody: bool, reader: &str, places: &[String]| {
        let mut command = scene.stage.command(nobody, GUARD);
        command.args(["behind-walls", "--as", reader, "look"]);
        // What it looks for comes first.
        command.args(Some("BG").filter(|_| reader == "grep")).args(places);
        Tried::from(command.output().unwrap())
    };
    let mut denied = scene.places.clone();
    denied.push("/etc/credstore/z.gz".to_owned());
    for nobody in [false, true] {
        for entry in tables().into_iter().filter(|entry| entry.role == "Reader") {
            let tried = look(nobody, &entry.name, &denied);
            let said = [tried.stdout.as_str(), &tried.stderr].concat();
            assert!(!said.contains("BGCANARY"), "nobody: {nobody} {}: {said}", entry.name);
            let open = if entry.name == "zcat" { "/srv/open/z.gz" } else { "/srv/open/x" };
            let tried = look(nobody, &entry.name, &[open.to_owned()]);
            let shows = matches!(entry.name.as_str(), "cat" | "head" | "tail" | "grep" | "zcat");
            assert_eq!(tried.stdout.contains("BGCANARY"), shows, "{}: {tried:?}", entry.name);
        }
    }
}

/// The list that people read says what the tables say.
#[test]
fn the_commands_with_sockets_to_paths_are_listed_with_their_reasons() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/threat-model.md")).unwrap();
    let section = text.split("## Commands that get sockets to paths\n").nth(1).expect("the list is there");
    let section = section.split("\n## ").next().unwrap();
    let mut listed: Vec<&str> = Vec::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        assert!(cells.len() == 3 && cells.iter().all(|cell| cell.trim().len() > 3), "{row}");
        listed.extend(cells[0].split('`').skip(1).step_by(2));
    }
    listed.sort_unstable();
    let tables = tables();
    let mut have: Vec<&str> = tables.iter().filter(|it| it.sockets).map(|it| it.name.as_str()).collect();
    have.sort_unstable();
    assert_eq!(listed, have);
}
