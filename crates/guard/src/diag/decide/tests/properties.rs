//! Whatever bytes come, what is accepted is inside its table.

use super::*;

/// Every word of an argv, found again in the table that should have allowed it.
fn inside_its_table(request: &str, program: &Program) {
    let (command, _) = tables::find(&program.name, false).unwrap();
    let lead: Vec<&str> = command.lead.split_ascii_whitespace().collect();
    let arguments = program.arguments.iter().map(String::as_str).skip(lead.len());
    let mut values = 0;
    for argument in arguments {
        if values > 0 {
            values -= 1;
            continue;
        }
        if !argument.starts_with('-') {
            continue;
        }
        let name = argument.split('=').next().unwrap();
        let added = command.rules.contains(&format!("add {name}=")) || name == "--kubeconfig";
        let row = command.rows().find(|row| row.name() == name);
        assert!(row.is_some() || added, "{request}: {argument} is in no line of {}", program.name);
        if !argument.contains('=') && row.is_some_and(|row| !row.kind.is_empty()) && !name.starts_with("--") {
            values = 1;
        }
    }
}

fn check(request: &str) -> bool {
    let Ok(accepted) = judge(request.as_bytes()) else { return false };
    let plan = accepted.plan;
    match &plan.source {
        Source::Program(program) => inside_its_table(request, program),
        Source::Native(parsed) => {
            let (command, _) = tables::find(parsed.command, false).unwrap();
            assert!(
                parsed.options.iter().all(|it| command.rows().any(|row| row.name() == it.name)),
                "{request}"
            );
            assert!(
                parsed.operands.iter().all(|it| !it.text.contains("shadow") || parsed.command == "grep"),
                "{request}"
            );
        }
    }
    for filter in &plan.filters {
        assert!(matches!(filter.command, "tr" | "grep") || filter.operands.is_empty(), "{request}");
    }
    true
}

/// Words of all tables and of the corpus, thrown together.
#[test]
fn no_accepted_request_leaves_its_table() {
    let mut words: Vec<String> = Vec::new();
    for row in rows("diag-allow.tsv", 1).iter().chain(&rows("diag-deny.tsv", 1)) {
        let column = if row.text(0).starts_with('A') { 1 } else { 2 };
        let text = row.text(column);
        if text.len() < 200 {
            words.extend(text.split(' ').map(str::to_owned));
            check(&text);
        }
    }
    let commands: Vec<&'static Command> = tables::ALL.iter().flat_map(|it| it.iter()).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |most: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % most as u64) as usize
    };
    let mut accepted = 0;
    for _ in 0..20_000 {
        let command = commands[next(commands.len())];
        let mut request = command.names.split(' ').next().unwrap().to_owned();
        let own: Vec<&str> = command.rows().flat_map(|row| row.spellings().collect::<Vec<_>>()).collect();
        let verbs: Vec<&str> = crate::diag::grammar::scan::verbs(command)
            .flat_map(|(path, _)| path.split(['|', ' ', '?']))
            .collect();
        for _ in 0..next(5) {
            let word = match next(4) {
                0 if !own.is_empty() => own[next(own.len())],
                1 => verbs[next(verbs.len())],
                2 => ["/var/log/x", "nginx", "5", "eth0", "/dev/sda", "-n5", "example.org", "pods", "x"]
                    [next(9)],
                _ => &words[next(words.len())],
            };
            request = format!("{request} {word}");
        }
        accepted += usize::from(check(&request));
    }
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn pseudo_random_bytes_are_decided() {
    let mut state = 88_172_645_463_325_252_u64;
    for length in 0..4_000_usize {
        let mut request = Vec::new();
        for _ in 0..length % 61 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            request.push((state >> 24) as u8 & if length % 3 == 0 { 0xff } else { 0x7f });
        }
        let _ = decide(&DiagPolicy::default(), Some(&request));
        let _ = explain(&DiagPolicy::default(), &request);
    }
}
