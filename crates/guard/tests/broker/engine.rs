//! The stand-in for a container engine: answers the documented read requests over its socket, with and without chunks, and
//! remembers what it was asked.

use crate::stage::Stage;
use std::fs;
use std::io::{BufRead as _, BufReader, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex};

pub(super) struct Engine {
    pub(super) asked: Arc<Mutex<Vec<String>>>,
}

const LIST: &str = r#"[{"Id":"0123456789abcdef0123","Names":["/n8n"],"Image":"n8nio/n8n:1.2","Command":"node --token=BGCANARY-cmd",
 "Created":1,"State":"running","Status":"Up 3 hours","Ports":[{"IP":"0.0.0.0","PrivatePort":5678,"PublicPort":80,"Type":"tcp"}],
 "NetworkSettings":{"Networks":{"web":{}}}},
 {"Id":"fedcba9876543210fedc","Names":["/db"],"Image":"postgres","Command":"postgres","Created":1,"State":"exited",
 "Status":"Exited (0) 2 days ago","Ports":[{"PrivatePort":5432,"Type":"tcp"}]}]"#;
const ABOUT: &str = r#"{"Id":"0123456789abcdef0123","Name":"/n8n","Image":"sha256:aa","State":{"Status":"running","Pid":7,"ExitCode":0},
 "Config":{"Tty":false,"Image":"n8nio/n8n:1.2","Env":["N8N_ENCRYPTION_KEY=BGCANARY-n8nkey","DB_POSTGRESDB_PASSWORD=BGCANARY-dbpw"],
 "Labels":{"traefik.auth":"admin:$apr1$BGCANARY"},"Cmd":["node","--token=BGCANARY-arg"]},"RestartCount":2}"#;
const TOP: &str =
    r#"{"Titles":["PID","USER","CMD"],"Processes":[["7","node","node /n8n"],["99","node","sleep"]]}"#;
const STATS: &str = r#"{"id":"0123456789abcdef","name":"/n8n","pids_stats":{"current":11},
 "cpu_stats":{"cpu_usage":{"total_usage":300},"system_cpu_usage":2000,"online_cpus":2},
 "precpu_stats":{"cpu_usage":{"total_usage":100},"system_cpu_usage":1000},
 "memory_stats":{"usage":26738688,"limit":1073741824,"stats":{"inactive_file":2097152}}}"#;
const IMAGES: &str = r#"[{"Id":"sha256:0123456789abcdef0123","RepoTags":["n8nio/n8n:1.2","n8nio/n8n:latest"],"Created":1,"Size":512345678}]"#;

impl Engine {
    pub(super) fn new(stage: &Stage, socket: &str) -> Self {
        let at = stage.at(socket);
        fs::create_dir_all(at.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&at).unwrap();
        // Root's alone: the door's account cannot ask it by itself.
        fs::set_permissions(&at, fs::Permissions::from_mode(0o600)).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let engine = Self { asked: Arc::clone(&asked) };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || serve(connection, &asked));
            }
        });
        engine
    }

    pub(super) fn last(&self) -> String {
        self.asked.lock().unwrap().last().cloned().unwrap_or_default()
    }
}

fn serve(connection: UnixStream, asked: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(connection.try_clone().unwrap());
    let mut out = connection;
    loop {
        let mut request = String::new();
        if lines.read_line(&mut request).unwrap_or(0) == 0 {
            return;
        }
        let mut header = String::from("x");
        while !header.trim().is_empty() {
            header.clear();
            if lines.read_line(&mut header).unwrap_or(0) == 0 {
                return;
            }
        }
        let request = request.trim().trim_end_matches(" HTTP/1.1").to_owned();
        asked.lock().unwrap().push(request.clone());
        let path = request.strip_prefix("GET /v1.41").unwrap_or_default();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let done = match path {
            "/containers/json" => chunked(&mut out, LIST.as_bytes()),
            "/containers/n8n/json" => whole(&mut out, 200, ABOUT),
            "/containers/n8n/top" => whole(&mut out, 200, TOP),
            "/containers/n8n/stats" | "/containers/0123456789abcdef0123/stats" => whole(&mut out, 200, STATS),
            "/containers/fedcba9876543210fedc/stats" => {
                whole(&mut out, 200, "{\"id\":\"fedc\",\"name\":\"/db\"}")
            }
            "/images/json" => whole(&mut out, 200, IMAGES),
            "/info" => whole(&mut out, 200, "{\"Containers\":2,\"ServerVersion\":\"26.1\",\"Plugins\":{}}"),
            "/containers/n8n/logs" => logs(&mut out, query),
            "/containers/endless/json" => whole(&mut out, 200, ABOUT),
            "/containers/endless/logs" => endless(&mut out),
            _ => whole(&mut out, 404, "{\"message\":\"No such container: it\"}"),
        };
        if done.is_err() {
            return;
        }
    }
}

fn whole(out: &mut UnixStream, status: u16, body: &str) -> std::io::Result<()> {
    write!(
        out,
        "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn chunked(out: &mut UnixStream, body: &[u8]) -> std::io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    for piece in body.chunks(100) {
        write!(out, "{:x}\r\n", piece.len())?;
        out.write_all(piece)?;
        out.write_all(b"\r\n")?;
    }
    out.write_all(b"0\r\n\r\n")
}

fn piece(stream: u8, text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).unwrap().to_be_bytes();
    [&[stream, 0, 0, 0], &length[..], text.as_bytes()].concat()
}

fn logs(out: &mut UnixStream, query: &str) -> std::io::Result<()> {
    assert!(query.contains("stdout=1") && query.contains("stderr=1"));
    let all = [
        piece(1, "first line\n"),
        piece(2, "to the error output\n"),
        piece(1, "postgres://n8n:BGCANARY-pg@db/n8n\n"),
        piece(1, "last line\n"),
    ];
    chunked(out, &all.concat())
}

fn endless(out: &mut UnixStream) -> std::io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    loop {
        let piece = piece(1, "again and again\n");
        write!(out, "{:x}\r\n", piece.len())?;
        out.write_all(&piece)?;
        out.write_all(b"\r\n")?;
    }
}
