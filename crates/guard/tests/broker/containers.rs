//! Containers, the firewall, disks and hypervisors, as an account without rights asks.

use super::engine::Engine;
use super::house::House;
use std::fs;

#[test]
fn containers_are_listed_as_docker_lists_them() {
    let Some(house) = House::new() else { return };
    let engine = Engine::new(&house.stage, "/run/docker.sock");
    let answer = house.ask("docker ps -a");
    assert_eq!(answer.code, 0, "{} {}", answer.stderr, house.log.lock().unwrap());
    let lines: Vec<&str> = answer.stdout.lines().collect();
    assert!(
        lines[0].starts_with("CONTAINER ID   IMAGE ") && lines[0].ends_with("NAMES"),
        "{}",
        answer.stdout
    );
    for word in ["0123456789ab ", "n8nio/n8n:1.2", "Up 3 hours", "0.0.0.0:80->5678/tcp", "n8n"] {
        assert!(lines[1].contains(word), "{word}: {}", lines[1]);
    }
    assert_eq!(engine.last(), "GET /v1.41/containers/json?all=1&size=0");
    let answer = house.ask("docker ps --format '{{.Names}} {{.Status}}' --filter status=exited");
    assert_eq!(answer.stdout, "n8n Up 3 hours\ndb Exited (0) 2 days ago\n");
    assert!(engine.last().contains("filters=%7B%22status%22%3A%5B%22exited%22%5D%7D"), "{}", engine.last());
    assert_eq!(house.ask("docker ps -q").stdout, "0123456789ab\nfedcba987654\n");
    assert_eq!(house.ask("docker ps | grep -c n8n").stdout, "1\n");
    let whole = house.ask("docker ps --no-trunc");
    assert!(
        whole.stdout.contains("0123456789abcdef0123") && !whole.stdout.contains("BGCANARY"),
        "{}",
        whole.stdout
    );
}

#[test]
fn a_containers_log_description_and_load_are_shown_without_its_secrets() {
    let Some(house) = House::new() else { return };
    let engine = Engine::new(&house.stage, "/run/docker.sock");
    let answer = house.ask("docker logs --since 30m --tail 50 n8n");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(
        answer.stdout.starts_with("first line\n") && answer.stdout.ends_with("last line\n"),
        "{}",
        answer.stdout
    );
    assert!(answer.stderr.contains("to the error output"), "{}", answer.stderr);
    assert!(
        engine.last().contains("&tail=50&timestamps=0") && engine.last().contains("&since="),
        "{}",
        engine.last()
    );
    assert!(house.ask("docker logs n8n --tail 5 2>&1").stdout.contains("to the error output"));
    let about = house.ask("docker inspect n8n");
    assert_eq!(about.code, 0, "{}", about.stderr);
    let document: serde_json::Value = serde_json::from_str(&about.stdout).unwrap();
    assert_eq!(document[0]["State"]["Status"], "running");
    for answer in [&answer, &about] {
        assert!(
            !answer.stdout.contains("BGCANARY") && !answer.stderr.contains("BGCANARY"),
            "{}",
            answer.stdout
        );
    }
    assert_eq!(
        house.ask("docker inspect -f '{{.State.Status}} {{.RestartCount}}' n8n").stdout,
        "running 2\n"
    );
    assert_eq!(
        house.ask("docker top n8n").stdout,
        "PID   USER   CMD\n7     node   node /n8n\n99    node   sleep\n"
    );
    let load = house.ask("docker stats --no-stream n8n").stdout;
    for word in ["40.00%", "23.5MiB / 1GiB", "2.29%", "11"] {
        assert!(load.contains(word), "{word}: {load}");
    }
    assert!(house.ask("docker images").stdout.contains("n8nio/n8n    latest   0123456789ab"));
    assert_eq!(house.ask("docker info").stdout, "Containers: 2\nServerVersion: 26.1\n");
    let missing = house.ask("docker logs nothing");
    assert_eq!(missing.code, 1);
    assert!(missing.stderr.contains("No such container"), "{}", missing.stderr);
    // Whatever was asked, nothing but reading was.
    let asked = engine.asked.lock().unwrap().clone();
    assert!(asked.len() >= 9 && asked.iter().all(|line| line.starts_with("GET /v1.41/")), "{asked:?}");
}

