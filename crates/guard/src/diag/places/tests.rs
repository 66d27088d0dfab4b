//! What may be read and what may not, on real files, links, mounts and devices.

mod built;
mod corpus;
mod race;

use super::{Last, Places, Trouble, mounts};
use crate::diag::policy::DiagPolicy;
use built::{MARKER, in_own_mounts, sh};
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;

/// What a reader of this policy gets of a path.
fn content(policy: &DiagPolicy, path: &Path) -> Result<Vec<u8>, Trouble> {
    seen(&Places::new(policy), path)
}

fn seen(places: &Places<'_>, path: &Path) -> Result<Vec<u8>, Trouble> {
    let opened = places.open(path.as_os_str().as_bytes(), Last::Followed)?;
    let mut bytes = Vec::new();
    places.read(&opened)?.read_to_end(&mut bytes).unwrap();
    Ok(bytes)
}

fn refused(path: &Path) -> bool {
    content(&DiagPolicy::default(), path).is_err_and(|trouble| trouble.rule().is_some())
}

#[test]
fn what_was_opened_decides_and_not_its_name() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    fs::create_dir_all(at("etc/ssl/private")).unwrap();
    fs::create_dir_all(at("log")).unwrap();
    fs::write(at("etc/ssl/private/x"), MARKER).unwrap();
    fs::write(at("log/ok"), "fine").unwrap();
    fs::write(at("log/.env"), MARKER).unwrap();
    fs::write(at("log/locked"), "fine").unwrap();
    symlink("../etc/ssl/private/x", at("log/link")).unwrap();
    symlink("../etc/ssl/private", at("log/directory")).unwrap();
    symlink("ok", at("log/near")).unwrap();
    symlink("loop", at("log/loop")).unwrap();
    symlink("../log/ok", at("etc/ssl/private/out")).unwrap();
    fs::hard_link(at("etc/ssl/private/x"), at("log/hard")).unwrap();
    let policy = DiagPolicy::default();
    for name in ["log/ok", "log/near", "log/../log/ok", "etc/ssl/../../log/ok"] {
        assert_eq!(content(&policy, &at(name)), Ok(b"fine".to_vec()), "{name}");
    }
    for name in [
        "log/link",
        "log/directory/x",
        "log/hard",
        "log/.env",
        "log/loop",
        "etc/ssl/private/x",
        "etc/ssl/private/out",
        "etc/ssl/private/absent",
        "log/directory/../../../log/directory/x",
    ] {
        assert!(refused(&at(name)), "{name}");
    }
    assert_eq!(content(&policy, &at("log/absent")), Err(Trouble::Failed(rustix::io::Errno::NOENT)));
    assert_eq!(content(&policy, Path::new("log/ok")), Err(Trouble::Relative));
    // A denial of the configuration wins over its allowance.
    let locked = at("log/locked").display().to_string();
    let policy = DiagPolicy { denied: vec![locked.clone()], allowed: vec![locked], ..DiagPolicy::default() };
    assert!(content(&policy, &at("log/locked")).is_err());
    assert!(content(&policy, &at("log/ok")).is_ok());
}

#[test]
fn what_is_no_regular_file_is_never_opened_for_reading() {
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    sh(&format!("mkfifo {}", at("fifo").display()));
    // Nobody writes to the FIFO: to open it for reading would wait for ever.
    assert_eq!(content(&DiagPolicy::default(), &at("fifo")), Err(Trouble::Special));
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    assert_eq!(content(&DiagPolicy::default(), &at("socket")), Err(Trouble::Special));
    symlink("/dev/zero", at("zero")).unwrap();
    assert!(refused(&at("zero")));
}

#[test]
fn of_the_kernels_file_systems_only_what_is_listed() {
    let own = format!("/proc/{}/status", std::process::id());
    for path in ["/proc/loadavg", "/proc/version", "/proc/self/status", own.as_str()] {
        assert!(content(&DiagPolicy::default(), Path::new(path)).is_ok(), "{path}");
    }
    for path in [
        "/proc/self/environ",
        "/proc/self/root/etc/hostname",
        "/proc/self/cwd",
        "/proc/self/fd/1",
        "/dev/fd/1",
        "/dev/stdin",
        "/proc/self/exe",
        "/proc/thread-self/root/etc/hostname",
        "/proc/1/mountinfo",
    ] {
        assert!(refused(Path::new(path)), "{path}");
    }
}

