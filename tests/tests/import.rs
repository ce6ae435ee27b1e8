//! Imports: what goes in, byte for byte, and what stays out, with its message.
#![allow(missing_docs, clippy::unwrap_used)]

use pocketchart_core::access::{Guard, Origin};
use pocketchart_core::transfer::{Import, ImportReport};
use pocketchart_tests::*;
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// A vault and a folder of files.
struct Place {
    guard: Guard,
    folder: tempfile::TempDir,
    _home: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        Self {
            guard: make_vault(home.path()).0,
            folder: tempfile::tempdir().unwrap(),
            _home: home,
        }
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Imports one file.
    fn import(&self, name: &str, content: impl AsRef<[u8]>) -> ImportReport {
        import(&self.guard, &[self.file(name, content)])
    }

    /// Imports one file; answers with what was refused, without the folder.
    fn refusals(&self, name: &str, content: impl AsRef<[u8]>) -> Vec<String> {
        let report = self.import(name, content);
        assert_eq!(report.refused, report.refusals.len() as u64);
        let folder = format!("{}/", self.folder.path().display());
        let all = report.refusals.iter();
        all.map(|r| r.to_string().replace(&folder, "")).collect()
    }

    fn text(&self, name_text: &str) -> Option<String> {
        let record = self.guard.get(&name(name_text)).unwrap();
        record.map(|record| record.text)
    }
}

fn bundle(kind: &str, entries: &[String]) -> String {
    format!(
        "{{\"resourceType\":\"Bundle\",\"id\":\"b\",\"type\":\"{kind}\",\n\"entry\":[{}]}}",
        entries.join(",\n")
    )
}

fn entry(full_url: &str, method: &str, url: &str, resource: &str) -> String {
    format!(
        "{{\"fullUrl\":\"{full_url}\",\"resource\":{resource},\"request\":{{\"method\":\"{method}\",\"url\":\"{url}\"}}}}"
    )
}

const UUID: &str = "61ebe359-bfdc-4613-8bf2-c5e300945f0a";
const OTHER: &str = "88f151c0-a954-468a-88bd-5ae15c08e059";

#[test]
fn bytes_stay_in_every_form() {
    let place = Place::new();
    let odd = |id: &str| {
        format!(
            "{{ \"x\" : 1.00,\t\"resourceType\":\"Patient\", \"id\":\"{id}\", \"u\":\"\\u00e9\",\"_birthDate\":{{}}, \"e\":-1E+2 }}"
        )
    };
    let spread = odd("one").replace(", ", ",\r\n  ");
    place.import("one.json", format!("\u{feff}\n {spread}\n\n"));
    assert_eq!(place.text("Patient/one").unwrap(), spread);

    let report = place.import("two.ndjson", format!("{}\r\n\n  {}  ", odd("a"), odd("b")));
    assert_eq!((report.stored, report.refused, report.files), (2, 0, 1));
    // Lines under a name that does not say so.
    assert_eq!(
        place
            .import("two.json", format!("{}\n{}\n", odd("c"), odd("d")))
            .stored,
        2
    );
    for kind in ["collection", "searchset"] {
        let plain = format!("{{\"resource\": {} }}", odd(kind));
        assert_eq!(place.import("b.json", bundle(kind, &[plain])).stored, 1);
        assert_eq!(place.text(&format!("Patient/{kind}")).unwrap(), odd(kind));
    }
    for id in ["a", "b", "c", "d"] {
        assert_eq!(place.text(&format!("Patient/{id}")).unwrap(), odd(id));
    }
    // Other Bundles are records of their own.
    for kind in ["document", "message", "history", "transaction-response"] {
        let text = bundle(kind, &[format!("{{\"resource\":{}}}", odd("inner"))]);
        assert_eq!(place.import("b.json", &text).stored, 1);
        assert_eq!(place.text("Bundle/b").unwrap(), text);
        assert_eq!(place.text("Patient/inner"), None);
    }
    let record = place.guard.get(&name("Patient/a")).unwrap().unwrap();
    assert_eq!(record.origin, Origin::Server);
    assert!(place.guard.pending(None).unwrap().is_empty());
}

