//! Every problem points at its place and says what was probably meant.

use super::{GOOD, parse};

/// The problems of a text as `LINE:COLUMN SOURCE-UNDER-CARET | REASON | HINT`.
fn problems(text: &str) -> Vec<String> {
    let invalid = parse(text).expect_err("this file must not be accepted");
    let rendered = invalid.problems.iter().map(|problem| {
        let under: String = problem.source.chars().skip(problem.caret).take(problem.width).collect();
        let hint = problem.hint.as_deref().unwrap_or("");
        format!("{}:{} {under} | {} | {hint}", problem.line, problem.column, problem.reason)
    });
    rendered.collect()
}

/// `GOOD` with one replacement gives exactly one problem, at the place, with all the fragments.
#[test]
fn each_mistake_is_one_problem_with_its_place_and_its_remedy() {
    let door = r#"[[door]]
name = "devvm-repair""#;
    let cases: &[(&str, &str, &str, &[&str])] = &[
        // Keys.
        (
            "addresses = [\"192.0.2.20\"]",
            "adresses = [\"192.0.2.20\"]",
            "10:1 adresses",
            &["unknown key `adresses` in [[component]] \"devvm\"", "did you mean `addresses`?"],
        ),
        ("user = \"root\"", "usr = \"root\"", "26:1 usr", &["unknown key `usr`", "did you mean `user`?"]),
        (
            "user = \"root\"\n",
            "",
            "19:1 [[door]]",
            &["[[door]] \"devvm-power\" has no `user`", "add a line user"],
        ),
        ("controls = \"devvm\"\n", "", "19:1 [[door]]", &["has no `controls`"]),
        ("[web]", "[wep]", "36:2 wep", &["unknown section `wep`", "did you mean `web`?"]),
        ("name = \"home\"", "nmae = \"home\"", "2:1 nmae", &["did you mean `name`?"]),
        ("[fleet]\nname = \"home\"", "", "1:1 ", &["the file has no `fleet`", "[fleet]"]),
        (
            "[[secret]]\nname = \"power-key\"",
            "[[secret]]\nname = \"power-key\"\npassphrase = 1",
            "15:1 passphrase",
            &["unknown key", "known here: `name`, `file`, `copies`, `readers`"],
        ),
        (
            "password_file = \"/etc/breakglass/users\"",
            "[web.tls]\nlisten = [\"0.0.0.0:8443\"]\ncertificate = \"/x\"",
            "39:15 \"/x\"",
            &["a certificate needs its key", "give both, or neither"],
        ),
        (
            "password_file = \"/etc/breakglass/users\"",
            "[[web.role]]\nrole = \"veiw\"\npeople = [\"ole\"]",
            "38:8 \"veiw\"",
            &["none of the words for `role`", "did you mean \"view\"?"],
        ),
        (
            "password_file = \"/etc/breakglass/users\"",
            "[[web.role]]\nrole = \"view\"",
            "37:1 [[web.role]]",
            &["given to nobody", "people = "],
        ),
        (
            "password_file = \"/etc/breakglass/users\"",
            "[[web.role]]\nrole = \"view\"\npeople = [\"ole\"]\n[[web.role]]\nrole = \"admin\"\npeople = [\"ole\"]",
            "42:11 \"ole\"",
            &["`ole` is given a role twice"],
        ),
        // Types.
        (
            "vm = 102",
            "vm = \"102\"",
            "25:6 \"102\"",
            &["must be a whole number, and this is a text", "without quotes"],
        ),
        ("vm = 102", "vm = 0", "25:6 0", &["`vm` is out of range"]),
        (
            "addresses = [\"192.0.2.20\"]",
            "addresses = \"192.0.2.20\"",
            "10:13 \"192.0.2.20\"",
            &["must be a list of texts", "addresses = [\"192.0.2.20\"]"],
        ),
        (
            "addresses = [\"192.0.2.20\"]",
            "addresses = [\"192.0.2.20\", 22]",
            "10:28 22",
            &["`addresses` takes a text, and this is a whole number"],
        ),
        ("user = \"root\"", "user = true", "26:8 true", &["takes a text, and this is true or false"]),
        ("[web]", "[watch]\nconfirm = \"two\"\n[web]", "37:11 \"two\"", &["must be a whole number"]),
        ("[web]", "[watch]\nsync_probe = \"yes\"\n[web]", "37:14 \"yes\"", &["must be true or false"]),
        ("[web]", "[[web]]", "36:1 [[web]]", &["`web` must be a table, and this is a list", "[web]"]),
        // Values.
        (
            "kind = \"vm\"",
            "kind = \"vmm\"",
            "9:8 \"vmm\"",
            &["none of the words for `kind`", "did you mean \"vm\"?"],
        ),
        ("backend = \"qmp\"", "backend = \"xen\"", "24:11 \"xen\"", &["one of: \"qm\", \"virsh\", \"qmp\""]),
        ("192.0.2.20\"]", "192.0.2.256\"]", "10:14 \"192.0.2.256\"", &["is no address"]),
        ("192.0.2.20:9", "192.0.2.20", "12:17 \"192.0.2.20\"", &["has no port"]),
        ("vm = 102", "vm = 102\ndeadline = 5", "26:12 5", &["needs its unit", "write deadline = \"5 s\""]),
        ("vm = 102", "vm = 102\ndeadline = \"5s\"", "26:12 \"5s\"", &["no duration"]),
        (
            "vm = 102",
            "vm = 102\ndeadline = \"500 ms\"",
            "26:12 \"500 ms\"",
            &["out of range", "from \"1 s\" to \"1 h\""],
        ),
        (
            "sources = [\"192.0.2.2\"]\n[web]",
            "sources = [\"router\"]\n[web]",
            "35:12 \"router\"",
            &["no address like 192.0.2.2"],
        ),
        ("file = \"/etc/breakglass/power\"", "file = \"~/power\"", "15:8 \"~/power\"", &["no absolute path"]),
        ("name = \"devvm\"", "name = \"dev vm\"\nhost_key = \"yes\"", "8:8 \"dev vm\"", &["is not a name"]),
        // References.
        (
            "needs = [\"pve\"]",
            "needs = [\"pvee\"]",
            "11:10 \"pvee\"",
            &[
                "no component is called \"pvee\"",
                "`needs` of [[component]] \"devvm\"",
                "did you mean \"pve\"?",
            ],
        ),
        ("to = \"pve\"", "to = \"pv\"", "22:6 \"pv\"", &["no component", "did you mean \"pve\"?"]),
        ("controls = \"devvm\"", "controls = \"devwm\"", "23:12 \"devwm\"", &["did you mean \"devvm\"?"]),
        (
            "key = \"power-key\"",
            "key = \"power_key\"",
            "27:7 \"power_key\"",
            &["no secret", "did you mean \"power-key\"?"],
        ),
        (
            "key = \"power-key\"",
            "key = \"pve\"",
            "27:7 \"pve\"",
            &["\"pve\" is a component; here stands the name of a secret"],
        ),
        (
            "vm = 102",
            "vm = 102\nserved_from = \"cluster\"",
            "26:15 \"cluster\"",
            &["no component is called \"cluster\""],
        ),
        (
            "vm = 102",
            "vm = 102\nvia = [\"router\"]",
            "26:8 \"router\"",
            &["`via` of [[door]] \"devvm-power\""],
        ),
        (
            "[web]",
            "[[scenario]]\nname = \"a b\"\ndown = [\"nas\"]\n[web]",
            "38:9 \"nas\"",
            &["`down` of [[scenario]] \"a b\""],
        ),
        (
            "[web]",
            "[[scenario]]\nname = \"x\"\ndown = []\nmust_open = [\"cold\"]\n[web]",
            "39:14 \"cold\"",
            &["no door is called \"cold\"", "declared: \"devvm-power\", \"devvm-repair\""],
        ),
        (
            "[web]",
            "[[watch.maintenance]]\nfrom = \"02:00\"\nlasts = \"1 h\"\ntargets = [\"x\"]\n[web]",
            "39:12 \"x\"",
            &["no component is called \"x\""],
        ),
        // What holds between sections.
        (
            door,
            "[[door]]\nname = \"devvm-power\"",
            "30:8 \"devvm-power\"",
            &["there is another door \"devvm-power\" before"],
        ),
        ("name = \"pve\"", "name = \"devvm\"", "8:8 \"devvm\"", &["another component"]),
        ("addresses = [\"192.0.2.10\"]\n", "", "21:6 \"pve\"", &["leads to \"pve\", which has no address"]),
        (
            "controls = \"devvm\"",
            "controls = \"pve\"",
            "23:12 \"pve\"",
            &["cannot control the component that it leads to"],
        ),
        ("kind = \"repair\"", "kind = \"repair\"\nvm = 3", "32:1 vm", &["`vm` belongs to a power door"]),
        (
            "kind = \"hypervisor\"",
            "kind = \"hypervisor\"\nneeds = [\"devvm\"]",
            "12:10 \"pve\"",
            &["a component cannot need itself"],
        ),
        (
            "kind = \"hypervisor\"",
            "kind = \"hypervisor\"\nneeds = [\"pve\"]",
            "6:10 \"pve\"",
            &["pve needs pve"],
        ),
        (
            "[web]",
            "[web.trusted_header]\nname = \"X-User\"\nproxies = []\n[web]",
            "38:1 proxies",
            &["admits nobody"],
        ),
    ];
    for (from, to, place, fragments) in cases {
        assert!(GOOD.contains(from), "the case does not fit: {from}");
        let broken = GOOD.replacen(from, to, 1);
        let found = problems(&broken);
        let hits: Vec<&String> = found.iter().filter(|problem| problem.starts_with(place)).collect();
        assert_eq!(hits.len(), 1, "`{from}` -> `{to}`: expected one at {place}, found {found:#?}");
        for fragment in *fragments {
            assert!(hits[0].contains(fragment), "`{fragment}` is missing in {}", hits[0]);
        }
    }
}

