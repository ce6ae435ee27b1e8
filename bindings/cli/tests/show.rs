//! `search` and `show` as a person or a script uses them.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use common::pocketchart;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

struct Place(tempfile::TempDir);

impl Place {
    /// A vault with these records in it.
    fn with(records: &[Value]) -> Self {
        let texts: Vec<String> = records.iter().map(Value::to_string).collect();
        let place = Self::new();
        if !texts.is_empty() {
            let file = place.0.path().join("in.ndjson");
            fs::write(&file, texts.join("\n")).unwrap();
            place.ok(&["import", file.to_str().unwrap()]);
        }
        place
    }

    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        let secret = place.0.path().join("passphrase");
        fs::write(secret, "plum orbit lantern 42\n").unwrap();
        place.ok(&["--json", "vault", "create"]);
        place
    }

    /// The committed synthetic clinic, imported once: searching changes nothing but the audit trail, and a vault lets in
    /// one process at a time, so whoever uses it waits.
    fn clinic() -> std::sync::MutexGuard<'static, Self> {
        static CLINIC: OnceLock<std::sync::Mutex<Place>> = OnceLock::new();
        let clinic = CLINIC.get_or_init(|| {
            let place = Self::new();
            place.ok(&["import", clinic_file().to_str().unwrap()]);
            std::sync::Mutex::new(place)
        });
        clinic
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn bytes(&self, columns: &str, args: &[&str]) -> (i32, Vec<u8>, String) {
        let mut command = pocketchart();
        if !columns.is_empty() {
            command.env("COLUMNS", columns);
        }
        command.arg("--home").arg(self.0.path().join("home"));
        command
            .arg("--passphrase-file")
            .arg(self.0.path().join("passphrase"));
        let output = command.args(args).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), output.stdout, errors)
    }

    fn run(&self, columns: &str, args: &[&str]) -> (i32, String, String) {
        let (code, out, err) = self.bytes(columns, args);
        (code, String::from_utf8(out).unwrap(), err)
    }

    fn ok(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run("", args);
        assert_eq!(code, 0, "{args:?}\n{out}\n{err}");
        out
    }

    fn objects(&self, args: &[&str]) -> Vec<Value> {
        let out = self.ok(&[&["--json"], args].concat());
        out.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }
}

fn clinic_file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/clinic.ndjson.zst")
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().collect()
}

const LIND: &str = "823b1c76-92d1-6c5e-d016-a1f484d01c47";

#[test]
fn a_search_is_a_table_names_or_objects() {
    let records: Vec<Value> = (1..=5)
        .map(|n| {
            json!({"resourceType":"Observation","id":format!("o{n}"),"status":"final","subject":{"reference":"Patient/p"},
                "code":{"text":"Body Weight"},"effectiveDateTime":format!("2026-0{n}-01T10:00:00Z"),
                "valueQuantity":{"value":60 + n,"unit":"kg"}})
        })
        .collect();
    let place = Place::with(&records);
    let newest = "Observation?patient=p&_sort=-date&_count=2";
    let (code, out, _) = place.run("80", &["search", newest]);
    assert_eq!(code, 0);
    let expected = [
        "When        What         Value  State",
        "2026-05-01  Body Weight  65 kg  final",
        "2026-04-01  Body Weight  64 kg  final",
        "2 records; there are more: --all shows them, _count=N sets how many at a time",
    ];
    assert_eq!(lines(&out), expected);
    // A program gets the name too, and nothing is wrapped.
    assert!(
        place
            .ok(&["search", newest])
            .contains("  final  Observation/o5\n")
    );
    let (_, ids, told) = place.run("", &["search", newest, "--ids"]);
    assert_eq!(ids, "Observation/o5\nObservation/o4\n");
    assert!(
        told.starts_with("pocketchart: 2 records; there are more"),
        "{told}"
    );
    let (_, _, told) = place.run("", &["search", newest, "--ids", "--quiet"]);
    assert_eq!(told, "");
    let all = place.ok(&["search", newest, "--ids", "--all"]);
    assert_eq!(lines(&all).len(), 5);
    let out = place.ok(&["search", "Observation?_total=accurate&_count=2"]);
    assert!(out.contains("\n2 of 5 records; there are more"), "{out}");
    let out = place.ok(&["search", "Observation?_count=5"]);
    assert!(out.ends_with("\n5 records; that is all\n"), "{out}");
    assert_eq!(
        place.ok(&["search", "Observation?patient=q"]),
        "Nothing found\n"
    );

    let objects = place.objects(&["search", newest]);
    let row = json!({"name":"Observation/o5","what":"Body Weight","when":"2026-05-01T10:00:00Z","value":"65 kg","state":"final"});
    assert_eq!(objects[0], row);
    assert_eq!(
        (&objects[2]["shown"], &objects[2]["total"]),
        (&2.into(), &Value::Null)
    );
    // The link of the next page works in another process.
    let next = objects[2]["next"].as_str().unwrap();
    let ids = place.ok(&["search", next, "--ids"]);
    assert_eq!(ids, "Observation/o3\nObservation/o2\n");
    let ids = place.objects(&["search", newest, "--ids"]);
    assert_eq!(ids[0], json!({"name":"Observation/o5"}));
}

