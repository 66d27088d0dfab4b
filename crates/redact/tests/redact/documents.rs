//! Documents that are masked by their structure, and lines whose form is known.

use crate::rows::contains;
use breakglass_redact::{Shape, Stream, Unreadable};

fn redact(shape: Shape, text: &str) -> Result<String, Unreadable> {
    let (mut stream, mut out) = (Stream::new(shape), Vec::new());
    for piece in text.as_bytes().chunks(7) {
        stream.push(piece, &mut out);
    }
    stream.finish(&mut out).map(|()| String::from_utf8(out).expect("UTF-8"))
}

/// Redacts, sees that the marker `BGCANARY` is gone, that `kept` is still there, and that a second time changes nothing.
fn masks(shape: Shape, text: &str, kept: &[&str]) -> String {
    let shown = redact(shape, text).unwrap_or_else(|wrong| panic!("{}: {text}", wrong.reason));
    assert!(!contains(shown.as_bytes(), b"BGCANARY"), "{shown}");
    for kept in kept {
        assert!(shown.contains(kept), "{kept} is missing: {shown}");
    }
    assert_eq!(redact(shape, &shown).as_ref(), Ok(&shown));
    shown
}

#[test]
fn arguments_end_at_nul_and_come_out_with_blanks() {
    let shown = masks(
        Shape::Arguments,
        "mysqldump\0-u\0root\0-pBGCANARY x\0--all-databases\0",
        &["mysqldump -u root", "--all-databases"],
    );
    assert_eq!(shown, "mysqldump -u root -p[removed by guard: password] --all-databases");
    masks(
        Shape::Arguments,
        "app\0--password\0-BGCANARY with blanks\0--listen\0:80\0",
        &["app", "--listen :80"],
    );
    masks(Shape::Arguments, "sh\0-c\0A=1 PGPASSWORD=BGCANARY psql\0", &["sh -c"]);
    masks(Shape::Arguments, "app\0TOKEN=first\nBGCANARY\0--x\0", &["--x"]);
    // A quote that does not end reaches to the end of its argument, but not over the lines of what was shown before.
    masks(Shape::Arguments, "app {\"password\":\"BGCANARY\n--x\0--y", &["--y"]);
    assert_eq!(redact(Shape::Arguments, "/usr/sbin/sshd\0-D\0").as_deref(), Ok("/usr/sbin/sshd -D"));
}

