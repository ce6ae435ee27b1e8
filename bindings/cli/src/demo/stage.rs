//! Who takes part: a clinic's hub, a patient's phone, a tablet that two of the staff share.

use super::clinic::{self, Clinic};
use super::convergence::Served;
use super::device::Device;
use super::schedules;
use super::story::{Story, ensure};
use crate::failure::Failure;
use crate::output::{count, grouped};
use pocketchart_core::clock::{Clock, SystemClock};
use std::path::Path;

/// The patient whose phone it is, and the one whose record the clinic changes too: two adults of the committed clinic.
pub(super) const PHONE_PATIENT: &str = "3e57f0b3-35af-7046-2a68-87e931f7a1ea";
pub(super) const OTHER_PATIENT: &str = "2c03832c-8ac3-aaf8-916a-c5fb94c6774c";
/// Whoever books at the front desk.
pub(super) const THIRD_PATIENT: &str = "9e62238f-2473-b51f-d720-727296b44fac";

/// All three.
pub(super) struct Stage {
    pub(super) clinic: Clinic,
    pub(super) phone: Device,
    pub(super) tablet: Device,
}

impl Stage {
    /// The hub is loaded, the devices join and receive.
    pub(super) async fn set(folder: &Path, story: &mut Story) -> Result<Self, Failure> {
        let clinic = Clinic::open(folder).await?;
        story.step(&format!(
            "A clinic's hub starts: encrypted vault, own authority, TLS at {}",
            clinic.url()
        ));

        let mut lines = clinic::patients()?;
        let practitioners = schedules::practitioners(&lines.join("\n"));
        let times = schedules::schedules(&practitioners, SystemClock.now());
        let free = times
            .iter()
            .filter(|line| line.contains("\"free\""))
            .count();
        lines.extend(times);
        let transactions = clinic.load(&lines).await?;
        let total = u64::try_from(lines.len()).unwrap_or(0);
        story.step(&format!(
            "{} go in, in {}; {free} of them are times to book in the next two weeks",
            count(total, "record"),
            count(transactions, "transaction")
        ));

        let phone = Device::phone(folder, &clinic, PHONE_PATIENT).await?;
        let tablet = Device::tablet(folder, &clinic).await?;
        story.step("A patient's phone and a tablet of a nurse and a physician join by a code each, approved by fingerprint");
        let (to_phone, to_tablet) = (phone.sync().await?.records, tablet.sync().await?.records);
        ensure(
            to_tablet.received == total,
            "the tablet has received every record",
        )?;
        ensure(
            to_phone.received > 0 && to_phone.received < total,
            "the phone has received one patient's records",
        )?;
        story.step(&format!(
            "The phone receives {} (own and directory), the tablet {}",
            grouped(to_phone.received),
            grouped(to_tablet.received)
        ));
        Ok(Self {
            clinic,
            phone,
            tablet,
        })
    }

    /// What the hub answers to a GET of this record.
    pub(super) async fn served(&self, name: &str) -> Result<String, Failure> {
        let answer = self.clinic.client()?.get(name).await?;
        ensure(answer.status == 200, &format!("the hub has {name}"))?;
        Ok(answer.text)
    }

    /// The bytes stored are the bytes served, on all three. Answers with how many the hub, the tablet and the phone hold.
    pub(super) async fn agree(&self) -> Result<(Served, [u64; 3]), Failure> {
        let served = Served::all(&self.clinic).await?;
        let held = [
            served.equals("hub", &self.clinic.guard, |_| true)?,
            served.equals("tablet", &self.tablet.guard()?, |_| true)?,
            served.equals("phone", &self.phone.guard()?, |record| {
                record.is_of(PHONE_PATIENT)
            })?,
        ];
        Ok((served, held))
    }
}