#[test]
fn podman_is_asked_at_its_own_socket_and_what_is_not_there_is_said() {
    let Some(house) = House::new() else { return };
    assert_eq!(house.ask("docker ps").code, 127);
    let _engine = Engine::new(&house.stage, "/run/podman/podman.sock");
    assert_eq!(house.ask("podman ps -q").stdout, "0123456789ab\nfedcba987654\n");
    assert_eq!(house.ask("docker ps").code, 127);
}

#[test]
fn an_endless_log_is_bounded_and_nothing_is_left() {
    let Some(house) = House::new() else { return };
    let _engine = Engine::new(&house.stage, "/run/docker.sock");
    let enough = house.ask("docker logs endless | head -n 2");
    assert_eq!((enough.code, enough.stdout.as_str()), (0, "again and again\nagain and again\n"));
    let cut = house.ask("docker logs endless");
    assert_eq!(cut.code, 75, "{}", cut.stderr);
    assert!(cut.stdout.len() <= 4 << 20 && cut.stderr.contains("the output was cut"), "{}", cut.stderr);
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while house.running("breakglass-guard") > 0 {
        assert!(std::time::Instant::now() < until, "a broker is left");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

#[test]
fn the_firewalls_rules_are_the_kernels() {
    let Some(house) = House::new() else { return };
    let nft = |words: &[&str]| {
        let output = house.stage.command(false, "/usr/sbin/nft").args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    nft(&["add", "table", "inet", "looks"]);
    nft(&["add", "chain", "inet", "looks", "in", "{ type filter hook input priority 0; }"]);
    nft(&["add", "rule", "inet", "looks", "in", "tcp", "dport", "2222", "accept"]);
    // The account itself may not see them.
    let alone = house.stage.command(true, "/usr/sbin/nft").args(["list", "ruleset"]).output().unwrap();
    assert!(!alone.status.success());
    let answer = house.ask("nft list ruleset");
    assert_eq!(answer.code, 0, "{} {}", answer.stderr, house.log.lock().unwrap());
    assert!(answer.stdout.contains("tcp dport 2222 accept"), "{}", answer.stdout);
    assert_eq!(house.ask("nft list ruleset | grep -c 2222").stdout, "1\n");
    assert_eq!(house.ask("nft flush ruleset").code, 77);
    assert!(house.ask("nft list ruleset").stdout.contains("2222"));
}

#[test]
fn only_the_capabilities_that_a_command_needs_are_kept() {
    let Some(house) = House::new() else { return };
    let script = b"#!/bin/sh\ngrep -E 'Cap(Eff|Prm|Bnd)|NoNewPrivs|Seccomp:' /proc/$$/status\ncat /etc/shadow\necho x > /run/x\n";
    for (program, request, capabilities) in [
        ("/usr/bin/nft", "nft list ruleset", 1_u64 << 12),
        ("/usr/bin/smartctl", "smartctl -a /dev/sda", (1 << 17) | (1 << 21)),
        ("/usr/bin/qm", "qm status 102", 0),
    ] {
        house.stage.program(program, script);
        let answer = house.ask(request);
        for name in ["CapEff", "CapPrm", "CapBnd"] {
            let line = format!("{name}:\t{capabilities:016x}\n");
            assert!(answer.stdout.contains(&line), "{request} {line}: {} {}", answer.stdout, answer.stderr);
        }
        assert!(answer.stdout.contains("NoNewPrivs:\t1") && answer.stdout.contains("Seccomp:\t2"));
        assert!(answer.stderr.contains("/etc/shadow: Permission denied"), "{}", answer.stderr);
        assert!(!house.stage.at("/run/x").exists());
        // An exit code passes through both.
        assert_ne!(answer.code, 0);
    }
    // The broker's last line comes when its client has its answer already.
    let begun = std::time::Instant::now();
    while house.record().len() < 6 && begun.elapsed() < std::time::Duration::from_secs(20) {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let record = house.record();
    assert_eq!(record.len(), 6, "{record:?}");
    assert_eq!(
        (record[0]["key"].as_str(), record[0]["source"].as_str()),
        (Some("broker"), Some("uid 65534"))
    );
    let own = fs::read_to_string(house.stage.at("/var/log/breakglass/guard-nobody.jsonl")).unwrap();
    assert_eq!(own.lines().count(), 6);
}