#[test]
fn a_misspelt_key_is_told_once_and_not_as_missing_too() {
    assert_eq!(problems(&GOOD.replacen("user = \"root\"", "usr = \"root\"", 1)).len(), 1);
    // Nor does an address that could not be read make its doors lead nowhere.
    assert_eq!(problems(&GOOD.replacen("addresses", "adresses", 1)).len(), 1);
}

#[test]
fn a_list_of_tables_that_is_something_else_is_told() {
    let found = problems("door = 3\nsecret = [1]\n[fleet]\nname = \"x\"\n[component]\n");
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found[0].starts_with("1:1 door | there may be several of `door`"), "{found:#?}");
    assert!(found[1].starts_with("2:11 1 | an entry of `secret` must be a table"), "{found:#?}");
    assert!(found[2].starts_with("5:2 component") && found[2].contains("write [[component]]"), "{found:#?}");
}

#[test]
fn all_problems_come_at_once_in_the_order_of_the_file() {
    let broken = GOOD
        .replace("kind = \"hypervisor\"", "kind = \"hyper\"")
        .replace("key = \"power-key\"", "key = \"nokey\"")
        .replace("[web]", "[web]\nsession_hours = 0\nlisten = [\"localhost\"]");
    let lines: Vec<usize> = parse(&broken).expect_err("broken").problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [5, 27, 37, 38]);
}

