//! `install diag`: puts the read-only door on this host in one command; `uninstall diag` leaves nothing of it.
//!
//! Everything that can be wrong is looked at first, while nothing is changed. Then each step is written down before it
//! is taken (`steps`), files go into their places whole, and sshd's part comes last, checked by sshd before it is
//! there: wherever this is interrupted, sshd's configuration is sound, and install again or uninstall resolves the rest.

pub(crate) mod account;
mod broker;
mod config;
mod files;
pub(crate) mod keys;
mod order;
pub(crate) mod places;
pub(crate) mod programs;
mod remove;
pub(crate) mod sshd;
mod steps;

use crate::policy::{self, Policy};
use crate::{check, report};
use breakglass_protocol::exit;
use files::{ROOT, said};
use keys::Key;
use rustix::fs::Access;
use std::fs;
use std::path::Path;
use steps::{Step, Steps};

pub(crate) use order::{Order, parse};

/// Carries out the order; the result is the exit code.
pub(crate) fn run(order: &Order) -> u8 {
    let done = if order.undo { remove::uninstall(order) } else { install(order) };
    match done {
        Ok(text) => {
            report::say(text.trim_end());
            exit::DONE
        }
        Err(reason) => {
            report::warn(&reason);
            exit::BAD_CONFIGURATION
        }
    }
}

/// The account of the door that install has put on this host.
pub(crate) fn installed_user() -> Option<String> {
    Steps::read().ok()?.user().map(str::to_owned)
}

/// What is taken along into an image's root.
struct Luggage {
    keys: Vec<Key>,
    guard: Vec<u8>,
}

fn install(order: &Order) -> Result<String, String> {
    let luggage = pack(order)?;
    enter(order)?;
    let mut steps = Steps::read()?;
    let has_diag = look_first(order, &steps)?;
    let mut told: Vec<String> = Vec::new();

    let of_steps = Path::new(places::STEPS).parent().and_then(Path::to_str).unwrap_or_default();
    files::directory(&mut steps, of_steps, 0o700, ROOT)?;
    put_guard(&mut steps, &luggage.guard)?;
    files::directory(&mut steps, places::HOME, 0o555, ROOT)?;
    let account = account::make(&order.user, &mut steps)?;
    put_record(&mut steps, &account)?;
    files::passage(&mut steps, "/etc/breakglass")?;
    config::write(&mut steps, has_diag, order.with_broker)?;
    if order.with_broker {
        told.extend(broker::install(&mut steps, &order.user, order.root.is_some())?);
    }
    put_keys(order, &mut steps, &luggage.keys)?;
    sshd::put_in_place(&order.user, &mut steps)?;
    relabel();
    if order.root.is_none() {
        told.extend(sshd::reload().err());
    }
    if has_diag && order.with_broker && !has_broker() {
        told.push(format!("{}: put `broker = \"{}\"` under [diag]", places::CONFIG, places::BROKER_SOCKET));
    }
    Ok(farewell(order, &luggage.keys, &told))
}

/// Reads what lies outside of an image's root.
fn pack(order: &Order) -> Result<Luggage, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can install the door: run it with sudo".to_owned());
    }
    let name = order.key.display().to_string();
    let text = fs::read(&order.key).map_err(|error| said(&order.key, error))?;
    let text = String::from_utf8(text).map_err(|_| format!("{name}: is no text"))?;
    let keys = keys::read(&text, &name, order.label.as_deref())?;
    let guard =
        fs::read("/proc/self/exe").map_err(|error| format!("the guard cannot read itself: {error}"))?;
    Ok(Luggage { keys, guard })
}

/// Makes an image's root the root of all that follows, its own tools included.
fn enter(order: &Order) -> Result<(), String> {
    let Some(root) = &order.root else { return Ok(()) };
    rustix::process::chroot(root).map_err(|error| said(root, error))?;
    std::env::set_current_dir("/").map_err(|error| said(root, error))
}

/// Looks at everything that can be in the way, and changes nothing; gives whether the configuration has the door.
fn look_first(order: &Order, steps: &Steps) -> Result<bool, String> {
    if Path::new("/etc/NIXOS").exists() {
        return Err(
            "this is NixOS, which is configured as a whole: use the module deploy/nixos/breakglass-guard.nix"
                .into(),
        );
    }
    for directory in ["/etc", "/etc/ssh", "/usr/local/lib", "/var/lib", "/var/log"] {
        match rustix::fs::access(directory, Access::WRITE_OK) {
            Err(rustix::io::Errno::ROFS) => {
                return Err(format!(
                    "{directory} is read-only on this host: put the door into its image with --root DIR, or see deploy/"
                ));
            }
            Err(rustix::io::Errno::NOENT) | Ok(()) => {}
            Err(error) => return Err(format!("{directory}: {error}")),
        }
    }
    if let Some(user) = steps.user().filter(|user| *user != order.user) {
        return Err(format!(
            "the door is on this host already, with the account `{user}`; `uninstall diag` first"
        ));
    }
    for path in
        [places::DROP_IN, places::GUARD, &places::keys_of(&order.user), places::TMPFILES, places::LIMITS]
    {
        if fs::symlink_metadata(path).is_ok() && !steps.has_made(path) {
            return Err(format!("{path} is there and install did not make it: move it away first"));
        }
        policy::trusted_directories(Path::new(path))?;
    }
    sshd::is_ready()?;
    account::can_be(&order.user, steps)?;
    match config::present()? {
        None => Ok(false),
        Some(_) => Policy::has_diag(Path::new(places::CONFIG)),
    }
}

