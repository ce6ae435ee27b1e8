//! Coming back: what is sent, what merges, what waits for a person and is decided, and the visit that finds another time.

use super::device::PHYSICIAN;
use super::offline::Wished;
use super::stage::{OTHER_PATIENT, PHONE_PATIENT, Stage};
use super::story::{Story, ensure, failed};
use crate::failure::Failure;
use pocketchart_core::access::{Person, Resolution};
use pocketchart_core::care::booking::{Shown, Zone};
use pocketchart_core::fhir::Reference;
use pocketchart_core::fhir::merge::Side;

/// Both sync: what fits together is put together, what does not is kept.
pub(super) async fn send(stage: &Stage, story: &mut Story) -> Result<(), Failure> {
    let from_phone = stage.phone.sync().await?;
    let from_tablet = stage.tablet.sync().await?;
    ensure(
        from_phone.records.sent == 1 && from_phone.records.conflicts == 0,
        "the phone's change was sent",
    )?;
    ensure(
        from_tablet.records.sent == 2 && from_tablet.records.conflicts == 1,
        "the nurse's two changes were sent, and the physician's waits",
    )?;
    let again = stage.phone.sync().await?;
    ensure(
        again.records.sent == 0 && again.records.conflicts == 0,
        "a further sync sends nothing",
    )?;
    let own = stage.served(&format!("Patient/{PHONE_PATIENT}")).await?;
    ensure(
        own.contains("555-0100-2026") && own.contains("\"02139\""),
        "the patient's number and the nurse's postal code stand in one record",
    )?;
    story.step("Both come back and sync. The patient's number and the nurse's postal code, of one record, are merged");
    Ok(())
}

/// The physician looks at the conflict and decides.
pub(super) async fn decide(stage: &Stage, story: &mut Story) -> Result<(), Failure> {
    let tablet = &stage.tablet;
    tablet.hand_to(&Person::new(PHYSICIAN)).await?;
    let guard = tablet.guard()?;
    let name = Reference::parse(&format!("Patient/{OTHER_PATIENT}"));
    let name = name.map_err(|e| failed(&e.to_string()))?;
    let conflict = guard.conflict(&name)?;
    let conflict = conflict.ok_or_else(|| failed("the conflict is not there"))?;
    for (side, text, number) in [
        ("the tablet's", &conflict.mine, "555-0177-2026"),
        ("the hub's", &conflict.theirs, "555-0188-2026"),
    ] {
        let held = text.as_ref().is_some_and(|text| text.contains(number));
        ensure(held, &format!("{side} version is kept"))?;
    }
    ensure(conflict.base.is_some(), "the version before both is kept")?;
    let words: Vec<&str> = conflict
        .differences
        .iter()
        .map(|difference| difference.words.as_str())
        .collect();
    let told = words.join("; ");
    guard.resolve(&name, &Resolution::Side(Side::Mine))?;
    drop(guard);
    tablet.hand_to(&Person::owner()).await?;
    let sent = tablet.sync().await?.records;
    ensure(
        sent.sent == 1 && sent.conflicts == 0 && tablet.waiting()? == 0,
        "the decision was sent, and nothing waits any more",
    )?;
    let other = stage.served(&name.to_string()).await?;
    ensure(
        other.contains("555-0177-2026"),
        "the hub has what was decided",
    )?;
    story.step("The physician's number met the front desk's: all three versions are kept, the physician decides, the decision goes out");
    story.more(&format!("The tablet's words for it: {told}"));
    Ok(())
}

/// The wished time is gone: others are offered, and one is taken.
pub(super) async fn visit(
    stage: &Stage,
    wished: &Wished,
    story: &mut Story,
) -> Result<(), Failure> {
    let guard = stage.phone.guard()?;
    let offered = guard.visit(&wished.wish)?.wish;
    ensure(offered.word() == "offered", "other times are offered")?;
    let offers = offered.offers();
    ensure(
        offers.iter().all(|slot| slot.id != wished.slot),
        "the time that is gone is not offered",
    )?;
    let best = offers
        .first()
        .ok_or_else(|| failed("no other time is offered"))?;
    guard.choose_time(&wished.wish, &best.id)?;
    let synced = stage.phone.sync().await?;
    ensure(synced.visits.booked == 1, "the visit is booked")?;
    let shown = stage.phone.guard()?.visit(&wished.wish)?;
    let booking = shown.wish.booking();
    let booking = booking.ok_or_else(|| failed("the visit is not booked"))?;
    let slot = stage.served(&format!("Slot/{}", best.id)).await?;
    ensure(slot.contains("\"busy\""), "its time is taken on the hub")?;
    let appointment = format!("Appointment/{}", booking.appointment);
    let appointment = stage.served(&appointment).await?;
    ensure(
        appointment.contains(&best.id) && appointment.contains(PHONE_PATIENT),
        "the hub has the appointment",
    )?;
    story.step(&format!(
        "The wished time was gone: {} others were offered, the patient took the best, booked for {}",
        offers.len(),
        when(&shown)?
    ));
    story
        .more("with its video link, which opens in its time only. Nobody has two, no time has two");
    Ok(())
}

fn when(shown: &Shown) -> Result<String, Failure> {
    let (start, _) = shown.time.ok_or_else(|| failed("the visit has no time"))?;
    let link = shown
        .visit
        .as_ref()
        .and_then(|visit| visit.address.as_ref());
    ensure(link.is_some(), "the visit has a link")?;
    Ok(Zone::utc().words(start))
}