#[test]
fn raw_is_the_stored_bytes() {
    let place = Place::new();
    let odd = "{ \"resourceType\":\"Patient\",\n \"id\":\"p\", \"x\":1.00,\"y\":\"\\u00e9\" }";
    let file = place.0.path().join("p.json");
    fs::write(&file, odd).unwrap();
    place.ok(&["put", file.to_str().unwrap()]);
    let (_, out, _) = place.bytes("", &["search", "Patient", "--raw"]);
    assert_eq!(
        out,
        [&place.bytes("", &["get", "Patient/p"]).1[..], b"\n"].concat()
    );
    assert_eq!(out, format!("{odd}\n").into_bytes());
    let object = &place.objects(&["search", "Patient", "--raw"])[0];
    assert_eq!(
        (&object["name"], &object["text"]),
        (&"Patient/p".into(), &odd.into())
    );
}

#[test]
fn a_wrong_search_is_a_usage_error_that_names_the_parameter() {
    let place = Place::with(&[]);
    for (query, why) in [
        ("Patient?colour=blue", "unknown search parameter colour"),
        (
            "Patient?name:sideways=x",
            "name takes no modifier :sideways",
        ),
        ("Patient?birthdate=Smith", "birthdate: "),
        (
            "Observation?subject.name=x",
            "subject.name is not supported yet",
        ),
        (
            "Smith",
            "the search must start with a FHIR R4 resource type",
        ),
        (
            "Patient?_cursor=abc",
            "the page link does not belong to this search",
        ),
        (
            "Observation?value-string=Smith",
            "this vault is not indexed by value-string",
        ),
    ] {
        let (code, out, err) = place.run("", &["search", query]);
        assert_eq!((code, out.as_str()), (2, ""), "{query}");
        assert!(
            err.starts_with(&format!("pocketchart: {why}")),
            "{query}: {err}"
        );
        assert!(!err.contains("blue") && !err.contains("Smith"), "{err}");
    }
    assert_eq!(place.run("", &["search", "Patient", "--ids", "--raw"]).0, 2);
}

#[test]
fn the_clinic_is_searched() {
    let clinic = Place::clinic();
    let newest = format!("Observation?patient={LIND}&_sort=-date&_count=3");
    let plan = clinic.ok(&["search", &newest, "--explain"]);
    assert!(plan.starts_with("ByTime\nSEARCH "), "{plan}");
    let plan = &clinic.objects(&["search", &newest, "--explain"])[0]["plan"];
    assert_eq!(plan[0], "ByTime");
    // The words of a medicine that stands in a record of its own.
    let reference = "MedicationRequest?_id=05e474a1-99ff-287d-9971-548c448e824f";
    let out = clinic.ok(&["search", reference]);
    assert!(
        out.contains("  sodium fluoride 0.0272 MG/MG Oral Gel  stopped  "),
        "{out}"
    );
    let with = "Encounter?_count=1&_include=Encounter:patient";
    let out = clinic.ok(&["search", with]);
    assert!(
        out.contains("\nBrought along by _include and _revinclude:\nWhen "),
        "{out}"
    );
    let objects = clinic.objects(&["search", with]);
    assert_eq!((objects.len(), &objects[1]["included"]), (3, &true.into()));
    let all = clinic.ok(&["search", "Observation", "--all", "--ids"]);
    let mut names: Vec<_> = all.lines().collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 1_276);
    // Nothing is cut, and no row is without words.
    for row in clinic.objects(&["search", "Procedure?_count=1000"]) {
        assert!(row["shown"].is_u64() || !row["what"].as_str().unwrap().trim().is_empty());
    }
}

