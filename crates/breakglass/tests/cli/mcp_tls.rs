//! `breakglass mcp` to a server that speaks TLS itself: with a certificate that the server made and one from files, believed by
//! fingerprint, by a file of authorities, or not at all, in a sentence that says what to compare. The built binary on both ends.

use crate::mcp::{Session, mcp, serving};
use crate::site::{Site, command, free_port};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A site whose server listens with TLS too, with these lines in that section; and the address.
fn secure(lines: &str) -> (Site, String) {
    let port = free_port();
    let site = Site::for_agents(&format!("[web.tls]\nlisten = [\"127.0.0.1:{port}\"]\n{lines}"));
    (site, format!("https://127.0.0.1:{port}"))
}

/// An agent's machine: it has a token and an address, and no fleet file.
fn far(site: &Site, server: &str, more: &[&str]) -> Command {
    let mut command = mcp(site);
    command.env("BREAKGLASS_FLEET", site.fleet().with_file_name("none.toml"));
    command.args(["--server", server]).args(more);
    command
}

/// What the server's own machine says of its certificate.
fn fingerprint(site: &Site) -> String {
    let told = site.call(&["check"]).out;
    let line = told.lines().find_map(|line| line.strip_prefix("the page's certificate: SHA-256 "));
    line.unwrap_or_else(|| panic!("{told}")).to_owned()
}

async fn works(command: Command) {
    let session = Session::of(command).await;
    let names: Vec<String> = session.tools().await.into_iter().map(|tool| tool.name.into_owned()).collect();
    assert_eq!(names, ["hosts", "diag", "runbook"]);
    let (text, is_error) = session.call("diag", json!({ "host": "devvm", "command": "echo seen" })).await;
    assert!(!is_error && text.contains("seen") && !text.contains("straight to the host"), "{text}");
    session.end().await;
}

/// The sentence, which the list of tools and each call tell alike.
async fn fails(command: Command) -> String {
    let session = Session::of(command).await;
    let tools = session.tools().await;
    let [only] = tools.as_slice() else { panic!("{tools:?}") };
    let described = only.description.clone().unwrap_or_default().into_owned();
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(is_error && text.contains("(no-server)") && text.contains("Nothing was done"), "{text}");
    assert!(text.contains("The token was not sent"), "{text}");
    let sentence = text.split_once("(no-server): ").unwrap().1.split_once(" Nothing was done").unwrap().0;
    assert!(described.contains(sentence), "{described} / {sentence}");
    session.end().await;
    sentence.to_owned()
}