#[test]
fn a_file_that_has_lost_its_name_is_not_read() {
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("file");
    fs::write(&path, "x").unwrap();
    let policy = DiagPolicy::default();
    let places = Places::new(&policy);
    let opened = places.open(path.as_os_str().as_bytes(), Last::Followed).unwrap();
    // Neither what was opened nor what its name means by now: the one has no name any more, the other was not judged.
    fs::write(scratch.path().join("other"), MARKER).unwrap();
    fs::rename(scratch.path().join("other"), &path).unwrap();
    let read = places.read(&opened).map(|mut file| std::io::read_to_string(&mut file).unwrap());
    assert_eq!(read, Err(Trouble::Denied("it changed while it was opened")));
    // A name that only looks as if it were gone is refused too: the two cannot be told apart.
    let odd = scratch.path().join("odd (deleted)");
    fs::write(&odd, "x").unwrap();
    assert!(refused(&odd));
}

#[test]
fn the_mount_table_gives_every_name() {
    let table = b"20 1 8:1 / / rw - ext4 /dev/sda1 rw\n\
        30 20 8:1 /etc /mnt/b rw - ext4 /dev/sda1 rw\n\
        31 20 8:1 /srv/with\\040blank /mnt/blank rw shared:1 - ext4 /dev/sda1 rw\n\
        32 20 0:40 /@persist/n8n /srv/flows rw - btrfs /dev/sdb rw\n\
        33 20 0:41 / /merged rw - overlay overlay rw,lowerdir=/low/a:/low/b,upperdir=/up,workdir=/work\n\
        34 20 8:1 /gone//deleted /mnt/gone rw - ext4 /dev/sda1 rw\n";
    for (path, mount, expected) in [
        ("/etc/hosts", 20, Some("/etc/hosts /mnt/b/hosts")),
        ("/mnt/b/shadow", 30, Some("/mnt/b/shadow /etc/shadow")),
        ("/mnt/b", 30, Some("/mnt/b /etc")),
        ("/mnt/blank/x", 31, Some("/mnt/blank/x /srv/with blank/x")),
        ("/srv/flows/config", 32, Some("/srv/flows/config /@persist/n8n/config")),
        (
            "/merged/etc/shadow",
            33,
            Some("/merged/etc/shadow /low/a/etc/shadow /low/b/etc/shadow /up/etc/shadow"),
        ),
        ("/mnt/gone/x", 34, None),
        // A mount that is no longer attached, and a path that its mount does not explain.
        ("/shadow", 99, None),
        ("/mnt/bound/shadow", 30, None),
    ] {
        let names = mounts::names_in(table, path.as_bytes(), mount);
        let names = names.map(|names| {
            names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>().join(" ")
        });
        assert_eq!(names.as_deref(), expected, "{path}");
    }
}

#[test]
fn bind_mounts_and_overlays_hide_nothing() {
    if !in_own_mounts("diag::places::tests::bind_mounts_and_overlays_hide_nothing", false) {
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let at = |name: &str| scratch.path().join(name);
    sh(&format!("mount -t tmpfs none {}", scratch.path().display()));
    fs::create_dir_all(at("etc/ssl/private/deep")).unwrap();
    for name in ["alias", "deep", "open", "merged", "work", "upper", "alias-of-alias"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("etc/ssl/private/x"), MARKER).unwrap();
    fs::write(at("etc/ssl/private/deep/x"), MARKER).unwrap();
    fs::write(at("open/ok"), "fine").unwrap();
    fs::write(at("file"), "").unwrap();
    let path = scratch.path().display();
    sh(&format!(
        "cd {path} && mount --bind etc/ssl/private alias && mount --bind etc/ssl/private/deep deep && mount --bind alias/deep alias-of-alias \
         && mount --bind etc/ssl/private/x file"
    ));
    for name in ["alias/x", "deep/x", "file", "alias-of-alias/x"] {
        assert!(refused(&at(name)), "{name}");
    }
    sh(&format!("cd {path} && mount --bind open alias"));
    assert_eq!(content(&DiagPolicy::default(), &at("alias/ok")), Ok(b"fine".to_vec()));
    // Not every kernel and file system can be a layer; where it can, the layer is another name.
    let overlay = format!(
        "cd {path} && mount -t overlay none -o lowerdir={path}/etc/ssl/private,upperdir={path}/upper,workdir={path}/work merged"
    );
    if std::process::Command::new("sh").args(["-c", &overlay]).status().unwrap().success() {
        assert_eq!(fs::read_to_string(at("merged/x")).unwrap(), MARKER);
        assert!(refused(&at("merged/x")));
    } else {
        eprintln!("SKIPPED in part: no overlay here");
    }
    sh(&format!("umount -R {path}"));
}