#[test]
fn a_chart_of_the_clinic() {
    let clinic = Place::clinic();
    for columns in ["80", "120"] {
        let (code, out, err) = clinic.run(columns, &["show", "lind"]);
        assert_eq!((code, err.as_str()), (0, ""));
        let all = lines(&out);
        assert_eq!(all[0], "Collene784 Cassidy160 Lind531");
        assert!(all[1].starts_with("born 1976-05-29 (") && all[1].ends_with(" years), female"));
        assert_eq!(all[2], "phone 555-748-7983, Taunton MA US");
        assert_eq!(all[3], format!("id {LIND}"));
        assert!(out.contains("\nPROBLEMS (17 active)\n  2026-08-01  Medication review due\n"));
        assert!(out.contains("\n  2018-01-06  Essential hypertension\n"));
        assert!(out.contains("\nALLERGIES\n  none recorded\n"));
        let medicine = all
            .iter()
            .find(|l| l.contains("Hydrochlorothiazide 25 MG"))
            .unwrap();
        assert!(medicine.ends_with("dose 1.0, once a day"), "{medicine}");
        let pressure = all.iter().find(|l| l.contains("Blood pressure")).unwrap();
        assert!(
            pressure.contains("136/103 mmHg  █▁▂▁▁▁▄▆▁▄ upper"),
            "{pressure}"
        );
        let glucose = all
            .iter()
            .find(|l| l.contains("Glucose in Blood "))
            .unwrap();
        assert!(
            glucose.contains("81.2 mg/dL") && glucose.ends_with("▁▁█▇▃▇▂█▁▃"),
            "{glucose}"
        );
        assert!(out.contains("\n  and 30 earlier visits (--all)\n"));
        let width = columns.parse().unwrap();
        let widest = all.iter().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= width, "{widest}");
    }
    assert_eq!(
        clinic.ok(&["show", LIND]),
        clinic.ok(&["show", &format!("Patient/{LIND}")])
    );
    assert_eq!(
        clinic.ok(&["show", LIND]),
        clinic.ok(&["show", "Cassidy LIND"])
    );
    let all = clinic.ok(&["show", LIND, "--all"]);
    assert!(
        all.lines().count() > 150 && !all.contains("(--all)"),
        "{all}"
    );
    let chart = &clinic.objects(&["show", LIND])[0];
    assert_eq!(chart["problems"]["active"].as_array().unwrap().len(), 17);
    assert_eq!(chart["blood_pressure"][0]["systolic"], 136.0);
    assert_eq!(chart["immunizations"]["count"], 4);
    assert!(chart["results"].as_array().unwrap().len() > 50);
}

#[test]
fn a_patient_is_found_by_id_or_name_or_chosen() {
    let named = |id: &str, given: &str, family: &str| json!({"resourceType":"Patient","id":id,"name":[{"given":[given],"family":family}],"gender":"female"});
    let nobody = Place::with(&[]);
    assert_eq!(nobody.ok(&["show"]), "No patients in this vault yet\n");
    let one = Place::with(&[named("p1", "Ana", "López")]);
    assert!(
        one.ok(&["show"])
            .starts_with("Ana López\nbirth date not recorded, female\nid p1\n")
    );
    let two = Place::with(&[
        named("p1", "Ana", "López"),
        named("p2", "Anabel", "Roe, Jr"),
    ]);
    let (code, out, _) = two.run("80", &["show"]);
    let table = [
        "Name            Gender  Id",
        "Ana López       female  p1",
        "Anabel Roe, Jr  female  p2",
        "`pocketchart show ID` shows one",
    ];
    assert_eq!((code, lines(&out)), (0, table.to_vec()));
    let (code, out, err) = two.run("80", &["show", "ana"]);
    assert_eq!((code, lines(&out)), (2, table.to_vec()));
    assert_eq!(
        err,
        "pocketchart: several patients are called so: say which one by its id\n"
    );
    assert!(two.ok(&["show", "lopez ana"]).starts_with("Ana López\n"));
    assert!(two.ok(&["show", "roe,"]).starts_with("Anabel Roe, Jr\n"));
    let (code, out, err) = two.run("80", &["show", "Miller"]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        err,
        "pocketchart: a patient with this id or name is not in this vault\n"
    );
    assert_eq!(two.run("80", &["show", " "]).0, 2);
    let objects = two.objects(&["show"]);
    assert_eq!(
        (objects.len(), &objects[0]["name"]),
        (2, &"Patient/p1".into())
    );
}

#[test]
fn a_chart_with_nothing_in_it_says_so() {
    let place = Place::with(&[json!({"resourceType":"Patient","id":"p"})]);
    let out = place.ok(&["show", "p"]);
    let expected = "Name not recorded\nbirth date not recorded, gender not recorded\nid p\n\nPROBLEMS\n  none recorded\n\n\
        ALLERGIES\n  none recorded\n\nMEDICINES\n  none recorded\n\nVITAL SIGNS\n  none recorded\n\nLABORATORY\n  none recorded\n\n\
        VISITS\n  none upcoming\n  none recorded\n\nIMMUNIZATIONS\n  none recorded\n";
    assert_eq!(out, expected);
}

