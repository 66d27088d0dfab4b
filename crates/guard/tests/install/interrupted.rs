//! kill -9 at every step: sshd's configuration stays sound, and install again or uninstall resolves the rest.

use super::host::{Host, INSTALLED, difference};
use super::stepping::{Ended, run_until};

/// Kills the command before one call after another, about `moments` of them, and lets `after` look each time.
fn at_moments(
    host: &Host,
    words: &[&str],
    moments: usize,
    mut before: impl FnMut(&Host),
    mut after: impl FnMut(&Host, usize),
) {
    before(host);
    let mut command = host.inside(words);
    let whole = run_until(
        {
            quiet(&mut command);
            command
        },
        usize::MAX,
    );
    let Ended::Finished { code: 0, calls } = whole else { panic!("{words:?}: {whole:?}") };
    assert!(calls > 10, "only {calls} calls were seen");
    after(host, 0);
    let step = calls.div_ceil(moments).max(1);
    for number in (1..=calls).step_by(step) {
        before(host);
        let mut command = host.inside(words);
        quiet(&mut command);
        let ended = run_until(command, number);
        // How many calls it makes differs by a few from run to run: at the very end it may be done before.
        let done_before =
            matches!(ended, Ended::Finished { code: 0, calls: made } if made < number && made + 20 > calls);
        assert!(ended == Ended::Killed || done_before, "moment {number} of {calls}: {ended:?}");
        if let Err(error) = host.sshd_is_sound() {
            panic!("killed at {number} of {calls}, sshd would not start: {error}");
        }
        after(host, number);
    }
}

fn quiet(command: &mut std::process::Command) {
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
}

fn install_killed(moments: usize) {
    let host = Host::new();
    let clean = host.tree();
    let key = host.key();
    let words = [&host.guard(), "install", "diag", "--key", &key];
    at_moments(
        &host,
        &words,
        moments,
        |_| {},
        |host, number| {
            if number % 2 == 0 {
                host.installed(&[]);
                let check = host.ask(&[INSTALLED, "check"]);
                assert!(check.code == 0, "after {number}: {}", check.out);
            }
            host.uninstalled();
            assert_eq!(difference(&clean, &host.tree()), [""; 0], "killed at {number}");
        },
    );
}

fn uninstall_killed(moments: usize) {
    let host = Host::new();
    let clean = host.tree();
    let words = [&host.guard(), "uninstall", "diag"];
    let prepare = |host: &Host| {
        host.installed(&[]);
    };
    at_moments(&host, &words, moments, prepare, |host, number| {
        host.uninstalled();
        assert_eq!(difference(&clean, &host.tree()), [""; 0], "killed at {number}");
    });
}

#[test]
fn install_killed_at_twenty_moments_leaves_a_host_that_is_sound_and_can_be_resolved() {
    install_killed(20);
}

#[test]
fn uninstall_killed_at_six_moments_is_finished_by_the_next() {
    uninstall_killed(6);
}

#[test]
#[ignore = "a minute or two: runs in `cargo xtask test --full`"]
fn killed_at_every_single_moment() {
    install_killed(usize::MAX);
    uninstall_killed(usize::MAX);
}