#[test]
fn a_journal_s_entries_are_masked_by_field() {
    let entry = r#"{"_PID":"4","COREDUMP_ENVIRON":"HOME=/root\nX=BGCANARY","_CMDLINE":"mysql -pBGCANARY -u x","MESSAGE":"user=a password=BGCANARY ok","PRIORITY":"6"}"#;
    masks(
        Shape::JsonLines,
        &format!("{entry}\n{entry}\n"),
        &["\"_PID\":\"4\"", "-u x", "user=a", "\"PRIORITY\":\"6\"}\n"],
    );
    // As a journal writes what is not plain text.
    let bytes: Vec<String> = b"\x1b[1mpass\x1b[0mword=BGCANARY".iter().map(u8::to_string).collect();
    masks(Shape::JsonLines, &format!("{{\"MESSAGE\":[{}]}}\n", bytes.join(",")), &["MESSAGE"]);
    masks(Shape::JsonLines, r#"{"MESSAGE":"p\u0061ssword=BGCANARY"}"#, &["MESSAGE"]);
    masks(Shape::JsonLines, "-- No entries --\npassword=BGCANARY\n", &["-- No entries --\n"]);
    let key = "{\"MESSAGE\":\"-----BEGIN PRIVATE KEY-----\"}\n{\"MESSAGE\":\"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUZHBGCANARY\"}\n{\"MESSAGE\":\"-----END PRIVATE KEY-----\"}\n{\"MESSAGE\":\"ready\"}\n";
    masks(Shape::JsonLines, key, &["{\"MESSAGE\":\"ready\"}\n"]);
    let plain = "{\"MESSAGE\":\"Started nginx.service\",\"_BOOT_ID\":\"efadb5d95fd14343a081a283872ff892\",\"__CURSOR\":\"s=c988a82e7bdb9bca21e88ef60ca530c0;i=2f3a1\"}\n";
    assert_eq!(redact(Shape::JsonLines, plain).as_deref(), Ok(plain));
}

#[test]
fn properties_that_hold_environments_or_credentials_are_dropped() {
    let text = "Id=app.service\nEnvironment=A=BGCANARY \"B=BGCANARY x\"\n more BGCANARY\nEnvironmentFiles=/etc/BGCANARY (ignore_errors=no)\nSetCredential=x:BGCANARY\nLoadCredential=x:/BGCANARY\nPassEnvironment=BGCANARY\nExecStart={ path=/usr/bin/app ; argv[]=/usr/bin/app --password BGCANARY --listen :80 ; ignore_errors=no }\nMainPID=41\n";
    let shown = masks(
        Shape::Properties,
        text,
        &["Id=app.service\n", "argv[]=/usr/bin/app --password", "--listen :80 ;", "MainPID=41\n"],
    );
    assert!(shown.contains("Environment=[removed by guard: environment]\n"), "{shown}");
    masks(Shape::Properties, "Env\u{1b}[0mironment=A=BGCANARY\nEn\u{1b}[1mvironment=BGCANARY", &[]);
    let key = "Status=-----BEGIN PRIVATE KEY-----\nEnvironment=A=BGCANARY\nx=QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVpBQkNERUZHBGCANARY\nready\n";
    masks(Shape::Properties, key, &["ready\n"]);
    masks(
        Shape::Properties,
        "Environment=A=b\nkTz83QpLm4VxN2sRb7Wd9YhGc5FjA6eUBGCANARYx0=\nready\n",
        &["ready\n"],
    );
    let plain = "Id=app.service\nNames=app.service\n\nId=b.service\nActiveState=active\n";
    assert_eq!(redact(Shape::Properties, plain).as_deref(), Ok(plain));
}

#[test]
fn containers_are_masked_whole_where_they_hold_environments() {
    let text = r#"[
    {
        "Id": "5b9acc575fbf5ab8fbf28d73f5da4352d274dad192618db2f4de9d09ba74b126",
        "Args": ["--password", "BGCANARY", "--listen", ":80"],
        "Config": {
            "Env": ["PATH=BGCANARY", "X=BGCANARY"],
            "Cmd": ["redis-server", "--requirepass", "BGCANARY"],
            "Labels": {"traefik.x": "y", "admin.password": "BGCANARY", "b": "postgres://u:BGCANARY@db/x"},
            "Healthcheck": {"Test": ["CMD-SHELL", "mysqladmin ping -pBGCANARY"]}
        },
        "CreateCommand": ["podman", "run", "-e", "NAME=BGCANARY", "--env=OTHER=BGCANARY", "app"],
        "State": {"Running": true, "Pid": 412, "Exit": -1.5e3}
    }
]
"#;
    let shown = masks(
        Shape::ContainerJson,
        text,
        &["5b9acc575fbf5ab8", "--listen", "\"traefik.x\": \"y\"", "\"Running\": true", "-1.5e3", "\"app\"]"],
    );
    assert!(shown.contains("\"PATH=[removed by guard: environment]\""), "{shown}");
    masks(Shape::ContainerJson, r#"{"E\u006ev":["A=BGCANARY"]}"#, &[]);
}

#[test]
fn kubernetes_objects_are_masked_and_lose_what_managers_keep() {
    let text = r#"{"items":[{"metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{BGCANARY}","a":"b"},"managedFields":[{"x":"BGCANARY"}],"name":"web"},"data":{"k":"BGCANARY"},"stringData":{"k":"BGCANARY"},"spec":{"containers":[{"args":["--token","BGCANARY"],"env":[{"name":"A","value":"BGCANARY"},{"name":"B","valueFrom":{"secretKeyRef":{"key":"password","name":"db"}}}],"image":"nginx:1.25"}]}}],"kind":"List"}"#;
    let shown = masks(
        Shape::KubernetesJson,
        text,
        &["\"name\":\"web\"", "\"key\":\"password\"", "\"image\":\"nginx:1.25\"", "{\"a\":\"b\"}"],
    );
    assert!(!shown.contains("managedFields") && !shown.contains("last-applied"), "{shown}");
    for (text, left) in [
        (r#"{"a":1,"managedFields":[2]}"#, r#"{"a":1}"#),
        (r#"{"managedFields":[2],"a":1}"#, r#"{"a":1}"#),
        (r#"{"managedFields":[2]}"#, "{}"),
        (r#"{"a":1, "managedFields":[2], "managedFields":3}"#, r#"{"a":1}"#),
    ] {
        assert_eq!(redact(Shape::KubernetesJson, text).as_deref(), Ok(left));
    }
}

#[test]
fn kubernetes_yaml_is_masked_the_same() {
    let text = "apiVersion: v1
items:
- apiVersion: v1
  data:
    key: BGCANARY
    long: |
      BGCANARY

      BGCANARY
  metadata:
    annotations:
      kubectl.kubernetes.io/last-applied-configuration: |
        {\"BGCANARY\":1}
      note: plain
    managedFields:
    - apiVersion: v1
      fieldsV1:
        f:BGCANARY:
          .: {}
          k:{\"BGCANARY\":\"x\"}:
            f:a: {}
    name: web
  spec:
    containers:
    - args:
      - --token
      - BGCANARY
      - --listen=:80
      env:
      - name: A
        value: BGCANARY
      - name: B
        value: \"BGCANARY and
          BGCANARY\"
      - name: C
        valueFrom:
          secretKeyRef:
            key: password
            name: db
      image: nginx:1.25
      ports: []
    note: 'it''s
      fine'
    url: postgres://u:BGCANARY@db/x
kind: List
";
    let kept = [
        "    name: web\n",
        "key: password",
        "image: nginx:1.25\n",
        "      - --listen=:80\n",
        "note: 'it''s\n      fine'\n",
        "kind: List\n",
        "note: plain",
    ];
    let shown = masks(Shape::KubernetesYaml, text, &kept);
    assert!(!shown.contains("managedFields") && !shown.contains("last-applied"), "{shown}");
}

#[test]
fn what_does_not_read_is_not_shown() {
    let json = [
        "{",
        "[1,]",
        "{\"a\":1,}",
        "{\"a\" 1}",
        "password=x",
        "{\"a\":01}",
        "{} {}",
        "{\"a\":\"\u{1}\"}",
        "nul",
        "[\"a\" \"b\"]",
        "{\"a\":tru}",
        "\"\\q\"",
        "-",
        "1.",
    ];
    for text in json {
        for shape in [Shape::ContainerJson, Shape::KubernetesJson] {
            assert!(redact(shape, text).is_err(), "{text}");
        }
    }
    let yaml = [
        "a: &x b",
        "a: *x",
        "a: !tag b",
        "a: {b: c}",
        "a: [b]",
        "? a",
        "a: \"x",
        "a: 'x' y",
        "\ta: b",
        "just words",
        "a: \"\\q\"",
    ];
    for text in yaml {
        assert!(redact(Shape::KubernetesYaml, text).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(redact(Shape::ContainerJson, &deep).is_err());
    let mut stream = Stream::new(Shape::ContainerJson);
    let mut out = Vec::new();
    for _ in 0..80 {
        stream.push(&[b' '; 65_536], &mut out);
    }
    assert!(stream.finish(&mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn documents_without_secrets_stay_as_they_are() {
    let json = "{\n  \"a\": [1, 2, {\"b\": null}],\n  \"c\": \"\\u00e9\\n\"\n}\n";
    for shape in [Shape::ContainerJson, Shape::KubernetesJson] {
        assert_eq!(redact(shape, json).as_deref(), Ok(json));
    }
    let yaml = "# comment\n---\na:\n- b: 1\n  c: \"x\"\n-\n  d: 2\ne: |-\n  text\n\n  more\nf: plain\n  goes on\ng: {}\n";
    assert_eq!(redact(Shape::KubernetesYaml, yaml).as_deref(), Ok(yaml));
    // A name that had to change counts as what it has become.
    masks(Shape::JsonLines, "{\"x --token BGCANARY\":\"A=b\"}", &[]);
    masks(Shape::ContainerJson, "{\"name\":\"password=BGCANARY\",\"value\":\"x1\"}", &[]);
    assert_eq!(redact(Shape::ContainerJson, "").as_deref(), Ok(""));
}