#[test]
fn odd_records_stand_in_the_chart_too() {
    let about = |mut record: Value| {
        let kind = record["resourceType"].as_str().unwrap().to_owned();
        let subject = match kind.as_str() {
            "AllergyIntolerance" | "Immunization" => "patient",
            _ => "subject",
        };
        if kind != "Patient" && kind != "Appointment" {
            record[subject] = json!({"reference":"Patient/p"});
        }
        record
    };
    let records = [
        json!({"resourceType":"Patient","id":"p","name":[{"text":"A\u{1b}[31mna"}],"birthDate":"1970","deceasedDateTime":"2020-05",
            "telecom":"none","identifier":[{"type":{"coding":[{"code":"MR"}]},"value":"77"},{"type":{"coding":[{"code":"SS"}]},"value":"999"}]}),
        json!({"resourceType":"Condition","id":"c1"}),
        json!({"resourceType":"Condition","id":"c2","code":{"text":"Cough"},"clinicalStatus":{"coding":[{"code":"resolved"}]}}),
        json!({"resourceType":"Condition","id":"c3","code":{"text":"Wrong"},"verificationStatus":{"coding":[{"code":"entered-in-error"}]}}),
        json!({"resourceType":"AllergyIntolerance","id":"a","code":{"text":"Penicillin"},"criticality":"high",
            "clinicalStatus":{"coding":[{"code":"active"}]}}),
        json!({"resourceType":"MedicationRequest","id":"m1","status":"on-hold","medicationReference":{"reference":"#x"},
            "contained":[{"resourceType":"Medication","id":"x","code":{"coding":[{"code":"123"}]}}]}),
        json!({"resourceType":"MedicationRequest","id":"m2","status":"active","medicationReference":{"reference":"Medication/gone"}}),
        json!({"resourceType":"MedicationStatement","id":"m3","status":"active","medicationCodeableConcept":{"text":"Tea"},
            "dosage":[{"text":"a cup"}]}),
        json!({"resourceType":"Observation","id":"o1","code":{"coding":[{"code":"x"}]}}),
        json!({"resourceType":"Observation","id":"o2","status":"final","code":{"text":"Potassium"},"effectiveDateTime":"2026-02",
            "category":[{"coding":[{"code":"laboratory"}]}],"valueQuantity":{"value":6.1,"unit":"mmol/L"},
            "referenceRange":[{"low":{"value":3.5,"unit":"mmol/L"},"high":{"value":5.1,"unit":"mmol/L"}}]}),
        json!({"resourceType":"Observation","id":"o3","status":"entered-in-error","code":{"text":"Sodium"}}),
        json!({"resourceType":"Appointment","id":"v1","status":"booked","start":"2199-01-02T09:30:00+02:00","description":"Video visit",
            "participant":[{"actor":{"reference":"Patient/p"}},{"actor":{"reference":"Practitioner/d","display":"Dr. No"}}]}),
        json!({"resourceType":"Appointment","id":"v2","status":"cancelled","start":"2199-01-03T09:30:00Z",
            "participant":[{"actor":{"reference":"Patient/p"}}]}),
        json!({"resourceType":"Encounter","id":"e1"}),
        json!({"resourceType":"Immunization","id":"i","status":"completed","vaccineCode":{"text":"Polio"},"occurrenceString":"as a child"}),
    ]
    .map(about);
    let place = Place::with(&records);
    let out = place.ok(&["show"]);
    for expected in [
        "A [31mna\nborn 1970 (about 50 years), gender not recorded, DIED 2020-05\nMR 77, id p\n",
        "\nPROBLEMS (1 active)\n  no date  Condition c1  [state not recorded]\n  past:\n  no date  Cough  [resolved]\n",
        "\nALLERGIES (1 active)\n  Penicillin  high risk\n",
        "  no date  123              [on-hold]\n",
        "  no date  Medication/gone\n",
        "  no date  Tea              a cup\n",
        "\nLABORATORY\n  2026-02  Potassium  6.1 mmol/L (high)  range 3.5 – 5.1 mmol/L\n",
        "\nOTHER RESULTS\n  no date  x  no value\n",
        "  upcoming:\n  2199-01-02 09:30 +02:00  Video visit  Dr. No  [booked]\n  recent:\n  no date  Encounter e1\n",
        "\nIMMUNIZATIONS\n  as a child  Polio\n",
    ] {
        assert!(out.contains(expected), "{expected}\n---\n{out}");
    }
    assert!(!out.contains("Wrong") && !out.contains("Sodium") && !out.contains("999"));
    assert!(!out.contains('\u{1b}') && !out.contains("2199-01-03"));
}
