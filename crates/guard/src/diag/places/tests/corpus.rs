//! The rows of the corpus that are about files, against fixtures that are really built, below a root of their own.

use super::built::{MARKER, in_own_mounts, sh};
use crate::diag::native::tests::{command_line, read};
use crate::diag::policy::DiagPolicy;
use std::fs;
use std::path::Path;

fn parents(path: &str) {
    if let Some(parent) = Path::new(path).parent() {
        // Where a link stands for a directory that is not there, there is nothing to build in.
        let _ = fs::create_dir_all(parent);
    }
}

fn secret(path: &str) {
    parents(path);
    let _ = fs::write(path, MARKER);
}

fn build(precondition: &str) {
    let Some((kind, what)) = precondition.split_once(':') else { return };
    let pair = what.split_once("=>");
    match (kind, pair) {
        ("file", _) => {
            let (path, text) = what.split_once('=').unwrap();
            parents(path);
            fs::write(path, text).unwrap();
        }
        ("symlink", Some((link, target))) => {
            parents(link);
            let _ = fs::remove_file(link);
            let _ = std::os::unix::fs::symlink(target, link);
        }
        ("hardlink", Some((name, target))) => {
            secret(target);
            parents(name);
            let _ = fs::remove_file(name);
            fs::hard_link(target, name).unwrap();
        }
        ("bind", Some((place, source))) => {
            fs::create_dir_all(place).unwrap();
            fs::create_dir_all(source).unwrap();
            for name in ["shadow", "config"] {
                secret(&format!("{source}/{name}"));
            }
            sh(&format!("mount --bind {source} {place}"));
        }
        ("fifo", _) => {
            parents(what);
            sh(&format!("mkfifo {what}"));
        }
        _ => {}
    }
}

#[test]
fn the_corpus_discloses_nothing() {
    if !in_own_mounts("diag::places::tests::corpus::the_corpus_discloses_nothing", false) {
        return;
    }
    // A directory that every host has, hidden in this namespace alone: nothing is left behind in it.
    let root = "/mnt";
    sh(&format!(
        "mount -t tmpfs none {root}; cd {root}; mkdir -p usr proc sys dev tmp etc var/log; \
         mount --rbind /usr usr; mount --rbind /proc proc; mount --rbind /sys sys; mount --rbind /dev dev; \
         for d in bin lib lib64 sbin; do [ ! -e usr/$d ] || ln -s usr/$d $d; done; cp /etc/passwd /etc/group etc/"
    ));
    std::os::unix::fs::chroot(root).unwrap();
    std::env::set_current_dir("/").unwrap();
    secret("/etc/shadow");
    let (mut leaks, mut answered, mut seen) = (Vec::new(), Vec::new(), 0);
    for row in include_str!("rows.tsv").lines() {
        let fields: Vec<&str> = row.split('\t').collect();
        let [id, command, preconditions, expect] = fields[..] else { panic!("{row}") };
        let command = command.replace("\\\\", "\\");
        for operand in command_line::parsed(&command).operands {
            let built =
                preconditions.is_empty() && command.starts_with("cat ") && !operand.text.contains("..");
            let kernels = ["/proc", "/sys", "/dev"].iter().any(|place| operand.text.starts_with(place));
            if built && !kernels && operand.text.starts_with('/') && !Path::new(&operand.text).exists() {
                secret(&operand.text);
            }
        }
        match id {
            "D1430" => fs::File::create("/var/log/huge.log").unwrap().set_len(1 << 40).unwrap(),
            "D1438" => {
                parents("/var/log/esc/x");
                fs::write("/var/log/esc/\u{1b}[31m\nx", "").unwrap();
            }
            _ => {}
        }
        preconditions.split(" && ").for_each(build);
        let (output, said, code) = read(&command, &DiagPolicy::default());
        seen += 1;
        let all = [output.as_slice(), said.join("\n").as_bytes()].concat();
        if all.windows(MARKER.len()).any(|part| part == MARKER.as_bytes()) || output.contains(&0x1b) {
            leaks.push(format!("{id} {command}: {}", String::from_utf8_lossy(&all)));
        }
        if expect.ends_with("refuse") && (code == 0 || !output.is_empty()) {
            answered.push(format!("{id} {command}: {code} {}", String::from_utf8_lossy(&output)));
        }
    }
    assert!(seen > 100);
    assert!(leaks.is_empty(), "disclosed:\n{}", leaks.join("\n"));
    assert!(answered.is_empty(), "answered:\n{}", answered.join("\n"));
    // The oracle itself works: the secrets are there, and an unchecked reader gets them.
    for path in ["/etc/shadow", "/mnt/b/shadow", "/var/log/h.log", "/host/etc/shadow", "/srv/app/.env"] {
        assert!(fs::read_to_string(path).unwrap().contains(MARKER), "{path}");
    }
    for (allowed, text) in [("cat /etc/passwd", "root"), ("cat /usr/bin/env", ""), ("cat /proc/loadavg", ".")]
    {
        let (output, said, code) = read(allowed, &DiagPolicy::default());
        assert!(code == 0 && String::from_utf8_lossy(&output).contains(text), "{allowed}: {code} {said:?}");
    }
}