/// What it says on standard error where it does not even start.
fn refused(mut command: Command) -> String {
    let out = command.stderr(Stdio::piped()).stdin(Stdio::null()).output().unwrap();
    assert!(!out.status.success(), "{out:?}");
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn pinned(text: &str) -> Vec<String> {
    let config: Value = serde_json::from_str(text).unwrap();
    let arguments = config.pointer("/mcpServers/breakglass/args").unwrap().as_array().unwrap();
    arguments.iter().map(|argument| argument.as_str().unwrap().to_owned()).collect()
}

fn printed(mut command: Command) -> String {
    let out = command.args(["--print-config", "claude-code"]).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_the_server_made_is_believed_by_its_fingerprint_and_told_without_one() {
    let (site, server) = secure("");
    let _serving = serving(&site);
    let shown = fingerprint(&site);
    let told = fails(far(&site, &server, &[])).await;
    assert!(
        told.contains(&shown) && told.contains("--fingerprint") && told.contains("breakglass status"),
        "{told}"
    );
    works(far(&site, &server, &["--fingerprint", &shown])).await;
    let bare = shown.replace(':', "").to_lowercase();
    let mut by_environment = far(&site, &server, &[]);
    by_environment.env("BREAKGLASS_FINGERPRINT", &bare);
    works(by_environment).await;
    let own = site.state().join("tls/certificate.pem");
    works(far(&site, &server, &["--ca", own.to_str().unwrap()])).await;

    let other = format!("{}00", bare.get(..62).unwrap());
    let other = if other == bare { format!("{}ff", bare.get(..62).unwrap()) } else { other };
    let told = fails(far(&site, &server, &["--fingerprint", &other])).await;
    assert!(
        told.contains("another certificate") && told.contains(&shown) && told.contains("in between"),
        "{told}"
    );
    let said = refused(far(&site, &server, &["--fingerprint", "AB:CD"]));
    assert!(said.contains("64 hexadecimal digits"), "{said}");

    // On the server's own machine, where nothing is open without TLS, the fleet file says all of it.
    let text = std::fs::read_to_string(site.fleet()).unwrap();
    let near = site.fleet().with_file_name("near.toml");
    let plain = format!("listen = [\"127.0.0.1:{}\"]", site.web);
    std::fs::write(&near, text.replace(&plain, "listen = [\"192.0.2.7:8080\"]")).unwrap();
    let here = || {
        let mut command = mcp(&site);
        command.env("BREAKGLASS_FLEET", &near);
        command
    };
    works(here()).await;
    let arguments = pinned(&printed(here()));
    assert!(arguments.contains(&server) && arguments.contains(&shown), "{arguments:?}");
    let mut as_printed = command(&[]);
    as_printed.args(&arguments);
    works(as_printed).await;
    // Whoever is told elsewhere what to believe has that in what is printed.
    let arguments = pinned(&printed(far(&site, "https://192.0.2.9:8443", &["--fingerprint", &bare])));
    assert!(
        arguments.contains(&"https://192.0.2.9:8443".to_owned()) && arguments.contains(&shown),
        "{arguments:?}"
    );
}

struct Files {
    authority: PathBuf,
    stranger: PathBuf,
    lines: String,
}

/// A certificate for this name from an authority of the test's own, and another authority that vouches for nobody.
fn files(dir: &Path, name: &str) -> Files {
    let authority = || {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().pem();
        (Issuer::new(params, key), root)
    };
    let ((issuer, root), (_, other)) = (authority(), authority());
    let key = KeyPair::generate().unwrap();
    let page = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let write = |file: &str, text: String| {
        std::fs::write(dir.join(file), text).unwrap();
        dir.join(file)
    };
    let (certificate, private) = (write("page.pem", page.pem()), write("page.key", key.serialize_pem()));
    Files {
        authority: write("root.pem", root),
        stranger: write("stranger.pem", other),
        lines: format!("certificate = {certificate:?}\nkey = {private:?}\n"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_from_files_is_believed_by_whoever_vouches_for_it_and_for_its_names_alone() {
    let dir = tempfile::tempdir().unwrap();
    let of = files(dir.path(), "127.0.0.1");
    let (site, server) = secure(&of.lines);
    let serving_one = serving(&site);
    let (authority, stranger) = (of.authority.to_str().unwrap(), of.stranger.to_str().unwrap());
    works(far(&site, &server, &["--ca", authority])).await;
    works(far(&site, &server, &["--fingerprint", &fingerprint(&site)])).await;
    let told = fails(far(&site, &server, &["--ca", stranger])).await;
    assert!(told.contains("file of --ca") && told.contains(&fingerprint(&site)), "{told}");
    let told = fails(far(&site, &server, &[])).await;
    assert!(told.contains("--ca") && told.contains("--fingerprint"), "{told}");
    let said = refused(far(&site, &server, &["--ca", site.fleet().to_str().unwrap()]));
    assert!(said.contains("no certificate is in it"), "{said}");
    // A certificate from files is renewed, so none is written down; who vouches for it is.
    let arguments = pinned(&printed(far(&site, &server, &["--ca", authority])));
    assert!(
        arguments.contains(&authority.to_owned()) && !arguments.contains(&"--fingerprint".to_owned()),
        "{arguments:?}"
    );
    drop(serving_one);

    let dir = tempfile::tempdir().unwrap();
    let of = files(dir.path(), "rescue.example.net");
    let (site, server) = secure(&of.lines);
    let _serving = serving(&site);
    let told = fails(far(&site, &server, &["--ca", of.authority.to_str().unwrap()])).await;
    assert!(told.contains("other names") && told.contains(&fingerprint(&site)), "{told}");
    works(far(&site, &server, &["--fingerprint", &fingerprint(&site)])).await;
    // A port that speaks no TLS, by mistake.
    let plain = format!("https://127.0.0.1:{}", site.web);
    let told = fails(far(&site, &plain, &["--ca", of.authority.to_str().unwrap()])).await;
    assert!(told.contains("no encryption could be agreed on"), "{told}");
}
