//! Merges that went wrong elsewhere, and rules of our own.

use crate::fhir::ResourceType;
use crate::fhir::merge::{Merged, Side, compare, merge, needs_a_person, settle, settle_each};

fn patient(rest: &str) -> String {
    format!(r#"{{"resourceType":"Patient","id":"1"{rest}}}"#)
}

fn of(base: &str, mine: &str, theirs: &str) -> Merged {
    merge(&patient(base), &patient(mine), &patient(theirs)).unwrap()
}

fn paths(merged: &Merged) -> Vec<String> {
    merged
        .clashes
        .iter()
        .map(|clash| clash.path.to_string())
        .collect()
}

#[track_caller]
fn is_clean(base: &str, mine: &str, theirs: &str, expected: &str) {
    let merged = of(base, mine, theirs);
    assert_eq!(paths(&merged), [""; 0]);
    assert_eq!(merged.text, patient(expected));
}

#[track_caller]
fn clashes(base: &str, mine: &str, theirs: &str, expected: &[&str]) {
    let mut found = [
        paths(&of(base, mine, theirs)),
        paths(&of(base, theirs, mine)),
    ];
    found.iter_mut().for_each(|paths| paths.sort());
    assert_eq!(found[0], expected);
    assert_eq!(found[0], found[1], "the same whoever merges");
}

const HOME: &str = r#"{"system":"phone","value":"1111111111","use":"home"}"#;
const WORK: &str = r#"{"system":"phone","value":"2222222222","use":"work"}"#;
const MAIL: &str = r#"{"system":"email","value":"test@example.com"}"#;

fn telecom(items: &[&str]) -> String {
    format!(r#","telecom":[{}]"#, items.join(","))
}

/// google/android-fhir #1096, "Include resource version along with the SquashedLocalChange": one client changes the work
/// number (`replace /telecom/1/value`), another removes the home number (`remove /telecom/0`). Applied one after the other
/// as patches, the e-mail address got the telephone number.
#[test]
fn android_fhir_1096() {
    let changed = WORK.replace("2222222222", "3333333333");
    let base = telecom(&[HOME, WORK, MAIL]);
    let (mine, theirs) = (telecom(&[HOME, &changed, MAIL]), telecom(&[WORK, MAIL]));
    let expected = telecom(&[&changed, MAIL]);
    is_clean(&base, &mine, &theirs, &expected);
    is_clean(&base, &theirs, &mine, &expected);
}

/// google/android-fhir #2271, "Intermittent patches are being updated": the telephone number is changed on the device and,
/// to something else, on the server; now one, now the other was left, and the two sides differed.
#[test]
fn android_fhir_2271() {
    let base = telecom(&[HOME]);
    let mine = telecom(&[&HOME.replace("1111111111", "2")]);
    let theirs = telecom(&[&HOME.replace("1111111111", "3")]);
    clashes(&base, &mine, &theirs, &["telecom[phone|1111111111].value"]);
    let clash = &of(&base, &mine, &theirs).clashes[0];
    assert_eq!(clash.mine.as_deref(), Some("\"2\""));
    assert_eq!(clash.theirs.as_deref(), Some("\"3\""));
    let (b, m, t) = (patient(&base), patient(&mine), patient(&theirs));
    assert_eq!(settle(&b, &m, &t, &|_| Side::Theirs).unwrap(), t);
    assert_eq!(settle(&b, &m, &t, &|_| Side::Mine).unwrap(), m);
}

/// google/android-fhir #2342, "Error with Json Patch": two activities added to a CarePlan are two patches of one path
/// (`add /activity/-`); merged by path, one was lost. Here one comes from each side, and a third thing changes.
#[test]
fn android_fhir_2342() {
    let activity = |n: u8, status: &str| {
        format!(
            r#"{{"outcomeReference":[{{"reference":"Task/{n}"}}],"detail":{{"kind":"Task","status":"{status}"}}}}"#
        )
    };
    let plan = |items: &[String]| {
        format!(
            r#"{{"resourceType":"CarePlan","id":"1","activity":[{}]}}"#,
            items.join(",")
        )
    };
    let old = activity(1, "not-started");
    let base = plan(std::slice::from_ref(&old));
    let mine = plan(&[
        activity(1, "in-progress"),
        activity(2, "scheduled"),
        activity(3, "scheduled"),
    ]);
    let theirs = plan(&[old, activity(4, "scheduled")]);
    let merged = merge(&base, &mine, &theirs).unwrap();
    assert_eq!(paths(&merged), [""; 0]);
    let all = [
        activity(1, "in-progress"),
        activity(2, "scheduled"),
        activity(3, "scheduled"),
        activity(4, "scheduled"),
    ];
    assert_eq!(merged.text, plan(&all));
    assert_eq!(merge(&base, &theirs, &mine).unwrap().text, plan(&all));
}

/// google/android-fhir #2774 could not be read when this was written (it is in none of the indexes at hand), so this is not
/// a replay of it. It is the case that the design names beside the other three and that none of them covers: an item is
/// changed here and deleted there, and an item is deleted here and changed there.
#[test]
fn android_fhir_2774() {
    let ranked = WORK.replace("\"work\"", "\"work\",\"rank\":1");
    let (base, mine, theirs) = (
        telecom(&[HOME, WORK]),
        telecom(&[HOME, &ranked]),
        telecom(&[HOME]),
    );
    clashes(&base, &mine, &theirs, &["telecom[phone|2222222222]"]);
    let (b, m, t) = (patient(&base), patient(&mine), patient(&theirs));
    assert_eq!(settle(&b, &m, &t, &|_| Side::Theirs).unwrap(), t);
    assert_eq!(settle(&b, &m, &t, &|_| Side::Mine).unwrap(), m);
    clashes(
        r#","birthDate":"2000""#,
        "",
        r#","birthDate":"2001""#,
        &["birthDate"],
    );
}

fn phones(values: &[&str]) -> String {
    let items: Vec<String> = values
        .iter()
        .map(|v| format!(r#"{{"value":"{v}"}}"#))
        .collect();
    if items.is_empty() {
        String::new()
    } else {
        format!(r#","telecom":[{}]"#, items.join(","))
    }
}

/// The named cases of the peer's DefectTest (../shared/recipes/peer-android-fhir): edits one after the other on
/// [A,B,C], whose squashed patch made another list at the server, or was refused. Base and the last version alone decide.
#[test]
fn edits_of_the_peers_defect_test_reach_the_server_exactly() {
    for (name, last) in [
        ("edit A, then delete two", &["A1"][..]),
        ("delete last, delete last again", &["A"]),
        ("delete first, edit first", &["B1", "C"]),
        ("delete B, add D, edit C", &["A", "C1", "D"]),
    ] {
        let base = phones(&["A", "B", "C"]);
        assert_eq!(
            of(&base, &phones(last), &base).text,
            patient(&phones(last)),
            "{name}"
        );
        // And when the server's copy changed elsewhere meanwhile.
        let theirs = format!(r#"{base},"active":true"#);
        is_clean(
            &base,
            &phones(last),
            &theirs,
            &format!(r#"{},"active":true"#, phones(last)),
        );
    }
}

/// DefectTest's random part: 300 sequences of three one-element edits (223 right, 31 silently different and 46 refused
/// there). 20,000 here, each also with another change at the server.
#[test]
fn random_sequences_of_edits_reach_the_server_exactly() {
    let mut state = 1_u64;
    let mut random = |below: usize| {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap() % below
    };
    for _ in 0..20_000 {
        let mut list: Vec<String> = ["A", "B", "C"].map(str::to_owned).to_vec();
        for step in 0..3 {
            let most = list.len();
            match random(if most < 2 { 2 } else { 3 }) {
                0 => list.insert(random(most + 1), format!("N{step}")),
                1 => list[random(most)] = format!("E{step}"),
                _ => drop(list.remove(random(most))),
            }
        }
        let values: Vec<&str> = list.iter().map(String::as_str).collect();
        let (base, mine) = (phones(&["A", "B", "C"]), phones(&values));
        assert_eq!(of(&base, &mine, &base).text, patient(&mine));
        let theirs = format!(r#"{base},"active":true"#);
        let merged = of(&base, &mine, &theirs);
        // Edits that come back to where they began leave the server's text as it is.
        assert_eq!(merged.text, patient(&format!(r#"{mine},"active":true"#)));
        assert!(merged.clashes.is_empty());
    }
}

#[test]
fn what_one_side_changed_stands_beside_what_the_other_did() {
    is_clean(
        r#","active":true,"n":1.00"#,
        r#","active":true,"n":1.00,"gender":"female""#,
        r#","active":false,"n":1.00"#,
        r#","active":false,"n":1.00,"gender":"female""#,
    );
    // Within an object, an item of a list, a list in it.
    is_clean(
        r#","name":[{"use":"official","family":"a","given":["x"]},{"use":"maiden","family":"b"}]"#,
        r#","name":[{"use":"official","family":"c","given":["x"]},{"use":"maiden","family":"b"}]"#,
        r#","name":[{"use":"maiden","family":"b"},{"use":"official","family":"a","given":["x","y"]}]"#,
        r#","name":[{"use":"maiden","family":"b"},{"use":"official","family":"c","given":["x","y"]}]"#,
    );
}

#[test]
fn both_changed_the_same_leaf_is_for_a_person() {
    clashes(
        r#","gender":"male""#,
        r#","gender":"female""#,
        r#","gender":"other""#,
        &["gender"],
    );
    clashes(
        "",
        r#","gender":"female""#,
        r#","gender":"other""#,
        &["gender"],
    );
    clashes(r#","n":1.0"#, r#","n":1.00"#, r#","n":1.000"#, &["n"]);
    clashes(
        r#","name":[{"use":"official","family":"a"}]"#,
        r#","name":[{"use":"official","family":"b"}]"#,
        r#","name":[{"use":"official","family":"c"}]"#,
        &["name[official].family"],
    );
    // The same on both sides is no clash.
    is_clean(
        r#","gender":"male""#,
        r#","gender":"female","a":1"#,
        r#","gender":"female","b":2"#,
        r#","gender":"female","b":2,"a":1"#,
    );
}

#[test]
fn lists_of_values_keep_their_extensions() {
    is_clean(
        r#","name":[{"use":"official","family":"f","given":["a","b"],"_given":[null,{"id":"x"}]}]"#,
        r#","name":[{"use":"official","family":"g","given":["b"],"_given":[{"id":"x"}]}]"#,
        r#","name":[{"use":"official","family":"f","given":["a","b","c"],"_given":[null,{"id":"x"},{"id":"y"}]}]"#,
        r#","name":[{"use":"official","family":"g","given":["b","c"],"_given":[{"id":"x"},{"id":"y"}]}]"#,
    );
    // A date and its extensions are one.
    clashes(
        r#","birthDate":"2000","_birthDate":{"id":"a"}"#,
        r#","birthDate":"2001","_birthDate":{"id":"a"}"#,
        r#","birthDate":"2000","_birthDate":{"id":"b"}"#,
        &["birthDate"],
    );
    let both = of(
        r#","birthDate":"1""#,
        r#","birthDate":"2""#,
        r#","_birthDate":{"id":"b"}"#,
    );
    assert_eq!(
        both.clashes[0].mine.as_deref(),
        Some(r#"{"birthDate":"2"}"#)
    );
    assert_eq!(
        both.clashes[0].theirs.as_deref(),
        Some(r#"{"_birthDate":{"id":"b"}}"#)
    );
}

/// Two people's given names or address lines, one behind the other, are nobody's.
#[test]
fn lists_of_values_that_both_made_longer_are_for_a_person() {
    let name = |given: &str| format!(r#","name":[{{"use":"official","given":[{given}]}}]"#);
    clashes(
        &name("\"a\""),
        &name("\"a\",\"b\""),
        &name("\"a\",\"c\""),
        &["name[official].given"],
    );
    clashes(
        &name("\"a\",\"b\""),
        &name("\"c\",\"b\""),
        &name("\"d\",\"b\""),
        &["name[official].given[#0]"],
    );
    is_clean(
        &name("\"a\",\"b\""),
        &name("\"c\",\"b\""),
        &name("\"a\",\"d\""),
        &name("\"c\",\"d\""),
    );
}

/// FHIR knows no empty lists: whoever takes out the last item takes the list out, and only what was in it.
#[test]
fn a_list_that_one_side_emptied_has_what_the_other_added() {
    let all = telecom(&[HOME, WORK]);
    is_clean(&all, "", &telecom(&[HOME, WORK, MAIL]), &telecom(&[MAIL]));
    is_clean(&all, &telecom(&[HOME, WORK, MAIL]), "", &telecom(&[MAIL]));
    is_clean(&all, "", &telecom(&[WORK]), "");
    is_clean(
        &format!("{all},\"gender\":\"male\""),
        ",\"gender\":\"other\"",
        &format!("{},\"gender\":\"male\"", telecom(&[WORK, MAIL])),
        &format!("{},\"gender\":\"other\"", telecom(&[MAIL])),
    );
    is_clean(
        r#","given":["a"],"_given":[{"id":"x"}]"#,
        "",
        r#","given":["a","b"],"_given":[{"id":"x"},{"id":"y"}]"#,
        r#","given":["b"],"_given":[{"id":"y"}]"#,
    );
    // Changed there and taken out here is a person's, item by item.
    let other = HOME.replace("\"home\"", "\"old\"");
    clashes(
        &all,
        "",
        &telecom(&[&other, WORK, MAIL]),
        &["telecom[phone|1111111111]"],
    );
    let merged = of(&all, "", &telecom(&[&other, WORK, MAIL]));
    assert_eq!(merged.text, patient(&telecom(&[MAIL])));
    clashes(r#","a":["x"]"#, "", r#","a":"x""#, &["a"]);
    clashes(r#","a":{"b":1}"#, "", r#","a":[{"b":1},1]"#, &["a"]);
    clashes(r#","_a":[{"id":"x"}]"#, "", r#","_a":[{"id":"y"}]"#, &["a"]);
}

/// Medicine's own traps: pieces that are right alone and wrong together.
#[test]
fn what_means_something_only_together_is_not_mixed() {
    // 5 mg: to 6 mg here, to 5 g there.
    clashes(
        r#","q":{"value":5,"unit":"mg"}"#,
        r#","q":{"value":6,"unit":"mg"}"#,
        r#","q":{"value":5,"unit":"g"}"#,
        &["q"],
    );
    // A code and the words of another.
    clashes(
        r#","code":{"coding":[{"system":"s","code":"1","display":"one"}],"text":"one"}"#,
        r#","code":{"coding":[{"system":"s","code":"2","display":"one"}],"text":"one"}"#,
        r#","code":{"coding":[{"system":"s","code":"1","display":"one"}],"text":"the first"}"#,
        &["code"],
    );
    // A measured value and what was measured.
    clashes(
        r#","code":"pulse","valueInteger":1"#,
        r#","code":"pulse","valueInteger":2"#,
        r#","code":"age","valueInteger":1"#,
        &["code", "value"],
    );
    // Two types of one choice.
    clashes(
        r#","deceasedBoolean":false"#,
        r#","deceasedBoolean":true"#,
        r#","deceasedDateTime":"2026""#,
        &["deceased"],
    );
    clashes(
        "",
        r#","deceasedBoolean":true"#,
        r#","deceasedDateTime":"2026""#,
        &["deceased"],
    );
    // A start from one side and an end from the other.
    clashes(
        r#","start":"1","end":"2""#,
        r#","start":"3","end":"4""#,
        r#","start":"1","end":"5""#,
        &["end", "start"],
    );
    // Two halves of two addresses.
    clashes(
        r#","address":[{"use":"home","line":["a"],"city":"b"}]"#,
        r#","address":[{"use":"home","line":["c"],"city":"b"}]"#,
        r#","address":[{"use":"home","line":["a"],"city":"d"}]"#,
        &["address[home]"],
    );
    // Two first codes.
    clashes(
        "",
        r#","code":{"coding":[{"system":"s","code":"1"}]}"#,
        r#","code":{"coding":[{"system":"s","code":"2"}]}"#,
        &["code"],
    );
}

#[test]
fn translations_of_a_code_are_added_from_both_sides() {
    let code = |more: &str| {
        format!(r#","code":{{"coding":[{{"system":"s","code":"1"}}{more}],"text":"x"}}"#)
    };
    let (a, b) = (
        r#",{"system":"a","code":"1"}"#,
        r#",{"system":"b","code":"1"}"#,
    );
    is_clean(&code(""), &code(a), &code(b), &code(&format!("{a}{b}")));
    is_clean(&code(""), &code(b), &code(a), &code(&format!("{a}{b}")));
    clashes(
        &code(""),
        &code(a),
        &code(&a.replace("\"1\"", "\"2\"")),
        &["code"],
    );
}

#[test]
fn both_cancelled_and_moved_is_for_a_person() {
    let visit = |status: &str, start: &str| {
        format!(
            r#"{{"resourceType":"Appointment","id":"1","status":"{status}","start":"{start}"}}"#
        )
    };
    let merged = merge(
        &visit("booked", "1"),
        &visit("cancelled", "1"),
        &visit("booked", "2"),
    )
    .unwrap();
    assert_eq!(paths(&merged), ["status", "start"]);
}

#[test]
fn meta_is_the_servers_and_labels_are_sets() {
    let meta = |version: &str, tags: &[&str]| {
        let tags: Vec<String> = tags
            .iter()
            .map(|t| format!(r#"{{"system":"s","code":"{t}"}}"#))
            .collect();
        format!(
            r#","meta":{{"versionId":"{version}","tag":[{}]}}"#,
            tags.join(",")
        )
    };
    is_clean(
        &meta("1", &["a", "b"]),
        &meta("1", &["b", "c"]),
        &meta("2", &["d", "a", "b"]),
        &meta("2", &["b", "c", "d"]),
    );
    // Mine alone: its bytes, with the server's version.
    is_clean(
        &meta("1", &["a"]),
        &format!("{} , \"x\" : 1.00", meta("1", &["a"])),
        &meta("2", &["a"]),
        &format!("{} , \"x\" : 1.00", meta("2", &["a"])),
    );
    // All labels taken away, and no version: nothing of meta is left.
    is_clean(
        r#","meta":{"profile":["p"]}"#,
        r#","active":true"#,
        r#","meta":{"profile":["p"]},"n":1"#,
        r#","n":1,"active":true"#,
    );
}

#[test]
fn the_narrative_goes_when_both_sides_changed_something() {
    let text = r#","text":{"status":"generated","div":"<div/>"}"#;
    is_clean(
        text,
        &format!(r#"{text},"active":true"#),
        &format!(r#"{text},"n":1"#),
        r#","n":1,"active":true"#,
    );
    // One that may say more than the data is content.
    let more = r#","text":{"status":"additional","div":"<div/>"}"#;
    is_clean(
        more,
        &format!(r#"{more},"active":true"#),
        &format!(r#"{more},"n":1"#),
        &format!(r#"{more},"n":1,"active":true"#),
    );
    clashes(
        more,
        &more.replace("/>", "a/>"),
        &more.replace("/>", "b/>"),
        &["text"],
    );
}

#[test]
fn moved_items_stay_themselves() {
    let list = |items: &[&str]| telecom(items);
    let ranked = MAIL.replace('}', ",\"rank\":1}");
    // Moved there, changed here.
    is_clean(
        &list(&[HOME, WORK, MAIL]),
        &list(&[HOME, WORK, &ranked]),
        &list(&[MAIL, HOME, WORK]),
        &list(&[&ranked, HOME, WORK]),
    );
    // Moved on both sides, differently.
    clashes(
        &list(&[HOME, WORK, MAIL]),
        &list(&[WORK, HOME, MAIL]),
        &list(&[MAIL, HOME, WORK]),
        &["telecom"],
    );
}

#[test]
fn replaced_items_are_not_mixed_with_what_they_replaced() {
    let contact =
        |name: &str, more: &str| format!(r#","contact":[{{"name":{{"family":"{name}"}}{more}}}]"#);
    // Another contact person here; there the old one got a gender.
    clashes(
        &contact("a", ""),
        &contact("b", ""),
        &contact("a", r#","gender":"male""#),
        &["contact[#0]"],
    );
    let practitioner =
        |n: u8| format!(r#","generalPractitioner":[{{"reference":"Practitioner/{n}"}}]"#);
    clashes(
        &practitioner(1),
        &practitioner(2),
        &practitioner(3),
        &["generalPractitioner[Practitioner/1]"],
    );
    let extension = |urls: &[&str]| {
        let all: Vec<String> = urls
            .iter()
            .map(|u| format!(r#"{{"url":"{u}","valueCode":"x"}}"#))
            .collect();
        format!(r#","extension":[{}]"#, all.join(","))
    };
    is_clean(
        &extension(&["a"]),
        &extension(&["b"]),
        &extension(&["c"]),
        &extension(&["b", "c"]),
    );
}

#[test]
fn a_member_that_stands_twice_is_one_sides_as_a_whole() {
    clashes(r#","a":1"#, r#","a":1,"a":2"#, r#","a":3"#, &["$this"]);
    clashes(
        r#","x":{"a":1}"#,
        r#","x":{"a":1,"a":2}"#,
        r#","x":{"a":3}"#,
        &["x"],
    );
}

#[test]
fn versions_of_two_records_are_refused() {
    let other = patient("").replace("\"1\"", "\"2\"");
    assert_eq!(
        merge(&patient(""), &patient(""), &other)
            .unwrap_err()
            .to_string(),
        "the versions are not of one record"
    );
    for (at, words) in ["the base", "the edited version", "the server's version"]
        .into_iter()
        .enumerate()
    {
        let mut three = [patient(""), patient(""), patient("")];
        three[at] = "[1]".to_owned();
        let error = merge(&three[0], &three[1], &three[2])
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn medicines_and_allergies_need_a_person() {
    let needs = |name| needs_a_person(ResourceType::named(name).unwrap());
    assert!(needs("MedicationRequest") && needs("AllergyIntolerance"));
    assert!(!needs("Patient") && !needs("Appointment"));
}

#[test]
fn all_differences_can_be_looked_at_and_decided() {
    let base =
        patient(r#","gender":"male","name":[{"use":"official","family":"a"}],"m":{"x":1,"y":1}"#);
    let mine =
        patient(r#","gender":"female","name":[{"use":"official","family":"a"}],"m":{"x":2,"y":1}"#);
    let theirs =
        patient(r#","gender":"male","name":[{"use":"official","family":"b"}],"m":{"x":1,"y":2}"#);
    assert!(merge(&base, &mine, &theirs).unwrap().clashes.is_empty());
    let all = compare(&base, &mine, &theirs).unwrap();
    let paths: Vec<String> = all.iter().map(|clash| clash.path.to_string()).collect();
    assert_eq!(paths, ["gender", "name", "m.x", "m.y"]);
    let text = settle_each(
        &base,
        &mine,
        &theirs,
        &|clash| match clash.path.to_string().as_str() {
            "gender" | "m.y" => Side::Mine,
            _ => Side::Theirs,
        },
    );
    assert_eq!(
        text.unwrap(),
        patient(r#","gender":"female","name":[{"use":"official","family":"b"}],"m":{"x":1,"y":1}"#)
    );
}

#[test]
fn what_would_be_too_large_together_is_refused() {
    let large = "x".repeat(9 * 1024 * 1024);
    let with = |name: &str| patient(&format!(r#","{name}":"{large}""#));
    let merged = merge(&patient(""), &with("a"), &with("b"));
    assert_eq!(
        merged.unwrap_err(),
        crate::fhir::merge::NotMergeable::TooLarge
    );
}
