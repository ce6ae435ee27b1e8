//! `import` and `export` as a person or a script uses them, and an import that is killed.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::{pocketchart, told};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.file("passphrase", "plum orbit lantern 42\n");
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn command(&self, home: &str, args: &[&str]) -> Command {
        let mut command = pocketchart();
        command.arg("--home").arg(self.path(home));
        command
            .arg("--passphrase-file")
            .arg(self.path("passphrase"));
        command.args(args);
        command
    }

    fn run(&self, home: &str, args: &[&str]) -> (i32, String, String) {
        let output = self.command(home, args).output().unwrap();
        told(output)
    }

    fn ok(&self, home: &str, args: &[&str]) -> String {
        let (code, out, err) = self.run(home, args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }
}

fn patient(n: usize) -> String {
    format!("{{\"resourceType\":\"Patient\", \"id\":\"p{n}\",\"v\":1.00}}")
}

#[test]
fn import_reports_and_export_gives_everything_back() {
    let place = Place::new();
    place.ok("v", &["--json", "vault", "create"]);
    let good = place.file("good.ndjson", &format!("{}\n{}\n", patient(1), patient(2)));
    assert_eq!(
        place.ok("v", &["import", &good]),
        "2 resources stored, 0 there already, 0 not imported, from 1 file\n"
    );
    let bad = place.file(
        "bad.ndjson",
        &format!("{}\n{{\"id\":\"Smith\"}}\n{}\n", patient(1), patient(3)),
    );
    let (code, out, err) = place.run("v", &["import", &bad]);
    assert_eq!(code, 1);
    assert_eq!(
        out,
        "1 resource stored, 1 there already, 1 not imported, from 1 file\n"
    );
    assert_eq!(
        err,
        format!("pocketchart: not imported: {bad}, line 2: resourceType is missing\n")
    );
    let (code, out, err) = place.run("v", &["--json", "import", &bad, &format!("{bad}.gz")]);
    assert_eq!((code, err.as_str()), (1, ""));
    let lines: Vec<Value> = out
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    assert_eq!(
        lines[0]["refused"]["reason"],
        "the file cannot be read: entity not found"
    );
    assert_eq!(lines[1]["refused"]["line"], 2);
    assert_eq!(
        (&lines[2]["stored"], &lines[2]["unchanged"]),
        (&0.into(), &2.into())
    );

    assert!(place.ok("v", &["status"]).contains("3 records"));
    let out = place.path("out.ndjson");
    let words = place.ok("v", &["export", "--ndjson", out.to_str().unwrap()]);
    assert!(words.starts_with("3 resources written to ") && words.contains("in clear"));
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!(text, place.ok("v", &["export", "--ndjson", "-"]));
    assert_eq!(text.lines().next().unwrap(), patient(1).replace(", ", ","));
    let one = place.ok("v", &["export", "--ndjson", "-", "--patient", "p2"]);
    assert_eq!(one, patient(2).replace(", ", ",") + "\n");
    assert_eq!(
        place
            .run("v", &["export", "--ndjson", "-", "--patient", "a/b"])
            .0,
        2
    );
    assert_eq!(place.run("v", &["import"]).0, 2);
    // Nothing waits for a server, unless it was asked for.
    assert!(place.ok("v", &["status"]).contains("Nothing waits"));
    place.ok(
        "v",
        &["import", "--as-edits", &place.file("e.json", &patient(4))],
    );
    assert!(place.ok("v", &["status"]).contains("Patient/p4"));
}

fn files_of(folder: &Path, count: usize, each: usize) {
    fs::create_dir(folder).unwrap();
    for file in 0..count {
        let entries: Vec<String> = (file * each..(file + 1) * each)
            .map(|n| {
                // The last ones are the targets of the first: what was open when it was killed is open again.
                let resource = format!(
                    "{{\"resourceType\":\"Patient\",\"id\":\"p{n}\",\"identifier\":[{{\"system\":\"s\",\"value\":\"{n}\"}}],\
                     \"link\":[{{\"other\":{{\"reference\":\"Patient?identifier=s|{}\"}}}}],\"x\":\"{}\"}}",
                    count * each - 1 - n,
                    "y".repeat(2_000)
                );
                format!("{{\"resource\":{resource},\"request\":{{\"method\":\"POST\",\"url\":\"Patient\"}}}}")
            })
            .collect();
        let text = format!(
            "{{\"resourceType\":\"Bundle\",\"type\":\"transaction\",\"entry\":[{}]}}",
            entries.join(",")
        );
        fs::write(folder.join(format!("{file:03}.json")), text).unwrap();
    }
}

/// SIGKILL in the middle, at another moment each time: the vault is sound, and importing again gives what an import
/// without a kill gives.
#[test]
fn a_killed_import_done_again_gives_the_same() {
    let place = Place::new();
    let folder = place.path("in");
    files_of(&folder, 30, 500);
    let args = ["import", folder.to_str().unwrap()];
    place.ok("whole", &["--json", "vault", "create"]);
    assert!(
        place
            .ok("whole", &args)
            .starts_with("15,000 resources stored")
    );
    let sorted = |home: &str| {
        let out = place.ok(home, &["export", "--ndjson", "-"]);
        let mut lines: Vec<String> = out.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let whole = sorted("whole");
    assert_eq!(whole.len(), 15_000);
    assert!(!whole.iter().any(|line| line.contains("?identifier")));
    place.ok("killed", &["--json", "vault", "create"]);
    let wal = place.path("killed/vault/store-1.db-wal");
    let mut parts = 0;
    for round in 0..6_u64 {
        let mut command = place.command("killed", &args);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        // Once something was written; a little later each time, so that it is inside a transaction or between two.
        while fs::metadata(&wal).map_or(0, |meta| meta.len()) < 100_000 {
            if child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(30 * round));
        let _ = child.kill();
        child.wait().unwrap();
        assert!(
            place
                .ok("killed", &["vault", "check"])
                .contains("All is well"),
            "round {round}"
        );
        let there = sorted("killed").len();
        parts += usize::from(there > 0 && there < 15_000);
    }
    assert!(parts > 0, "no kill found a part of the records stored");
    place.ok("killed", &args);
    assert_eq!(sorted("killed"), whole);
}
