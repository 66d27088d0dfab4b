//! Something is swapped under the reader, over and over: what the name means when it is opened and what it means when it
//! is judged are then rarely the same.

use super::built::{MARKER, in_own_mounts, sh};
use super::seen;
use crate::diag::places::{Places, Trouble};
use crate::diag::policy::DiagPolicy;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ORDINARY: u32 = 2_000;
const FULL: u32 = 100_000;

/// The secret below `etc/ssl/private`, what is public below `open`, and what is swapped for one another.
struct Ground {
    root: PathBuf,
}

impl Ground {
    fn new(root: &Path) -> Self {
        for directory in ["etc/ssl/private", "open", "swap"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("etc/ssl/private/f"), MARKER).unwrap();
        fs::write(root.join("open/f"), "public").unwrap();
        Self { root: root.to_owned() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

/// Reads `path` so many times while `swap` goes on, and counts what was seen.
fn race(path: &Path, reads: u32, swap: impl Fn() + Send + 'static) {
    let stop = Arc::new(AtomicBool::new(false));
    let swapping = {
        let stop = Arc::clone(&stop);
        std::thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                swap();
            }
        })
    };
    let policy = DiagPolicy::default();
    let places = Places::new(&policy);
    let begun = Instant::now();
    let (mut done, mut public, mut secret, mut leaked) = (0u32, 0u32, 0u32, 0u32);
    let mut disclosed = Vec::new();
    // On a machine under load the other side may get no time for a while: then more than asked for are read.
    while done < reads
        || ((public < done / 100 || secret < done / 100 || leaked == 0)
            && begun.elapsed() < Duration::from_secs(120))
    {
        done += 1;
        match seen(&places, path) {
            Ok(bytes) if bytes == b"public" => public += 1,
            Ok(bytes) if bytes.is_empty() => {}
            Ok(bytes) => disclosed.push(String::from_utf8_lossy(&bytes).into_owned()),
            Err(Trouble::Denied(why)) if !(why.contains("cannot be told") || why.contains("changed")) => {
                secret += 1
            }
            Err(Trouble::SeveralNames) => secret += 1,
            Err(_) => {}
        }
        // The control: the same path, at the same time, without a check.
        leaked += u32::from(fs::read(path).is_ok_and(|bytes| bytes == MARKER.as_bytes()));
    }
    stop.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    eprintln!("{done} reads: {public} public, {secret} refused as secret, control leaked {leaked}");
    assert!(disclosed.is_empty(), "disclosed {} times: {:?}", disclosed.len(), disclosed.first());
    assert!(leaked > 0, "the control did not leak: nothing was shown");
    assert!(public >= done / 100 && secret >= done / 100, "one side was hardly opened");
}

fn symbolic_link(reads: u32) {
    let scratch = tempfile::tempdir().unwrap();
    let ground = Ground::new(scratch.path());
    std::os::unix::fs::symlink("../open/f", ground.at("swap/f")).unwrap();
    std::os::unix::fs::symlink("../etc/ssl/private/f", ground.at("swap/other")).unwrap();
    let (a, b) = (ground.at("swap/f"), ground.at("swap/other"));
    race(&ground.at("swap/f"), reads, move || {
        renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
    });
}

fn directory(reads: u32) {
    let scratch = tempfile::tempdir().unwrap();
    let ground = Ground::new(scratch.path());
    fs::create_dir(ground.at("swap/d")).unwrap();
    fs::write(ground.at("swap/d/f"), "public").unwrap();
    std::os::unix::fs::symlink("../etc/ssl/private", ground.at("swap/other")).unwrap();
    let (a, b) = (ground.at("swap/d"), ground.at("swap/other"));
    race(&ground.at("swap/d/f"), reads, move || {
        renameat_with(CWD, &a, CWD, &b, RenameFlags::EXCHANGE).unwrap();
    });
}

fn hard_link(reads: u32) {
    let scratch = tempfile::tempdir().unwrap();
    let ground = Ground::new(scratch.path());
    let (name, new, secret) = (ground.at("swap/f"), ground.at("swap/new"), ground.at("etc/ssl/private/f"));
    fs::write(&name, "public").unwrap();
    // Now and then each side stands long enough to be read whole; else they are swapped as fast as it goes.
    let pause = move |turn: usize| {
        if turn.is_multiple_of(8) {
            std::thread::sleep(Duration::from_micros(200));
        }
    };
    let turns = std::sync::atomic::AtomicUsize::new(0);
    race(&ground.at("swap/f"), reads, move || {
        let turn = turns.fetch_add(1, Ordering::Relaxed);
        fs::hard_link(&secret, &new).unwrap();
        fs::rename(&new, &name).unwrap();
        pause(turn);
        fs::write(&new, "public").unwrap();
        fs::rename(&new, &name).unwrap();
        pause(turn);
    });
}

/// Swapped by another process, which mounts and unmounts until its standing file is gone.
fn bind_mount(reads: u32) {
    let scratch = tempfile::tempdir().unwrap();
    sh(&format!("mount -t tmpfs none {}", scratch.path().display()));
    let ground = Ground::new(scratch.path());
    fs::write(ground.at("go"), "").unwrap();
    let loop_of_mounts = "while [ -e go ]; do mount --bind etc/ssl/private swap; umount -l swap; mount --bind open swap; \
         mount --bind etc/ssl/private swap; umount -l swap; umount -l swap; done";
    let mut swapping =
        Command::new("/bin/sh").args(["-c", loop_of_mounts]).current_dir(&ground.root).spawn().unwrap();
    race(&ground.at("swap/f"), reads, || std::thread::sleep(Duration::from_millis(1)));
    fs::remove_file(ground.at("go")).unwrap();
    swapping.wait().unwrap();
    sh(&format!("umount -R -l {}", scratch.path().display()));
}

#[test]
fn a_swapped_symbolic_link_discloses_nothing() {
    symbolic_link(ORDINARY);
}

#[test]
fn a_swapped_directory_discloses_nothing() {
    directory(ORDINARY);
}

#[test]
fn a_swapped_hard_link_discloses_nothing() {
    hard_link(ORDINARY);
}

#[test]
fn a_swapped_bind_mount_discloses_nothing() {
    if in_own_mounts("diag::places::tests::race::a_swapped_bind_mount_discloses_nothing", false) {
        bind_mount(ORDINARY);
    }
}

#[test]
#[ignore = "100,000 reads of each kind take minutes: runs in `cargo xtask test --full`"]
fn swaps_disclose_nothing_in_the_long_run() {
    if in_own_mounts("diag::places::tests::race::swaps_disclose_nothing_in_the_long_run", true) {
        symbolic_link(FULL);
        directory(FULL);
        hard_link(FULL);
        bind_mount(FULL);
    }
}
