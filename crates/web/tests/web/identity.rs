//! Logging in, staying in, being thrown out.

use crate::support::{CLIENT, HEADER, PROXY, Request, Server, Who};
use breakglass_e2e::stage::password_hash;
use breakglass_incident::EventBody;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

async fn try_password(server: &Server, name: &str, password: &str) -> u16 {
    server.send(Request::post("/login", &format!("name={name}&password={password}"))).await.status
}

#[tokio::test]
async fn both_kinds_of_hash_let_in_and_the_journal_tells() {
    let server = Server::start().await;
    server.log_in("mara", "correct horse").await;
    server.log_in("ole", "battery staple").await;
    for (name, password) in
        [("mara", "wrong"), ("nobody", "correct+horse"), ("broken", ""), ("", ""), ("MARA", "correct+horse")]
    {
        assert_eq!(try_password(&server, name, password).await, 401, "{name}");
    }
    let kinds: Vec<_> = server.desk.journal.tail(50).await.into_iter().map(|event| event.body).collect();
    let ins = kinds.iter().filter(|body| matches!(body, EventBody::LoggedIn { .. })).count();
    let outs = kinds.iter().filter(|body| matches!(body, EventBody::LoginRefused { .. })).count();
    assert_eq!((ins, outs), (2, 5), "{kinds:?}");
    assert!(!format!("{kinds:?}").contains("horse"), "no password in the journal");
}

#[tokio::test]
async fn cookies_are_out_of_reach_of_scripts_and_other_sites() {
    let server = Server::start().await;
    let answer =
        server.send(Request::post("/login", "name=mara&password=correct+horse&next=/incidents")).await;
    assert_eq!(answer.header("location"), Some("/incidents"));
    let set: Vec<_> =
        answer.headers.iter().filter(|(name, _)| name == "set-cookie").map(|(_, value)| value).collect();
    assert_eq!(set.len(), 2);
    for cookie in set {
        for flag in ["__Host-", "; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/", "; Max-Age="] {
            assert!(cookie.contains(flag), "{flag} in {cookie}");
        }
    }
    let plain = Server::with(|config| config.page.secure_cookies = false).await;
    let answer = plain.send(Request::post("/login", "name=mara&password=correct+horse")).await;
    assert!(!answer.header("set-cookie").unwrap().contains("Secure"));
    assert_eq!(plain.get("/", &Who { cookie: Some(answer.cookies()), ..Who::default() }).await.status, 200);
}

#[tokio::test]
async fn a_login_leads_nowhere_else() {
    let server = Server::start().await;
    for next in [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "/%0d%0aset-cookie:x",
    ] {
        let form = format!(
            "name=mara&password=correct+horse&next={}",
            next.replace('%', "%25").replace('\\', "%5C")
        );
        let answer = server.send(Request::post("/login", &form)).await;
        let to = answer.header("location").unwrap();
        assert!(to.starts_with('/') && !to.starts_with("//") && !to.contains('\\'), "{next} led to {to}");
    }
}

#[tokio::test]
async fn a_session_ends_by_logging_out_and_with_its_password_line() {
    let server = Server::start().await;
    let mara = server.log_in("mara", "correct horse").await;
    let again = server.log_in("mara", "correct horse").await;
    assert!(server.post("/logout", &mara, "").await.leads_to_login());
    assert!(
        server.get("/", &mara).await.leads_to_login(),
        "the cookie that was thrown away is worth nothing"
    );
    assert_eq!(server.get("/", &again).await.status, 200, "another session of hers lives");
    std::fs::write(
        server.dir.path().join("passwords"),
        format!("mara:{}\n", password_hash("another").unwrap()),
    )
    .unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert!(server.get("/", &again).await.leads_to_login(), "a changed password ends sessions");
    assert_eq!(try_password(&server, "mara", "another").await, 303);
    assert_eq!(try_password(&server, "ole", "battery+staple").await, 401, "his line is gone");
}

#[tokio::test]
async fn a_password_file_that_goes_away_or_is_open_to_all_shuts_nobody_out() {
    let server = Server::start().await;
    assert_eq!(try_password(&server, "mara", "correct+horse").await, 303);
    let path = server.dir.path().join("passwords");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("eve:{}\n{text}", password_hash("evil").unwrap())).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(try_password(&server, "eve", "evil").await, 401, "anybody could have written that line");
    assert_eq!(try_password(&server, "mara", "correct+horse").await, 303, "what was read before counts");
    std::fs::remove_file(&path).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    assert_eq!(try_password(&server, "mara", "correct+horse").await, 303);
}