#[test]
fn packed_files() {
    let place = Place::new();
    let gz = |text: &str| {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(text.as_bytes()).unwrap();
        packer.finish().unwrap()
    };
    let two_members = [
        gz(&patient("g1", "1")),
        gz(&format!("\n{}", patient("g2", "1"))),
    ]
    .concat();
    assert_eq!(place.import("a.ndjson.gz", two_members).stored, 2);
    let zst = zstd::bulk::compress(patient("z", "1").as_bytes(), 3).unwrap();
    assert_eq!(place.import("a.json.zst", zst).stored, 1);
    assert_eq!(place.import("a.json.xz", XZ).stored, 1);
    assert!(place.text("Patient/xz").is_some());

    let whole = gz(&format!(
        "{}\n{}",
        patient("g3", "1"),
        patient("g4", "1").repeat(50)
    ));
    let cut_off = &whole[..whole.len() - 12];
    assert_eq!(
        place.refusals("cut.ndjson.gz", cut_off),
        ["cut.ndjson.gz: the compressed file is cut off"]
    );
    assert!(
        place.text("Patient/g3").is_some(),
        "whole lines before it went in"
    );
    assert_eq!(
        place.refusals("cut.json.xz", &XZ[..60]),
        ["cut.json.xz: the compressed file is cut off"]
    );
    let zst = zstd::bulk::compress(patient("z", "2").as_bytes(), 3).unwrap();
    assert_eq!(
        place.refusals("cut.json.zst", &zst[..zst.len() - 5]),
        ["cut.json.zst: the compressed file is cut off"]
    );
    let mut damaged = gz(&patient("g5", "1").repeat(20));
    let middle = damaged.len() / 2;
    damaged[middle..middle + 8].fill(0xff);
    assert_eq!(
        place.refusals("bad.json.gz", damaged),
        ["bad.json.gz: the compressed file is damaged, or needs more than 64 MiB to unpack"]
    );
}

/// The list of the issue, each with its message.
#[test]
fn bad_input_is_named_and_the_rest_goes_in() {
    let good = patient("good", "1");
    let deep = format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"deep\",\"x\":{}{}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let large = format!(
        "{{\"resourceType\":\"Patient\",\"id\":\"large\",\"x\":\"{}\"}}",
        "y".repeat(17 << 20)
    );
    let large_bytes = large.len();
    let bad_id = r#"{"resourceType":"Patient","id":"Smith, John"}"#;
    let unknown = r#"{"resourceType":"Patent","id":"a"}"#;
    let no_type = r#"{"id":"a","name":"Smith"}"#;
    let no_id = r#"{"resourceType":"Patient","name":"Smith"}"#;
    let cases: Vec<(Vec<u8>, String)> = vec![
        (
            b"Smith, John".into(),
            "the resource is not a JSON object (line 2, column 1)".into(),
        ),
        (
            br#"{"resourceType":"Patient","id":"a""#.into(),
            "Patient/a: the resource is not a JSON object (line 2, column 34)".into(),
        ),
        (
            b"[1]".into(),
            "the resource is not a JSON object (line 2, column 0)".into(),
        ),
        (
            deep.clone().into(),
            "Patient/deep: the resource is nested deeper than 64 levels".into(),
        ),
        (
            large.clone().into(),
            format!(
                "Patient/large: the resource has {large_bytes} bytes; at most 16777216 are taken"
            ),
        ),
        (
            bad_id.into(),
            "id: an id is 1 to 64 letters, digits, '-' or '.'".into(),
        ),
        (
            unknown.into(),
            "resourceType is not a FHIR R4 resource type".into(),
        ),
        (no_type.into(), "resourceType is missing".into()),
        (no_id.into(), "id is missing".into()),
        (
            b"{\"resourceType\":\"Patient\",\"id\":\"\xff\"}".into(),
            "the resource is not UTF-8 (byte 32)".into(),
        ),
        (
            bundle(
                "collection",
                &[format!("{{\"resource\":{}}}", bundle("document", &[]))],
            )
            .replace('\n', "")
            .into(),
            "entry 1, Bundle/b: it is a Bundle inside another Bundle".into(),
        ),
    ];
    for (bad, message) in &cases {
        let place = Place::new();
        let content = [
            good.as_bytes(),
            b"\n",
            bad,
            b"\n",
            observation("rest", "good", "1").as_bytes(),
        ]
        .concat();
        let refusals = place.refusals("in.ndjson", &content);
        let [refusal] = &refusals[..] else {
            panic!("{message}: {refusals:?}")
        };
        let separator = if message.starts_with(char::is_uppercase) || message.starts_with("entry") {
            ", "
        } else {
            ": "
        };
        assert_eq!(*refusal, format!("in.ndjson, line 2{separator}{message}"));
        for private in ["Smith", "yyy"] {
            assert!(!refusal.contains(private), "{refusal}");
        }
        assert!(place.text("Patient/good").is_some() && place.text("Observation/rest").is_some());
    }
    // The same as entries of a Bundle; they stand on lines of their own.
    for (bad, message) in &cases[3..10] {
        let place = Place::new();
        let entries = [
            format!("{{\"resource\":{good}}}"),
            "{\"resource\":BAD}".into(),
            format!("{{\"resource\":{}}}", observation("rest", "good", "1")),
        ];
        let text = bundle("collection", &entries);
        let (front, back) = text.split_once("BAD").unwrap();
        let refusals = place.refusals("in.json", [front.as_bytes(), bad, back.as_bytes()].concat());
        let [refusal] = &refusals[..] else {
            panic!("{message}: {refusals:?}")
        };
        assert!(refusal.starts_with("in.json, line 3, entry 2"), "{refusal}");
        let reason = message.split(": the resource").last().unwrap();
        let expected = if message.contains("17825") || message.contains("UTF-8") {
            "the resource"
        } else {
            reason
        };
        assert!(refusal.contains(expected), "{refusal}");
        assert!(place.text("Observation/rest").is_some());
    }
}

