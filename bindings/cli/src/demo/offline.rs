//! What is written while there is no network, by whom, and what the clinic does meanwhile.

use super::device::{NURSE, PHONE, PHYSICIAN, POSTAL_CODE};
use super::stage::{OTHER_PATIENT, PHONE_PATIENT, Stage, THIRD_PATIENT};
use super::story::{Story, ensure, failed};
use crate::failure::Failure;
use pocketchart_core::access::Person;
use pocketchart_core::care::booking::{Asked, Preferences, Zone};

/// What was asked for.
pub(super) struct Wished {
    /// Id of the wish.
    pub(super) wish: String,
    /// Id of the Slot.
    pub(super) slot: String,
}

/// Patient, nurse and physician go on without a hub.
pub(super) async fn write(stage: &mut Stage, story: &mut Story) -> Result<Wished, Failure> {
    stage.clinic.go_offline().await?;
    let (phone, tablet) = (&stage.phone, &stage.tablet);
    let (own, other) = (
        format!("Patient/{PHONE_PATIENT}"),
        format!("Patient/{OTHER_PATIENT}"),
    );
    phone.change(&own, PHONE, "555-0100-2026")?;
    let guard = phone.guard()?;
    let wanted = Preferences {
        is_virtual: Some(true),
        zone: Zone::utc().name().to_owned(),
        ..Preferences::default()
    };
    let free = guard.free_times(&wanted)?.slots;
    let slot = free
        .get(7)
        .ok_or_else(|| failed("the phone has no times to choose from"))?;
    let asked = Asked {
        patient: PHONE_PATIENT.into(),
        reason: "Results of the last visit".into(),
        slot: Some(slot.id.clone()),
        wanted,
        next_best: false,
    };
    let wish = guard.ask_for_visit(asked)?;

    tablet.hand_to(&Person::new(NURSE)).await?;
    tablet.record_blood_pressure("demo-blood-pressure", OTHER_PATIENT, 128, 82)?;
    tablet.change(&own, POSTAL_CODE, "02139")?;
    tablet.hand_to(&Person::new(PHYSICIAN)).await?;
    tablet.change(&other, PHONE, "555-0177-2026")?;
    tablet.hand_to(&Person::owner()).await?;

    for device in [phone, tablet] {
        ensure(
            device.sync().await.is_err_and(|e| e.exit_code() == 5),
            "a sync without a network says so",
        )?;
    }
    ensure(
        phone.waiting()? == 1 && tablet.waiting()? == 3,
        "what was written offline waits",
    )?;
    story.step("All go offline. On the phone the patient changes a phone number and asks for a video visit from the times there are;");
    story.more("on the tablet a nurse records a blood pressure and corrects the same patient's postal code, and a physician writes");
    story.more("down another patient's new phone number. Offline, a sync says so; 1 and 3 changes wait, and the wish");
    Ok(Wished {
        wish: wish.id,
        slot: slot.id.clone(),
    })
}

/// The hub is back, and somebody was there before the devices are.
pub(super) async fn meanwhile(
    stage: &mut Stage,
    wished: &Wished,
    story: &mut Story,
) -> Result<(), Failure> {
    stage.clinic.come_back().await?;
    let other = format!("Patient/{OTHER_PATIENT}");
    stage.clinic.change(&other, PHONE, "555-0188-2026").await?;
    stage.clinic.book(&wished.slot, THIRD_PATIENT).await?;
    story.step("Meanwhile the front desk writes down another number for that patient, and gives the wished time to somebody else");
    Ok(())
}