#[test]
fn two_forced_commands_with_one_key_are_refused_and_one_guard_for_two_vms_is_not() {
    let second = |kind: &str, more: &str| {
        format!(
            "{GOOD}[[door]]\nname = \"second\"\nkind = \"{kind}\"\nto = \"pve\"\nuser = \"root\"\nkey = \"power-key\"\n{more}"
        )
    };
    let found = problems(&second("cold", ""));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].contains("two forced commands for root at pve: doors \"devvm-power\" and \"second\""),
        "{found:#?}"
    );
    assert!(found[0].starts_with("43:7 \"power-key\""), "{found:#?}");

    let git = "controls = \"gitvm\"\nvm = 103\n[[component]]\nname = \"gitvm\"\nkind = \"vm\"\n";
    assert!(problems(&second("power", git))[0].contains("vm_name"));
    let named = second("power", &format!("vm_name = \"git\"\n{git}")).replacen(
        "vm = 102",
        "vm = 102\nvm_name = \"dev\"",
        1,
    );
    assert!(parse(&named).is_ok(), "{named}");

    let other_account = second("cold", "").replace(
        "name = \"second\"\nkind = \"cold\"\nto = \"pve\"\nuser = \"root\"",
        "name = \"second\"\nkind = \"cold\"\nto = \"pve\"\nuser = \"rescue\"",
    );
    assert!(parse(&other_account).is_ok());
}

#[test]
fn a_file_that_is_no_toml_shows_every_syntax_error_and_says_that_it_stopped_there() {
    let invalid =
        parse("[fleet\nname = \"x\"\na b\n[[door]]\nname = \"1\"\nname = \"2\"\n").expect_err("no TOML");
    let lines: Vec<usize> = invalid.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 3, 6]);
    assert!(invalid.syntax_only);
    assert!(invalid.to_string().contains("once it is"));
}

#[test]
fn the_message_reads_as_a_person_needs_it() {
    let broken = GOOD.replacen("needs = [\"pve\"]", "needs = [\"pv\"]", 1);
    let message = parse(&broken).expect_err("broken").to_string();
    assert_eq!(
        message,
        "\
fleet.toml cannot be used: 1 error.

fleet.toml:11:10: no component is called \"pv\" (`needs` of [[component]] \"devvm\")
  11 | needs = [\"pv\"]
     |          ^^^^
     = did you mean \"pve\"? (declared: \"pve\", \"devvm\")

No host reads this file: every guard goes on as it is, and plain `ssh` through it works. Mend the file, then run \
         `breakglass check`."
    );
}

#[test]
fn carets_stand_right_after_wide_characters_long_lines_and_at_the_end() {
    let wide = problems("[fleet]\nname = \"höm\"\n[web]\nlisten = [\"é\", \"127.0.0.1:1\", \"ß\"]\n");
    assert!(wide[0].starts_with("4:11 \"é\" |") && wide[1].starts_with("4:31 \"ß\" |"), "{wide:#?}");
    let padding = "x".repeat(500);
    let long = format!(
        "[fleet]\nname = \"a\"\n[[secret]]\nname = \"s\"\ncopies = [\"{padding}\", 5, \"{padding}\"]\n"
    );
    let invalid = parse(&long).expect_err("a number among texts");
    assert_eq!((invalid.problems[0].line, invalid.problems[0].column), (5, 515));
    assert!(invalid.problems[0].source.chars().count() <= 140);
    assert!(problems(&long)[0].starts_with("5:515 5 |"));
    assert!(!problems("[fleet]\nname = \"un").is_empty());
    assert!(!problems("[fleet]\nname = \"\u{1b}[31m\"\n")[0].contains('\u{1b}'));
}