#[test]
fn whole_files_that_cannot_be_used() {
    let place = Place::new();
    let one = patient("a", "1");
    let cases = [
        (
            "zero.json",
            String::new(),
            "zero.json: the resource is empty",
        ),
        (
            "zero.ndjson",
            String::new(),
            "zero.ndjson: the resource is empty",
        ),
        (
            "text.json",
            "Smith, John".into(),
            "text.json, line 1: the resource is not a JSON object (line 1, column 1)",
        ),
        (
            "half.json",
            bundle("collection", &[format!("{{\"resource\":{one}")]).replace("]}", ""),
            "half.json: the file ends in the middle of a value",
        ),
        (
            "more.json",
            format!("{}\n}} x", one.replace(',', ",\n")),
            "more.json, line 7: there is more text behind the end of the resource",
        ),
        (
            "entries.json",
            r#"{"resourceType":"Bundle","type":"collection","entry":{"resource":{}}}"#.into(),
            "entries.json: the Bundle's entry is not an array; nothing of it was stored",
        ),
        (
            "list.json",
            format!(
                r#"{{"resourceType":"Bundle","type":"collection","entry":[{{"resource":{one}}} {{}}]}}"#
            ),
            "list.json, line 1: the resource is not a JSON object",
        ),
    ];
    for (file, content, message) in cases {
        let refusals = place.refusals(file, content);
        assert!(
            refusals.len() == 1 && refusals[0].starts_with(message),
            "{message}: {refusals:?}"
        );
    }
    assert!(
        place.text("Patient/a").is_some(),
        "more.json holds a whole resource"
    );
    let missing = import(&place.guard, &[place.folder.path().join("none.json")]);
    assert!(
        missing.refusals[0]
            .to_string()
            .ends_with("none.json: the file cannot be read: entity not found")
    );
}

