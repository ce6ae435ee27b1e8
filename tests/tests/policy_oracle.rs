//! Random policy, person and request against a slow evaluator that reads the policy's JSON and the records' trees:
//! 20,000 cases. A failing case names its seed.
#![allow(missing_docs, clippy::panic, clippy::unwrap_used)]

use pocketchart_core::access::{AccessError, Action, Actor, Guard, Importing, Person, Role};
use pocketchart_core::clock::Clock;
use pocketchart_core::fhir::params::Profile;
use pocketchart_core::fhir::search::Query;
use pocketchart_core::fhir::{Instant, Resource, ResourceId};
use pocketchart_tests::generate::policies::{FACILITIES, PATIENTS, PEOPLE, ROLES, policy};
use pocketchart_tests::generate::{self, Random};
use pocketchart_tests::oracle::policy::{self as slow, Who};
use pocketchart_tests::oracle::{self, Page};
use pocketchart_tests::*;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// A clock that stands still.
struct At(Instant);

impl Clock for At {
    fn now(&self) -> Instant {
        self.0
    }

    fn since_boot(&self) -> Duration {
        Duration::ZERO
    }
}

/// In memory where there is such a place: each refusal waits for the disk, and here are thousands.
fn folder() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

struct Clinic {
    owner: Guard,
    texts: Vec<String>,
    records: Vec<Value>,
    _home: tempfile::TempDir,
}

impl Clinic {
    /// The first drawn one that has enough records to hide some and show some.
    fn of_seed(seed: u64) -> Self {
        let drawn = (0..).map(|n| generate::case(seed * 100 + n, Profile::Default));
        let case = drawn
            .into_iter()
            .find(|case| case.records.len() >= 22)
            .unwrap();
        let home = folder();
        let (owner, _) = make_vault_at(home.path(), Arc::new(At(case.now)));
        let resources: Vec<Resource<'_>> = case.texts.iter().map(|text| resource(text)).collect();
        let how = Importing {
            as_edits: false,
            durable: false,
            at: case.now,
        };
        owner
            .import(&[("x".into(), resources.len())], &resources, how)
            .unwrap();
        Self {
            owner,
            texts: case.texts,
            records: case.records,
            _home: home,
        }
    }

    fn install(&self, policy: &Value) {
        self.owner
            .sign_and_install_policy(&policy.to_string())
            .unwrap();
    }
}

fn draw_who(random: &mut Random) -> Who<'static> {
    Who {
        person: random.pick(&PEOPLE),
        role: random.pick(&ROLES),
        patient: random.percent(60).then(|| random.pick(&PATIENTS)),
        facility: random.percent(60).then(|| random.pick(&FACILITIES)),
    }
}

fn actor(who: &Who<'_>) -> Actor {
    Actor {
        patient: who.patient.map(|id| ResourceId::new(id).unwrap()),
        facility: who.facility.map(str::to_owned),
        ..Actor::new(Person::new(who.person), Role::named(who.role))
    }
}

/// All pages of a search, one after the other; `None`: refused.
fn pages(guard: &Guard, query: &Query) -> Option<impl FnMut(usize) -> Page> {
    let mut first = match guard.search(query) {
        Ok(page) => Some(page),
        Err(AccessError::NotAllowed(_)) => return None,
        Err(error) => panic!("{error}"),
    };
    let guard = guard.clone();
    let mut next: Option<Query> = None;
    Some(move |_| {
        let Some(page) = first.take().or_else(|| {
            let query = next.take()?;
            Some(guard.search(&query).unwrap())
        }) else {
            return Page::default();
        };
        let answer = Page::of(&page);
        next = page.next;
        answer
    })
}

/// What differs in one search. Counts those that show some records and hide others.
fn search(
    clinic: &Clinic,
    policy: &Value,
    random: &mut Random,
    telling: &mut usize,
) -> Result<(), String> {
    let who = draw_who(random);
    let guard = clinic.owner.acting_as(actor(&who));
    let mut case = generate::over(clinic.texts.clone(), random, Profile::Default);
    let kind = case.query.kind.name();
    // Most criteria find little; without them pages, totals and includes have more to show.
    if random.percent(50) {
        case.query.criteria.clear();
    }
    let unlimited = oracle::evaluate(&case.records, &case.query, case.now).len();
    case.records = slow::visible(policy, &who, "search", &clinic.records);
    let limited = oracle::evaluate(&case.records, &case.query, case.now).len();
    *telling += usize::from(limited > 0 && limited < unlimited);
    let found = pages(&guard, &case.query);
    match (slow::may_at_all(policy, &who, "search", kind), found) {
        (false, None) => Ok(()),
        (true, Some(pages)) => {
            oracle::compare(&case, pages).map_err(|what| format!("{who:?} {what}"))
        }
        (may, _) => Err(format!("{who:?} {}: allowed at all: {may}", case.query)),
    }
}