fn put_guard(steps: &mut Steps, guard: &[u8]) -> Result<(), String> {
    let directory = Path::new(places::GUARD).parent().and_then(Path::to_str).unwrap_or_default();
    files::directory(steps, directory, 0o755, ROOT)?;
    files::file(steps, places::GUARD, guard, 0o755)
}

/// What the account writes to: its record, which nobody else's directory rights let it replace, and its state.
fn put_record(steps: &mut Steps, account: &account::Account) -> Result<(), String> {
    let own = (account.uid, account.gid);
    let user = &account.name;
    files::passage(steps, places::RECORD)?;
    let record = places::record_of(user);
    steps.note(Step::Record(record.clone()))?;
    let place = Path::new(&record);
    match fs::symlink_metadata(place) {
        Ok(have) if have.is_file() => files::own(place, 0o600, own)?,
        Ok(_) => return Err(said(place, "is there and is no file")),
        Err(_) => files::replace(place, b"", 0o600, own)?,
    }
    files::passage(steps, places::STATE)?;
    let mut tmpfiles = format!(
        "# The read-only door of breakglass: ring and limits, made again after each boot.\nd {} 0711 root root -\n",
        places::STATE
    );
    for (above, state) in places::states_of(user) {
        files::passage(steps, &above)?;
        steps.note(Step::Tree(state.clone()))?;
        files::directory(steps, &state, 0o700, own)?;
        tmpfiles.push_str(&format!("d {above} 0711 root root -\nd {state} 0700 {user} {user} -\n"));
    }
    if Path::new("/etc/tmpfiles.d").is_dir() {
        files::file(steps, places::TMPFILES, tmpfiles.as_bytes(), 0o644)?;
    }
    if Path::new("/etc/security/limits.d").is_dir() {
        let text = format!(
            "# The read-only door of breakglass: the guard bounds each request; this bounds all of them.\n\
             {user} hard nproc 256\n{user} hard core 0\n"
        );
        files::file(steps, places::LIMITS, text.as_bytes(), 0o644)?;
    }
    Ok(())
}

/// sshd reads the file as the account, so everybody may read it; only root may write.
fn put_keys(order: &Order, steps: &mut Steps, keys: &[Key]) -> Result<(), String> {
    let path = places::keys_of(&order.user);
    files::directory(steps, places::KEYS, 0o755, ROOT)?;
    let have = fs::read_to_string(&path).unwrap_or_default();
    files::file(steps, &path, keys::merge(&have, keys, order.from.as_deref()).as_bytes(), 0o644)
}

fn has_broker() -> bool {
    Policy::for_diag(Path::new(places::CONFIG)).is_ok_and(|(_, diag)| diag.broker.is_some())
}

/// Where SELinux is on, new files get the labels that the host's rules have for their places.
fn relabel() {
    if Path::new("/sys/fs/selinux/enforce").exists() {
        let own = [
            "/usr/local/lib/breakglass",
            "/etc/breakglass",
            "/etc/ssh",
            "/var/lib/breakglass",
            places::RECORD,
        ];
        let _ = programs::run("restorecon", &[&["-R"], &own[..]].concat());
    }
}

/// What root does next: the client's side, what is still to do, and how to undo it.
fn farewell(order: &Order, keys: &[Key], told: &[String]) -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    let name = if name.is_empty() || order.root.is_some() { "HOST" } else { name };
    let labels: Vec<&str> = keys.iter().map(|key| key.label.as_str()).collect();
    let identity = order.key.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let user = &order.user;
    let mut text = format!(
        "The read-only door is open on this host, for: {}.\n\n\
         On the client, in ~/.ssh/config:\n\n\
         Host {name}-diag\n    HostName {name}\n    User {user}\n    IdentityFile ~/.ssh/{identity}\n    \
         IdentitiesOnly yes\n    PreferredAuthentications publickey\n    ForwardAgent no\n    ForwardX11 no\n    \
         ClearAllForwardings yes\n    PermitLocalCommand no\n    RequestTTY no\n    SendEnv -*\n    ControlMaster auto\n    ControlPath ~/.ssh/%C\n    \
         ControlPersist 60\n\n\
         and then: ssh {name}-diag 'systemctl --failed'\n\n",
        labels.join(", ")
    );
    for line in told {
        text.push_str(&format!("Still to do: {line}\n"));
    }
    let findings = check::all(Path::new(places::CONFIG), user);
    text.push_str(&check::render(&findings, check::Shown::Faults));
    text.push_str(&format!("To undo it: {} uninstall diag", places::GUARD));
    text
}