#[tokio::test]
async fn guessing_gets_slow_and_the_owner_gets_in() {
    let server = Server::start().await;
    let known = server.log_in("mara", "correct horse").await;
    let mut refused = 0;
    for _ in 0..40 {
        refused += u32::from(try_password(&server, "mara", "guess").await == 429);
    }
    assert!(refused >= 35, "{refused} of 40 guesses were not even looked at");
    let answer = server.send(Request::post("/login", "name=mara&password=correct+horse")).await;
    assert_eq!(answer.status, 429, "a stranger's browser behind the same address waits");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(wait <= 60, "{wait}");
    // Her own browser, and her from elsewhere, do not wait.
    let mine = Request::post("/login", "name=mara&password=correct+horse")
        .header("cookie", known.cookie.as_ref().unwrap());
    assert_eq!(server.send(mine).await.status, 303);
    let elsewhere = Who { from: Some(PROXY), ..Who::default() };
    assert_eq!(server.post("/login", &elsewhere, "name=mara&password=correct+horse").await.status, 303);
    assert_eq!(server.get("/", &known).await.status, 200, "sessions and tokens are not throttled");
    assert_eq!(server.get("/api/v1/targets", &Who::token()).await.status, 200);
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(
        try_password(&server, "mara", "correct+horse").await,
        303,
        "and the wait was no longer than told"
    );
}

#[tokio::test]
async fn behind_a_proxy_whoever_guesses_closes_their_own_lane_and_nobody_elses() {
    let server = Server::start().await;
    let through = |from, chain: &str, password: &str| {
        let who = Who { from, ..Who::default() };
        let form = format!("name=mara&password={password}");
        server.send(Request::post("/login", &form).by(&who).header(CLIENT, chain))
    };
    for number in 0..20 {
        // What the guesser writes in front changes nothing: the proxy's own word is the last.
        through(Some(PROXY), &format!("198.51.100.{number}, 192.0.2.66"), "guess").await;
    }
    assert_eq!(through(Some(PROXY), "192.0.2.66", "correct+horse").await.status, 429);
    assert_eq!(through(Some(PROXY), "192.0.2.66, 192.0.2.7", "correct+horse").await.status, 303);
    let told: Vec<_> = server.desk.journal.tail(50).await.into_iter().map(|event| event.body).collect();
    let from_her = EventBody::LoggedIn { way: "password".to_owned(), from: "192.0.2.7".to_owned() };
    assert!(told.contains(&from_her), "{told:?}");
    // From elsewhere the header is nobody's word.
    for number in 0..20 {
        through(None, &format!("203.0.113.{number}"), "guess").await;
    }
    assert_eq!(through(None, "203.0.113.99", "correct+horse").await.status, 429);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guesses_side_by_side_are_counted_before_they_are_looked_at() {
    let server = Server::start().await;
    let guesses = (0..30).map(|_| try_password(&server, "mara", "guess"));
    let statuses = futures_util::future::join_all(guesses).await;
    let tried = statuses.iter().filter(|status| **status == 401).count();
    assert!(tried <= 8, "{tried} of 30 went through at once");
}

#[tokio::test]
async fn an_unknown_name_costs_what_a_wrong_password_costs() {
    // The real cost, so that a difference would show.
    let server = Server::start().await;
    let argon = argon2::Argon2::default();
    let slow = argon2::password_hash::PasswordHasher::hash_password(&argon, b"x").unwrap();
    std::fs::write(server.dir.path().join("passwords"), format!("mara:{slow}\n")).unwrap();
    tokio::time::sleep(Duration::from_millis(700)).await;
    let mut took = [Duration::MAX; 2];
    for _ in 0..3 {
        for (slot, name) in took.iter_mut().zip(["mara", "nobody"]) {
            let began = Instant::now();
            try_password(&server, name, "y").await;
            *slot = (*slot).min(began.elapsed());
        }
    }
    let [known, unknown] = took;
    let ratio = known.as_secs_f64() / unknown.as_secs_f64();
    // Without the hash it would be a hundred times; a busy machine makes it three.
    assert!((0.1..10.0).contains(&ratio), "known {known:?}, unknown {unknown:?}");
}

#[tokio::test]
async fn the_trusted_header_counts_from_the_listed_proxy_alone() {
    let server = Server::start().await;
    let name = |from, header: &str| Who { from, header: Some(header.to_owned()), ..Who::default() };
    let page = server.get("/", &name(Some(PROXY), "ida")).await;
    assert!(page.body.contains("<b>ida</b>") && page.body.contains("by header"), "{}", page.body);
    assert!(server.get("/", &name(None, "ida")).await.leads_to_login());
    let forwarded = Request::get("/")
        .header(HEADER, "ida")
        .header("x-forwarded-for", PROXY)
        .header("forwarded", "for=127.0.0.2");
    assert!(server.send(forwarded).await.leads_to_login());
    assert!(server.get("/", &name(Some(PROXY), "ida<script>")).await.leads_to_login());
    let twice = Request::get("/").header(HEADER, "root").by(&name(Some(PROXY), "ida"));
    assert!(server.send(twice).await.leads_to_login(), "two names are no name");
}

#[tokio::test]
async fn logging_in_works_without_the_journal_and_without_a_state_directory() {
    let server = Server::with(|config| config.state_dir = "/proc/nowhere".into()).await;
    assert!(server.desk.journal.close(Duration::from_secs(5)).await);
    let mara = server.log_in("mara", "correct horse").await;
    let page = server.get("/", &mara).await;
    assert!(page.body.contains("The journal does not keep what happens"), "{}", page.body);
    assert!(page.body.contains("work all the same"));
}
