//! Requests by the words they split into, and by the rule that refuses them.

use super::*;

fn split(request: &str) -> Vec<Vec<String>> {
    let request = Request::parse(request.as_bytes()).unwrap_or_else(|refusal| panic!("{request}: {refusal}"));
    request.stages.iter().map(|stage| stage.words.iter().map(|word| word.text.clone()).collect()).collect()
}

#[test]
fn words_are_those_of_a_shell() {
    for (request, expected) in [
        ("uptime", vec![vec!["uptime"]]),
        ("  df   -h  ", vec![vec!["df", "-h"]]),
        (
            "grep -F 'can'\\''t open' /var/log/syslog",
            vec![vec!["grep", "-F", "can't open", "/var/log/syslog"]],
        ),
        ("grep Out\\ of\\ memory /x", vec![vec!["grep", "Out of memory", "/x"]]),
        ("'up'time", vec![vec!["uptime"]]),
        ("a ''", vec![vec!["a", ""]]),
        (r#"a "b \"c\" \$d \x""#, vec![vec!["a", r#"b "c" $d \x"#]]),
        (r#"grep -E "error$" /x"#, vec![vec!["grep", "-E", "error$", "/x"]]),
        (
            "ss -tn|tr -s ' '|cut -d' ' -f4",
            vec![vec!["ss", "-tn"], vec!["tr", "-s", " "], vec!["cut", "-d ", "-f4"]],
        ),
        ("docker ps --format {{.Names}}", vec![vec!["docker", "ps", "--format", "{{.Names}}"]]),
        ("a b#c d~e f!=g ! {}", vec![vec!["a", "b#c", "d~e", "f!=g", "!", "{}"]]),
        ("grep \u{fc}ber '\u{65e5}'", vec![vec!["grep", "\u{fc}ber", "\u{65e5}"]]),
    ] {
        assert_eq!(split(request), expected, "{request}");
    }
}

#[test]
fn error_output_is_the_last_token_of_a_stage() {
    for (request, expected) in [
        ("a 2>&1", ErrorOutput::Merged),
        ("a 2>/dev/null", ErrorOutput::Dropped),
        ("a 2>/dev/null | b", ErrorOutput::Dropped),
        ("a 2>&1|b", ErrorOutput::Merged),
        ("a '2>&1'", ErrorOutput::Shown),
    ] {
        let parsed = Request::parse(request.as_bytes()).unwrap();
        assert_eq!(parsed.stages[0].errors, expected, "{request}");
    }
    for request in [
        "2>&1",
        "a 2>&1 b",
        "a 2>&1 2>/dev/null",
        "a 2>x",
        "a 2> /dev/null",
        "a 2>/dev/nullx",
        "a 1>&2",
        "a 2>&1x",
    ] {
        assert_eq!(Request::parse(request.as_bytes()).unwrap_err().rule, Rule::Syntax, "{request}");
    }
}

#[test]
fn unquoted_globs_are_remembered() {
    let word = |request: &str| Request::parse(request.as_bytes()).unwrap().stages[0].words[1].clone();
    assert_eq!(word("ls /var/log/*.log"), Word { text: "/var/log/*.log".to_owned(), globs: vec![9] });
    assert_eq!(word("ls '/var/log/*.log'").globs, Vec::<usize>::new());
    assert!(word("ls '*'x?").has_quoted_glob());
    assert_eq!(word("ls \\*a[b]").globs, [2]);
}

#[test]
fn everything_else_of_a_shell_is_refused_with_its_token() {
    for (request, token, hint) in [
        ("uptime; id", "`;`", "one command"),
        ("uptime && id", "`&&`", "one command"),
        ("uptime || true", "`||`", "exit codes are passed through"),
        ("uptime &", "`&`", "one command"),
        ("uptime >x", "`>`", "2>&1"),
        ("uptime 2>x", "`2>`", "2>&1"),
        ("uptime &>x", "`&>`", "2>&1"),
        ("uptime |& cat", "`|&`", "2>&1"),
        ("cat < x", "`<`", "2>&1"),
        ("cat << x", "`<<`", "2>&1"),
        ("cat <(id)", "`<(`", "expanded"),
        ("cat $(id)", "`$(`", "expanded"),
        ("cat $HOME", "`$`", "expanded"),
        ("cat \"$HOME\"", "`$`", "expanded"),
        ("cat \"${HOME}\"", "`$`", "expanded"),
        ("cat $'x'", "`$`", "expanded"),
        ("cat `id`", "```", "expanded"),
        ("cat \"`id`\"", "```", "expanded"),
        ("cat ~/x", "`~`", "absolute path"),
        ("cat --x=~/y", "`~`", "absolute path"),
        ("#x", "`#`", "quote"),
        ("uptime #x", "`#`", "quote"),
        ("f(){ x; }", "`(`", "quote"),
        ("cat /a{b,c}", "`{`", "quote"),
        ("cat /a{1..3}", "`{`", "quote"),
        ("cat 'x", "`'`", "close"),
        ("cat \"x", "`\"`", "close"),
        ("cat x\\", "`\\`", "quote"),
        ("uptime |", "`|`", "each side"),
        ("| uptime", "`|`", "each side"),
        ("a | | b", "`|`", "each side"),
        ("A=b uptime", "variable", "expanded"),
        ("A+=b uptime", "variable", "expanded"),
    ] {
        let refusal = Request::parse(request.as_bytes()).unwrap_err();
        assert_eq!(refusal.rule, Rule::Syntax, "{request}");
        assert!(refusal.reason.contains(token) && refusal.hint.contains(hint), "{request}: {refusal}");
    }
}

#[test]
fn bytes_and_lengths_have_their_rules() {
    let long = "a".repeat(LONGEST_REQUEST + 1);
    let word = "a".repeat(LONGEST_WORD + 1);
    let words = "a ".repeat(MOST_WORDS + 1);
    let stages = ["a"; MOST_STAGES + 1].join("|");
    for (request, rule) in [
        (&b""[..], Rule::NoRequest),
        (b"   ", Rule::NoRequest),
        (b"--json ", Rule::NoRequest),
        (b"uptime\n", Rule::Bytes),
        (b"uptime\r", Rule::Bytes),
        (b"a\tb", Rule::Bytes),
        (b"a\0b", Rule::Bytes),
        (b"'a\x1b'", Rule::Bytes),
        (b"\xff", Rule::Bytes),
        (b"\x9b31m", Rule::Bytes),
        ("a\u{2003}b".as_bytes(), Rule::Bytes),
        ("a\u{200b}".as_bytes(), Rule::Bytes),
        ("\u{202e}a".as_bytes(), Rule::Bytes),
        ("a\u{2028}b".as_bytes(), Rule::Bytes),
        ("a\u{85}b".as_bytes(), Rule::Bytes),
        ("'\u{feff}'".as_bytes(), Rule::Bytes),
        ("a\u{e0041}".as_bytes(), Rule::Bytes),
        (long.as_bytes(), Rule::Length),
        (word.as_bytes(), Rule::Length),
        (words.as_bytes(), Rule::Length),
        (stages.as_bytes(), Rule::Length),
    ] {
        let refusal = Request::parse(request).unwrap_err();
        assert_eq!(refusal.rule, rule, "{}", request.escape_ascii());
        assert!(refusal.to_string().is_ascii() || refusal.reason.is_ascii(), "{refusal}");
    }
}

#[test]
fn what_is_rendered_splits_into_itself() {
    for request in [
        "uptime",
        "--json uptime",
        "'--json' uptime",
        "grep -F 'can'\\''t open' /var/log/syslog 2>/dev/null | head -5 2>&1",
        "ls /var/log/*.log '*'?[a] ''",
        "a \"b  c\" \\; \\| '2>&1' '{a,b}' '~' '#' 'A=b' \u{fc}",
        "'A=b'c x",
    ] {
        let Ok(parsed) = Request::parse(request.as_bytes()) else { continue };
        assert_eq!(
            Request::parse(parsed.render().as_bytes()),
            Ok(parsed.clone()),
            "{request} -> {}",
            parsed.render()
        );
    }
}

#[test]
fn pseudo_random_requests_split_into_themselves_or_not_at_all() {
    let alphabet: Vec<char> = "ab=/ *?['\"\\|;&<>$`~#{},.!-2>&1\u{fc}\u{200b}\n".chars().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut accepted = 0;
    for _ in 0..60_000 {
        let mut request = String::new();
        for _ in 0..=state % 23 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            request.push(alphabet[(state >> 33) as usize % alphabet.len()]);
        }
        if let Ok(parsed) = Request::parse(request.as_bytes()) {
            accepted += 1;
            assert_eq!(Request::parse(parsed.render().as_bytes()), Ok(parsed), "{request:?}");
        }
    }
    assert!(accepted > 2_000, "{accepted}");
}

#[test]
fn an_operator_s_words_become_one_request() {
    for (words, expected) in [
        (vec!["df -h | grep x"], "df -h | grep x"),
        (vec!["df", "-h", "|", "grep", "a b"], "df -h | grep 'a b'"),
        (vec!["ls", "/var/log/*.log", "2>/dev/null"], "ls /var/log/*.log 2>/dev/null"),
        (vec!["grep", "it's", "/x;y"], "grep it\\'s '/x;y'"),
        (vec!["cat", ""], "cat ''"),
    ] {
        assert_eq!(render_arguments(&words), expected);
    }
}