#[test]
fn a_transaction_with_forward_urns_posts_and_puts() {
    let place = Place::new();
    let observation = format!(
        r#"{{"resourceType":"Observation", "subject":{{"reference" : "urn:uuid:{UUID}"}},"value":1.00,"focus":[{{"reference":"urn:uuid:{OTHER}"}}]}}"#
    );
    let entries = [
        entry("urn:uuid:x", "POST", "Observation", &observation),
        entry(
            &format!("urn:uuid:{UUID}"),
            "POST",
            "Patient",
            r#"{"resourceType":"Patient","name":[]}"#,
        ),
        entry(
            "http://x/Basic/p",
            "PUT",
            "Basic/p",
            r#"{"resourceType":"Basic","id":"p"}"#,
        ),
        entry(
            "http://x/Basic/q",
            "PUT",
            "Basic/other",
            r#"{"resourceType":"Basic","id":"q"}"#,
        ),
        entry(
            "",
            "PUT",
            "Patient?identifier=a|b",
            r#"{"resourceType":"Patient"}"#,
        ),
        r#"{"request":{"method":"DELETE","url":"Basic/p"}}"#.into(),
        r#"{"request":{"method":"GET","url":"Basic/p"}}"#.into(),
        r#"{"request":{"method":"POST","url":"Basic"}}"#.into(),
        format!("{{\"resource\":{}}}", patient("no-request", "1")),
    ];
    let text = bundle("transaction", &entries);
    let report = place.import("t.json", &text);
    assert_eq!(report.stored, 3);
    let reasons: Vec<String> = report
        .refusals
        .iter()
        .map(|r| format!("{} {}", r.entry.unwrap(), r.reason))
        .collect();
    assert_eq!(
        reasons,
        [
            "4 the entry's request.url does not fit its resource",
            "6 the entry is not a POST or PUT",
            "7 the entry is not a POST or PUT",
            "8 the entry has no resource",
            "9 the entry is not a POST or PUT",
            // Those that only their own text refuses come when it is read.
            "5 id is missing",
        ]
    );
    assert_eq!(
        place.text(&format!("Patient/{UUID}")).unwrap(),
        format!(r#"{{"resourceType":"Patient","id":"{UUID}","name":[]}}"#)
    );
    let made = exported(&place.guard)
        .into_iter()
        .find(|line| line.contains("Observation"))
        .unwrap();
    let id = &made[r#"{"resourceType":"Observation","id":""#.len()..][..36];
    let want = observation
        .replace(&format!("urn:uuid:{UUID}"), &format!("Patient/{UUID}"))
        .replace(
            "\"Observation\"",
            &format!("\"Observation\",\"id\":\"{id}\""),
        );
    assert_eq!(place.text(&format!("Observation/{id}")).unwrap(), want);
    // The urn that no entry has is reported, with its record.
    assert_eq!(report.unresolved_references, 1);
    assert_eq!(
        report.unresolved[0].name.to_string(),
        format!("Observation/{id}")
    );

    let again = place.import("t.json", &text);
    assert_eq!(
        (again.stored, again.unchanged),
        (0, 3),
        "made ids are made alike"
    );
}

#[test]
fn doubles_are_an_error_in_one_transaction_only() {
    let place = Place::new();
    let twice = |method: &str| {
        [
            entry("urn:uuid:1", method, "Patient/a", &patient("a", "1")),
            entry("urn:uuid:2", method, "Patient/b", &patient("b", "1")),
            entry("urn:uuid:3", method, "Patient/a", &patient("a", "2")),
        ]
    };
    assert_eq!(
        place.refusals("t.json", bundle("transaction", &twice("PUT"))),
        [
            "t.json, entry 3: the record stands in entry 1 of this transaction as well; nothing of the transaction was stored"
        ]
    );
    assert_eq!(place.text("Patient/b"), None);
    for kind in ["collection", "batch"] {
        let report = place.import("t.json", bundle(kind, &twice("PUT")));
        assert_eq!(report.refused, 0, "{kind}");
        assert_eq!(
            place.text("Patient/a").unwrap(),
            patient("a", "2"),
            "the last one wins"
        );
    }
    let lines = format!(
        "{}\n{}\n{}\n",
        patient("a", "3"),
        patient("a", "4"),
        patient("a", "4")
    );
    let report = place.import("l.ndjson", lines);
    assert_eq!((report.stored, report.unchanged), (2, 1));
    assert_eq!(place.text("Patient/a").unwrap(), patient("a", "4"));
}

#[test]
fn conditional_references_are_tried_again_at_the_end() {
    let place = Place::new();
    let target = |id: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Practitioner","id":"{id}","identifier":[{{"system":"http://npi","value":"{value}"}}]}}"#
        )
    };
    let source = |id: &str, value: &str| {
        format!(
            r#"{{"resourceType":"Encounter","id":"{id}", "x":{{"reference":"Practitioner?identifier=http://npi|{value}"}}}}"#
        )
    };
    let resolved = |id: &str, target: &str| {
        format!(
            r#"{{"resourceType":"Encounter","id":"{id}", "x":{{"reference":"Practitioner/{target}"}}}}"#
        )
    };
    // Known before the import; earlier in it; later in it; in another file; nowhere; two of them.
    place.import("first.json", target("known", "0"));
    let entries = [
        entry("urn:uuid:1", "POST", "Practitioner", &target("early", "1")),
        entry("urn:uuid:2", "POST", "Encounter", &source("e0", "0")),
        entry("urn:uuid:3", "POST", "Encounter", &source("e1", "1")),
        entry("urn:uuid:4", "POST", "Encounter", &source("e2", "2")),
        entry("urn:uuid:5", "POST", "Encounter", &source("e3", "3")),
        entry("urn:uuid:6", "POST", "Encounter", &source("e4", "4")),
        entry("urn:uuid:7", "POST", "Encounter", &source("e5", "5")),
        entry("urn:uuid:8", "POST", "Practitioner", &target("late", "2")),
        entry(
            "urn:uuid:9",
            "POST",
            "Practitioner",
            &target("double-1", "5"),
        ),
        entry(
            "urn:uuid:a",
            "POST",
            "Practitioner",
            &target("double-2", "5"),
        ),
    ];
    let files = [
        place.file("a.json", bundle("transaction", &entries)),
        place.file("b.ndjson", target("elsewhere", "3")),
    ];
    let report = import(&place.guard, &files);
    assert_eq!((report.stored, report.refused), (11, 0));
    for (id, target) in [
        ("e0", "known"),
        ("e1", "early"),
        ("e2", "late"),
        ("e3", "elsewhere"),
    ] {
        assert_eq!(
            place.text(&format!("Encounter/{id}")).unwrap(),
            resolved(id, target)
        );
    }
    for (id, value) in [("e4", "4"), ("e5", "5")] {
        assert_eq!(
            place.text(&format!("Encounter/{id}")).unwrap(),
            source(id, value)
        );
    }
    let unresolved: Vec<_> = report
        .unresolved
        .iter()
        .map(|u| u.name.to_string())
        .collect();
    assert_eq!(unresolved, ["Encounter/e4", "Encounter/e5"]);
    // Outside transactions such a text is only a text.
    let lines = place.import("c.ndjson", source("plain", "1"));
    assert_eq!((lines.stored, lines.unresolved_references), (1, 0));
    assert_eq!(place.text("Encounter/plain").unwrap(), source("plain", "1"));
}

