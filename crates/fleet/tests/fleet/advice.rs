//! What is allowed and unwise.

use super::{GOOD, good};
use breakglass_fleet::check;

fn advice(text: &str) -> Vec<String> {
    check(&good(text)).iter().map(ToString::to_string).collect()
}

#[test]
fn a_wise_fleet_gets_none() {
    assert_eq!(advice(GOOD), Vec::<String>::new());
}

#[test]
fn each_unwise_thing_is_told() {
    let cluster = "[[component]]\nname = \"cluster\"\nkind = \"kubernetes\"\naddresses = [\"192.0.2.2\"]\n";
    let served = |text: &str| {
        text.replace("sources = [\"192.0.2.2\"]", "sources = [\"192.0.2.2\"]\nserved_from = \"cluster\"")
    };
    let router = "[[component]]\nname = \"router\"\nkind = \"network\"\naddresses = [\"192.0.2.2\"]\n";
    let cases: Vec<(String, &str)> = vec![
        (
            GOOD.replace("addresses = [\"192.0.2.20\"]", "addresses = [\"devvm.lan\"]"),
            "component \"devvm\": it is reached by name only",
        ),
        (
            GOOD.replace("[\"192.0.2.20\"]", "[\"devvm.lan\", \"192.0.2.20\"]"),
            "a name stands before an address",
        ),
        (GOOD.replace("file = \"/etc/breakglass/power\"\n", ""), "secret \"power-key\": it has no file"),
        (
            GOOD.replace("key = \"repair-key\"", "key = \"power-key\""),
            "one key opens \"devvm-power\", \"devvm-repair\"",
        ),
        (
            GOOD.replace("key = \"repair-key\"", "key = \"power-key\""),
            "secret \"repair-key\": no door uses it",
        ),
        (GOOD.replace("needs = [\"pve\"]\n", ""), "it does not say that it needs \"pve\""),
        (GOOD.replace("refusing_port = \"192.0.2.20:9\"\n", ""), "it has no refusing_port"),
        (GOOD.replace("kind = \"repair\"", "kind = \"diag\""), "it has no repair door"),
        (GOOD.replace("kind = \"hypervisor\"", "kind = \"host\""), "not declared a hypervisor"),
        (GOOD.replace("sources = [\"192.0.2.2\"]\n", ""), "whoever has its key may use it from anywhere"),
        (
            GOOD.replace("[\"192.0.2.2\"]", "[\"192.0.2.0/24\"]"),
            "source 192.0.2.0/24: every machine of that network",
        ),
        (GOOD.replace("[\"192.0.2.10\"]", "[\"198.18.0.1\"]"), "trusted on first use"),
        (
            GOOD.replace(
                "password_file = \"/etc/breakglass/users\"",
                "token_file = \"/x\"\nsecure_cookies = false\nlisten = [\"0.0.0.0:80\"]",
            ),
            "secure_cookies is off",
        ),
        (GOOD.replace("password_file = \"/etc/breakglass/users\"", ""), "nobody can log in"),
        (format!("{GOOD}listen = []\n"), "the page listens nowhere"),
        (
            format!("{GOOD}[web.trusted_header]\nname = \"x-user\"\nproxies = [\"127.0.0.1\"]\n"),
            "the page is reached through the proxy only",
        ),
        (format!("{GOOD}everybody = \"operate\"\n"), "no person is admin"),
        (format!("{GOOD}[[web.role]]\nrole = \"admin\"\ngroups = [\"infra\"]\n"), "no header brings groups"),
        (format!("{GOOD}[[web.role]]\nrole = \"operate\"\npeople = [\"ole\"]\n"), "everybody else is admin"),
        (format!("{GOOD}{router}"), "which is \"router\": a hop that must be up"),
        (
            served(&format!("{GOOD}{}", cluster.replace("192.0.2.2", "192.0.2.3"))),
            "it is no address of \"cluster\"",
        ),
        (
            served(&format!("{GOOD}{}", cluster.replace("192.0.2.2", "198.51.100.2"))),
            "are in different networks",
        ),
        (served(&format!("{GOOD}{cluster}needs = [\"devvm\"]\n")), "which falls with \"devvm\""),
    ];
    for (text, expected) in cases {
        let found = advice(&text);
        assert!(found.iter().any(|one| one.contains(expected)), "`{expected}` is missing in {found:#?}");
    }
}

#[test]
fn a_source_that_two_callers_share_is_told() {
    let laptop = "[[component]]\nname = \"laptop\"\nkind = \"laptop\"\n[[component]]\nname = \"cluster\"\nkind = \"kubernetes\"\n";
    let mut callers = ["laptop", "cluster"].into_iter();
    let text: String = format!("{GOOD}{laptop}")
        .lines()
        .map(|line| match line {
            "sources = [\"192.0.2.2\"]" => {
                format!("{line}\nserved_from = \"{}\"\n", callers.next().expect("two doors"))
            }
            _ => format!("{line}\n"),
        })
        .collect();
    let found = advice(&text);
    assert!(
        found.iter().any(|one| one.contains("source 192.0.2.2: \"cluster\", \"laptop\" share it")),
        "{found:#?}"
    );
}
