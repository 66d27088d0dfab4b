//! A kernel without Landlock: the guard's own parent hides it by a seccomp filter, so that the very call fails.

use super::support::{Ground, Tried, Who};

fn hidden(ground: &Ground, options: &[&str], words: &[&str]) -> Tried {
    let mut command = ground.who.command(&ground.guard());
    command.args(["without-landlock", "behind-walls"]).args(options).arg("attack").arg(ground.attack());
    let tried = Tried::from(command.args(words).output().unwrap());
    assert!(tried.stderr.contains("Landlock is hidden"), "{tried:?}");
    tried
}

#[test]
fn nothing_is_started_unless_the_configuration_goes_without() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let victim = ground.victim();
        let tried = hidden(&ground, &[], &["read", victim.to_str().unwrap()]);
        assert_eq!(tried.code, 70);
        assert!(tried.stderr.contains("no Landlock") && tried.stdout.is_empty(), "{tried:?}");
    }
}

#[test]
fn seccomp_alone_still_lets_nothing_be_written_and_hides_nothing() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let (victim, other) = (ground.victim(), ground.path("other"));
        let (victim, other) = (victim.to_str().unwrap(), other.to_str().unwrap());
        for attack in [
            "write",
            "append",
            "write-both",
            "create",
            "truncate-open",
            "truncate",
            "tmpfile",
            "unlink",
            "rename",
            "link",
            "symlink",
            "mkdir",
            "mkfifo",
            "chmod",
            "chown",
            "utimes",
            "connect",
        ] {
            let before = ground.picture();
            let tried = hidden(&ground, &["--without-landlock"], &[attack, victim, other]);
            assert_ne!(tried.code, 0, "{who:?} {attack}: {tried:?}");
            assert_eq!(ground.picture(), before, "{who:?} {attack}");
        }
        // The honest half: no tree is hidden then, but for what the account may not read anyway.
        assert_eq!(hidden(&ground, &["--without-landlock"], &["read", victim]).code, 0);
    }
}