#[test]
fn local_changes_are_never_overwritten_and_nothing_is_queued_unless_asked() {
    let place = Place::new();
    place.guard.put(&resource(&patient("mine", "1"))).unwrap();
    place.import("x.json", patient("deleted", "1"));
    place.guard.delete(&name("Patient/deleted")).unwrap();
    let lines = format!(
        "{}\n{}\n{}",
        patient("mine", "2"),
        patient("deleted", "2"),
        patient("new", "1")
    );
    let refusals = place.refusals("x.ndjson", &lines);
    assert_eq!(
        refusals,
        [
            "x.ndjson, line 1, Patient/mine: the record has local changes that were not sent yet; they were kept",
            "x.ndjson, line 2, Patient/deleted: the record has local changes that were not sent yet; they were kept",
        ]
    );
    assert_eq!(place.text("Patient/mine").unwrap(), patient("mine", "1"));
    assert_eq!(place.text("Patient/deleted"), None);
    assert_eq!(place.guard.pending(None).unwrap().len(), 2);

    let report = import_as(&place.guard, &[place.file("x.ndjson", &lines)], true);
    assert_eq!((report.stored, report.unchanged, report.refused), (2, 1, 0));
    assert_eq!(place.text("Patient/mine").unwrap(), patient("mine", "2"));
    let pending: Vec<_> = place
        .guard
        .pending(None)
        .unwrap()
        .iter()
        .map(|p| p.name.reference.to_string())
        .collect();
    assert_eq!(pending, ["Patient/mine", "Patient/deleted"]);
}

#[test]
fn one_audit_entry_per_file_before_it_is_stored_and_one_behind_all() {
    let place = Place::new();
    let files = [
        place.file("a.json", patient("a", "1")),
        place.file(
            "b.ndjson",
            format!("{}\n{}\nx", patient("b", "1"), patient("c", "1")),
        ),
    ];
    import(&place.guard, &files);
    exported(&place.guard);
    let trail: Vec<String> = trail(&place.guard)
        .iter()
        .map(|e| {
            format!(
                "{:?} {} {:?} {} {}",
                e.kind,
                e.what,
                e.count,
                e.digest.is_some(),
                e.revision.is_some()
            )
        })
        .collect();
    assert_eq!(
        trail[1..],
        [
            "Import a.json Some(1) true false",
            "Import b.ndjson Some(2) true false",
            "Written import None false true",
            "Export everything None false false",
            "Export everything Some(3) true false",
        ]
    );
    assert!(place.guard.check().unwrap().problems.is_empty());
}