/// What differs in reading one record, and in what stands in the status.
fn get(clinic: &Clinic, policy: &Value, random: &mut Random) -> Result<(), String> {
    let who = draw_who(random);
    let guard = clinic.owner.acting_as(actor(&who));
    let record = &clinic.records[random.below(clinic.records.len())];
    let kind = record["resourceType"].as_str().unwrap();
    let full = format!("{kind}/{}", record["id"].as_str().unwrap());
    let expected = slow::may_at_all(policy, &who, "read", kind)
        .then(|| slow::may_see(policy, &who, "read", record));
    let found = match guard.get(&name(&full)) {
        Ok(found) => Some(found.is_some()),
        Err(AccessError::NotAllowed(_)) => None,
        Err(error) => panic!("{error}"),
    };
    if found != expected {
        return Err(format!(
            "{who:?} {full}: expected {expected:?}, found {found:?}"
        ));
    }
    let seen = slow::visible(policy, &who, "read", &clinic.records).len();
    let counts = guard.status().unwrap().counts;
    let counted = usize::try_from(counts.iter().map(|(_, n)| n).sum::<u64>()).unwrap();
    if counted != seen {
        return Err(format!(
            "{who:?}: {seen} records may be read, {counted} are counted"
        ));
    }
    Ok(())
}

const CLINICS: u64 = 25;
const POLICIES: u64 = 40;
const READS: u64 = 15;
const WRITES: u64 = 5;

/// The reads of some clinics: 15 for each policy, one of four by name.
fn reads(clinics: impl Iterator<Item = u64>) {
    let (mut asked, mut telling, mut wrong) = (0, 0, Vec::new());
    for seed in clinics {
        let clinic = Clinic::of_seed(seed);
        for version in 1..=POLICIES {
            let mut random = Random::new(seed * 1_000 + version);
            let policy = policy(&mut random, version);
            clinic.install(&policy);
            for at in 0..READS {
                asked += 1;
                let result = match at % 4 {
                    3 => get(&clinic, &policy, &mut random),
                    _ => search(&clinic, &policy, &mut random, &mut telling),
                };
                let named = |what| format!("clinic {seed}, policy {version}, request {at}: {what}");
                wrong.extend(result.map_err(named).err());
            }
        }
    }
    println!("{asked} reads, {telling} of them searches that show some and hide some");
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ, first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n\n")
    );
    assert!(telling * 20 > asked, "{telling} of {asked} tell something");
}

#[test]
fn what_may_be_seen_is_what_the_slow_evaluator_shows_1() {
    reads(0..CLINICS / 2);
}

#[test]
fn what_may_be_seen_is_what_the_slow_evaluator_shows_2() {
    reads(CLINICS / 2..CLINICS);
}

/// A record like an existing one, with some elements of another, or a new one.
fn drawn(clinic: &Clinic, random: &mut Random) -> Value {
    let one = &clinic.records[random.below(clinic.records.len())];
    let mut new = one.clone();
    let of_kind: Vec<&Value> = clinic
        .records
        .iter()
        .filter(|r| r["resourceType"] == one["resourceType"])
        .collect();
    let other = of_kind[random.below(of_kind.len())];
    for (element, value) in other.as_object().unwrap() {
        let is_name = matches!(element.as_str(), "id" | "resourceType" | "meta");
        if !is_name && random.percent(25) {
            new[element] = value.clone();
        }
    }
    if random.percent(25) {
        new["id"] = format!("new{}", random.below(3)).into();
    }
    if random.percent(30) {
        new["status"] = random.pick(&["a", "final", "ab"]).into();
    }
    new
}

