//! Landlock: which files a shut-in process reaches, and which one port.
//!
//! What is granted is what any program needs, its own home, and nothing of `/etc`, `/var`, `/root`, `/home`, `/run` or `/proc`
//! where keys, state and other processes are. A door that is opened later is not reached either: only what is listed is.

use super::Enclosure;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, NetPort, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
    RulesetCreated, RulesetCreatedAttr as _, RulesetStatus, Scope,
};
use std::path::{Path, PathBuf};

/// Programs and libraries.
const PROGRAMS: [&str; 7] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/nix/store"];
/// Single files that programs look into at their start. No directory: a key may lie in any directory of `/etc`.
const READ: [&str; 18] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/localtime",
    "/etc/os-release",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/version",
    "/proc/sys/vm/overcommit_memory",
];
/// What a kernel has to know for each wall: files, the port, connecting to sockets by their path.
const NEWEST: ABI = ABI::V9;
const PORTS: ABI = ABI::V4;
const SCOPES: ABI = ABI::V6;

/// What this kernel can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Walls {
    /// Files.
    pub(crate) files: bool,
    /// TCP ports.
    pub(crate) ports: bool,
    /// Connecting to a Unix socket by its path.
    pub(crate) sockets: bool,
}

/// Asks the kernel. A rule that it does not know is dropped silently otherwise, so it is demanded here, one by one.
pub(crate) fn walls() -> Walls {
    use landlock::{CompatLevel, Compatible as _};
    let strict = || Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let files = |abi| strict().handle_access(AccessFs::from_all(abi)).and_then(Ruleset::create).is_ok();
    Walls {
        files: files(ABI::V1),
        ports: strict().handle_access(AccessNet::from_all(PORTS)).and_then(Ruleset::create).is_ok(),
        sockets: files(NEWEST),
    }
}

/// Whether something that has to stay out of reach lies where every shut-in process may look, or in what it is granted.
pub(crate) fn covers(granted: &[PathBuf], secret: &Path) -> Option<PathBuf> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let secret = real(secret);
    let system = PROGRAMS.iter().map(PathBuf::from);
    system.chain(granted.iter().cloned()).find(|open| secret.starts_with(real(open)))
}

/// Applies it to this process for good; says what holds.
pub(super) fn shut(spec: &Enclosure) -> Result<String, String> {
    let landlock = |error: landlock::RulesetError| format!("files cannot be given up (Landlock): {error}");
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(PORTS)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(SCOPES)))
        .and_then(Ruleset::create)
        .map_err(landlock)?;
    let run = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Execute;
    let own = AccessFs::from_all(NEWEST) & !AccessFs::Execute;
    let mut rules = ruleset;
    for path in PROGRAMS.iter().map(Path::new).chain(spec.read.iter().map(PathBuf::as_path)) {
        rules = grant(rules, path, run)?;
    }
    rules = grant(rules, &spec.program, run)?;
    for path in READ {
        rules = grant(rules, Path::new(path), AccessFs::ReadFile.into())?;
    }
    // Its own entry stays the same one when it becomes the program.
    rules =
        grant(rules, &PathBuf::from(format!("/proc/{}", std::process::id())), AccessFs::from_read(ABI::V1))?;
    rules = grant(rules, Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile)?;
    rules = grant(rules, &spec.home, own)?;
    let status = rules
        .add_rule(NetPort::new(spec.port, AccessNet::ConnectTcp))
        .and_then(RulesetCreated::restrict_self)
        .map_err(landlock)?;
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err("this kernel has no Landlock, without which no agent is started".to_owned());
    }
    let walls = walls_said(walls(), spec.user);
    Ok(walls)
}

/// In words, for the page.
fn walls_said(walls: Walls, user: Option<(u32, u32)>) -> String {
    let who = user.map_or("the server's user".to_owned(), |(uid, _)| format!("user {uid}"));
    let port = if walls.ports { "one TCP port" } else { "any TCP port (this kernel cannot limit it)" };
    let sockets = if walls.sockets { ", its own socket alone" } else { "" };
    format!(
        "{who}; Landlock: its own files, {port}{sockets}; seccomp: no tracing, mounting, datagrams or new groups"
    )
}

/// Grants what exists; what does not exist needs no granting.
fn grant(rules: RulesetCreated, path: &Path, what: BitFlags<AccessFs>) -> Result<RulesetCreated, String> {
    let Ok(fd) = PathFd::new(path) else { return Ok(rules) };
    let what = if path.is_dir() { what } else { what & AccessFs::from_file(NEWEST) };
    rules
        .add_rule(PathBeneath::new(fd, what))
        .map_err(|error| format!("{} cannot be granted (Landlock): {error}", path.display()))
}