#[test]
fn stopping_keeps_what_was_read() {
    let place = Place::new();
    let lines: String = (0..2_000)
        .map(|n| patient(&format!("p{n}"), "1") + "\n")
        .collect();
    let (file, mut calls) = (place.file("x.ndjson", lines), 0);
    let import = Import {
        guard: &place.guard,
        as_edits: false,
        progress: &mut |progress| {
            calls += 1;
            assert!(progress.bytes_done <= progress.bytes_total);
            progress.resources < 1_000
        },
    };
    let report = import.run(&[file]).unwrap();
    assert!(report.stopped && calls > 2);
    assert_eq!(report.stored, 1_024);
    assert_eq!(place.guard.check().unwrap().records, 1_024);
}

#[test]
fn an_export_goes_to_a_private_file_and_comes_back() {
    let place = Place::new();
    let spaced = "{ \"resourceType\" : \"Patient\",\n \"id\":\"p\", \"v\":[ 1.00, \" a  b \" ] }";
    let other = observation("o2", "q", "2.50");
    let lines = format!("{}\n{other}\n", observation("o1", "p", "1.0"));
    import(
        &place.guard,
        &[place.file("p.json", spaced), place.file("o.ndjson", lines)],
    );
    let export = pocketchart_core::transfer::Export {
        guard: &place.guard,
        patient: None,
    };
    let out = place.folder.path().join("out.ndjson");
    let done = export.to_file(&out).unwrap();
    let text = fs::read_to_string(&out).unwrap();
    assert_eq!((done.resources, done.bytes), (3, text.len() as u64));
    assert!(text.contains("{\"resourceType\":\"Patient\",\"id\":\"p\",\"v\":[1.00,\" a  b \"]}\n"));
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&out).unwrap().permissions()) & 0o777,
        0o600
    );
    let back = Place::new();
    assert_eq!(import(&back.guard, &[out]).stored, 3);
    let sorted = |guard: &Guard| {
        let mut lines = exported(guard);
        lines.sort();
        lines
    };
    assert_eq!(sorted(&back.guard), sorted(&place.guard));

    let id = name("Patient/p").id;
    let of_patient = pocketchart_core::transfer::Export {
        guard: &place.guard,
        patient: Some(&id),
    };
    let mut bytes = Vec::new();
    assert_eq!(
        of_patient
            .write(&mut bytes, "memory".as_ref())
            .unwrap()
            .resources,
        2
    );
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.contains("\"o1\"") && text.contains("Patient") && !text.contains("\"o2\""));

    // A failing export leaves nothing behind.
    let before = fs::read_dir(place.folder.path()).unwrap().count();
    assert!(
        export
            .to_file(&place.folder.path().join("none/out.ndjson"))
            .is_err()
    );
    fs::create_dir(place.folder.path().join("taken")).unwrap();
    assert!(export.to_file(&place.folder.path().join("taken")).is_err());
    assert_eq!(
        fs::read_dir(place.folder.path()).unwrap().count(),
        before + 1
    );
}

/// `{"resourceType":"Patient","id":"xz"}`, packed by xz -0.
const XZ: &[u8] = &[
    0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x04, 0xe6, 0xd6, 0xb4, 0x46, 0x02, 0x00, 0x21, 0x01,
    0x0c, 0x00, 0x00, 0x00, 0x8f, 0x98, 0x41, 0x9c, 0x01, 0x00, 0x24, 0x7b, 0x22, 0x72, 0x65, 0x73,
    0x6f, 0x75, 0x72, 0x63, 0x65, 0x54, 0x79, 0x70, 0x65, 0x22, 0x3a, 0x22, 0x50, 0x61, 0x74, 0x69,
    0x65, 0x6e, 0x74, 0x22, 0x2c, 0x22, 0x69, 0x64, 0x22, 0x3a, 0x22, 0x78, 0x7a, 0x22, 0x7d, 0x0a,
    0x00, 0x00, 0x00, 0x00, 0xd9, 0x2c, 0x20, 0xf9, 0x51, 0x5b, 0x05, 0xf1, 0x00, 0x01, 0x3d, 0x25,
    0xd2, 0x29, 0x6a, 0x01, 0x1f, 0xb6, 0xf3, 0x7d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x04, 0x59, 0x5a,
];
