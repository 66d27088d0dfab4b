//! Files for the comparison: ordinary ones, and those with an oddity each.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

pub(super) struct Fixtures(tempfile::TempDir);

impl Fixtures {
    pub(super) fn new() -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name);
        let levels = ["info", "warn", "ERROR", "debug"];
        let log: String = (1..=400)
            .map(|n| {
                let level = levels[n % 4];
                format!(
                    "2026-11-{:02} host app[{}]: {level}: request {} took {}ms path=/a_b/{}.html\n",
                    n % 28 + 1,
                    n % 7,
                    n * 7919 % 1000,
                    n * 31 % 97,
                    n % 5
                )
            })
            .collect();
        fs::write(at("log"), &log).unwrap();
        fs::write(at("words"), "pear\napple\nApple\nbanana\npear\npear\n\n  fig\n_x\nfoo bar\nfoo-bar\nfoobar\nfig\nab\naB\n12\n9\n").unwrap();
        fs::write(at("table"), "a\tb\tc\n1:2:3\nx y  z\n  lead  ing\nroot:x:0:0:root:/root:/bin/bash\n\t\ttabs\nnone\nJan 3\nfeb 1\nDEC 2\n").unwrap();
        fs::write(at("blanks"), "\n\n\none\n\n\n\ntwo\n \n\nthree\n\n").unwrap();
        fs::write(at("no-end"), "first\nsecond\nthird").unwrap();
        fs::write(at("crlf"), "one\r\ntwo\r\n\r\nthree\rfour\n").unwrap();
        fs::write(at("empty"), "").unwrap();
        fs::write(at("numbers"), "10\n9\n-3\n1.5\n1.50\n0.9\n+7\n1K\n2M\n900\n1G\n-1K\n007\n 8\nv1.10\nv1.9\na-1.tar.gz\na-1.2.tar.gz\na-1.10.tar.gz\nfoo~\nfoo\n1e3\n.5\n-0\n0\n").unwrap();
        fs::write(at("bytes"), b"caf\xc3\xa9 \xff\xfe\x01\x7f bell\x07\n\xe2\x82\xac 5\n").unwrap();
        fs::write(at("binary"), b"text before\nsome\0binary\nmore text\n").unwrap();
        fs::write(at("wide"), "x".repeat(70_000) + "\nshort\n").unwrap();
        fs::create_dir_all(at("tree/sub/deeper")).unwrap();
        for (name, size) in [
            ("tree/a.conf", 10),
            ("tree/b.conf", 3000),
            ("tree/sub/c.txt", 100_000),
            ("tree/sub/deeper/d.conf", 0),
            ("tree/.hidden", 5),
            ("tree/Z", 1),
            ("tree/v1.10", 3),
            ("tree/v1.9", 2),
        ] {
            fs::write(at(name), "line of text\n".repeat(size / 13 + 1)).unwrap();
        }
        fs::write(at("tree/sub/empty"), "").unwrap();
        fs::set_permissions(at("tree/a.conf"), fs::Permissions::from_mode(0o4755)).unwrap();
        fs::set_permissions(at("tree/b.conf"), fs::Permissions::from_mode(0o1640)).unwrap();
        symlink("a.conf", at("tree/link")).unwrap();
        symlink("sub", at("tree/dirlink")).unwrap();
        symlink("nowhere", at("tree/dangling")).unwrap();
        for (name, date) in [
            ("tree/a.conf", "2020-02-03 04:05:06.789"),
            ("tree/Z", "2026-11-20 12:00"),
            ("tree/v1.9", "2031-01-01 00:00:01"),
        ] {
            run("touch", &["-d", date, at(name).to_str().unwrap()]);
        }
        fs::create_dir(at("odd")).unwrap();
        fs::write(at("odd/esc\x1b[31mred"), "x\n").unwrap();
        fs::write(at("odd/two\nlines"), "x\n").unwrap();
        for name in ["log", "words", "empty"] {
            let path = at(name);
            let path = path.to_str().unwrap();
            run("sh", &["-c", &format!("gzip -c {path} > {path}.gz")]);
        }
        run(
            "sh",
            &[
                "-c",
                &format!(
                    "cat {0}/log.gz {0}/words.gz > {0}/both.gz; head -c 20000000 /dev/zero | gzip -9 > {0}/zeros.gz",
                    scratch.path().display()
                ),
            ],
        );
        Self(scratch)
    }

    pub(super) fn path(&self) -> &Path {
        self.0.path()
    }
}

fn run(program: &str, arguments: &[&str]) {
    assert!(Command::new(program).args(arguments).status().unwrap().success(), "{program} {arguments:?}");
}
