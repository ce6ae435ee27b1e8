//! The resources that everything is measured on.

use pocketchart_tests::{clinic, shared, synthea};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ARCHIVE: &str = "synthea-100.tar.xz";
/// Copies of the committed clinic, where the archive is not there.
const COPIES: usize = 5;

/// The resources.
pub(crate) struct Corpus {
    pub(crate) what: String,
    /// As compact JSON, each name once.
    pub(crate) lines: Vec<String>,
    /// All of them, one a line.
    pub(crate) ndjson: PathBuf,
    /// The Bundles they came in, where there are some.
    pub(crate) bundles: Option<PathBuf>,
}

impl Corpus {
    /// Makes its files in `folder`.
    pub(crate) fn make(folder: &Path) -> Self {
        let mut bundles = None;
        let (what, lines) = match synthea::records(ARCHIVE) {
            Ok(records) => {
                if let Some(archive) = shared(&format!("data/{ARCHIVE}"), "Bundles") {
                    let unpacked = folder.join("bundles");
                    fs::create_dir(&unpacked).unwrap();
                    let mut tar = Command::new("tar");
                    tar.arg("-xJf").arg(archive).arg("-C").arg(&unpacked);
                    assert!(tar.status().unwrap().success());
                    bundles = Some(unpacked);
                }
                let lines: Vec<String> = records.iter().map(ToString::to_string).collect();
                (ARCHIVE.to_owned(), lines)
            }
            Err(why) => {
                let text = clinic();
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                for copy in 1..COPIES {
                    lines.extend(text.lines().map(|line| renamed(line, copy)));
                }
                let what = format!("the committed clinic {COPIES} times ({ARCHIVE}: {why})");
                (what, lines)
            }
        };
        let ndjson = folder.join("corpus.ndjson");
        fs::write(&ndjson, lines.join("\n") + "\n").unwrap();
        Self {
            what,
            lines,
            ndjson,
            bundles,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.lines.iter().map(String::len).sum()
    }
}

/// The same resource under another id, which refers to the others under theirs.
fn renamed(line: &str, copy: usize) -> String {
    let line = line.replacen("\"id\":\"", &format!("\"id\":\"{copy}-"), 1);
    let mut out = String::with_capacity(line.len() + 64);
    for (at, piece) in line.split("\"reference\":\"").enumerate() {
        if at == 0 {
            out.push_str(piece);
            continue;
        }
        out.push_str("\"reference\":\"");
        match piece.split_once('/') {
            Some((kind, rest)) if kind.bytes().all(|b| b.is_ascii_alphabetic()) => {
                out.push_str(&format!("{kind}/{copy}-{rest}"));
            }
            _ => out.push_str(piece),
        }
    }
    out
}