/// One write, compared; what was stored is put back by the owner.
fn write(
    clinic: &Clinic,
    policy: &Value,
    random: &mut Random,
    allowed: &mut usize,
) -> Result<(), String> {
    let who = draw_who(random);
    let guard = clinic.owner.acting_as(actor(&who));
    let new = drawn(clinic, random);
    let kind = new["resourceType"].as_str().unwrap().to_owned();
    let full = format!("{kind}/{}", new["id"].as_str().unwrap());
    let is_same = |record: &&Value| {
        record["resourceType"] == new["resourceType"] && record["id"] == new["id"]
    };
    let stored = clinic.records.iter().find(is_same);
    let old = stored.filter(|old| slow::may_see(policy, &who, "read", old));
    let is_hidden = stored.is_some() && old.is_none();
    let put_back = || match stored {
        Some(old) => drop(clinic.owner.put(&resource(&old.to_string())).unwrap()),
        None => drop(clinic.owner.delete(&name(&full)).unwrap()),
    };
    let (expected, found) = if random.percent(25) {
        let found = match guard.delete(&name(&full)) {
            Ok(deleted) => Some(deleted.is_some()),
            Err(AccessError::NotAllowed(_)) => None,
            Err(error) => panic!("{error}"),
        };
        let expected = match old {
            _ if !slow::may_at_all(policy, &who, "delete", &kind) => None,
            None => Some(false),
            Some(old) => slow::may_write(policy, &who, "delete", Some(old), None).then_some(true),
        };
        (expected, found)
    } else {
        let found = match guard.put(&resource(&new.to_string())) {
            Ok(_) => Some(true),
            Err(AccessError::NotAllowed(_)) => None,
            Err(error) => panic!("{error}"),
        };
        let action = if old.is_some() { "update" } else { "create" };
        let may = !is_hidden && slow::may_write(policy, &who, action, old, Some(&new));
        (may.then_some(true), found)
    };
    if found == Some(true) {
        *allowed += 1;
        put_back();
    }
    if found == expected {
        return Ok(());
    }
    Err(format!(
        "{who:?} {full}: expected {expected:?}, found {found:?}\nold {old:?}\nnew {new}\n{}",
        policy["roles"][who.role]
    ))
}

#[test]
fn what_may_be_written_is_what_the_slow_evaluator_allows() {
    let (mut asked, mut allowed, mut wrong) = (0, 0, Vec::new());
    for seed in 0..CLINICS {
        let clinic = Clinic::of_seed(1_000 + seed);
        for version in 1..=POLICIES {
            let mut random = Random::new(9_000_000 + seed * 1_000 + version);
            let policy = policy(&mut random, version);
            clinic.install(&policy);
            for at in 0..WRITES {
                asked += 1;
                let result = write(&clinic, &policy, &mut random, &mut allowed);
                let named = |what| format!("clinic {seed}, policy {version}, write {at}: {what}");
                wrong.extend(result.map_err(named).err());
            }
        }
    }
    println!("{asked} writes, {allowed} of them allowed");
    assert_eq!(CLINICS * POLICIES * (READS + WRITES), 20_000);
    assert!(
        wrong.is_empty(),
        "{} of {asked} differ, first:\n{}",
        wrong.len(),
        wrong[..wrong.len().min(3)].join("\n\n")
    );
    assert!(allowed * 20 > asked, "{allowed} of {asked} are allowed");
}

/// An export holds what may be exported.
#[test]
fn exports_go_by_the_policy() {
    for seed in 0..6 {
        let clinic = Clinic::of_seed(2_000 + seed);
        for version in 1..=10 {
            let mut random = Random::new(7_000_000 + seed * 100 + version);
            let policy = policy(&mut random, version);
            clinic.install(&policy);
            let who = draw_who(&mut random);
            let guard = clinic.owner.acting_as(actor(&who));
            let expected = slow::visible(&policy, &who, "export", &clinic.records).len();
            let mut exported = 0;
            let result = guard.export("all", |_| {
                exported += 1;
                Ok::<_, AccessError>(())
            });
            if !matches!(result, Err(AccessError::NotAllowed(_))) {
                result.unwrap();
            }
            assert_eq!(
                exported, expected,
                "clinic {seed}, policy {version}: {who:?}"
            );
        }
    }
    assert_eq!(Action::all().count(), 8);
}
