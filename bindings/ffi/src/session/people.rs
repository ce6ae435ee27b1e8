//! Who can open the vault, and whose hands it is in.

use super::slots::NewSlot;
use super::{PersonInfo, Session};
use crate::redacted::redacted;
use crate::vault::Asked;
use crate::{PocketchartError, UnlockWith, runtime};
use pocketchart_core::access::{Guard, Person, Role, fingerprint};
use std::sync::Arc;

/// Somebody who can open the vault, or could.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct MemberInfo {
    /// Their id; the owner's is `owner`.
    pub id: String,
    /// As what they work.
    pub role: String,
    /// How many slots are theirs; 0: they have to be enrolled anew.
    pub slots: u64,
    /// Of the key they sign with: what a hub's operator compares.
    pub fingerprint: String,
    /// Whether the hub vouches for them.
    pub is_certified: bool,
}

redacted!(MemberInfo);

#[uniffi::export]
impl Session {
    /// Everybody in the vault.
    ///
    /// # Errors
    /// [`PocketchartError::Locked`].
    pub async fn people(&self) -> Result<Vec<MemberInfo>, PocketchartError> {
        self.work(members).await
    }

    /// Makes the first slot of a new person, who signs with a key of their own from then on. `name`: 1 to 64 letters,
    /// digits, dots and dashes.
    ///
    /// # Errors
    /// [`PocketchartError::BadInput`] for a role without rules, [`PocketchartError::AlreadyThere`],
    /// [`PocketchartError::NotAllowed`], and those of [`Session::add_slot`]; there is no new person then.
    pub async fn add_person(
        &self,
        name: String,
        role: String,
        slot: NewSlot,
    ) -> Result<MemberInfo, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        runtime::detached(async move {
            let guard = inner.core.guard()?;
            let (person, role) = (Person::new(name), Role::named(role));
            if !guard.knows_role(&role) {
                return Err(PocketchartError::BadInput(
                    "the policy has no rules for this role",
                ));
            }
            let (new, gate) = (slot.in_core(&inner), inner.place.gate());
            guard.add_person(&person, &role, new, gate).await?;
            let members = members(&guard)?;
            let made = members.into_iter().find(|member| member.id == person.id());
            made.ok_or(PocketchartError::NotFound)
        })
        .await
    }

    /// Puts the open vault into another person's hands, without closing its files. The person before has it still when
    /// that fails. What was running for the person before ends with [`PocketchartError::Locked`], and so do
    /// [`Ticks`](crate::Ticks): observe anew.
    ///
    /// # Errors
    /// [`PocketchartError::WrongSecret`] and the others of [`Vault::unlock`](crate::Vault::unlock).
    pub async fn switch_person(&self, with: UnlockWith) -> Result<PersonInfo, PocketchartError> {
        let inner = Arc::clone(&self.inner);
        let slots = self.work(|guard| Ok(guard.slots()?)).await?;
        let asked = Asked::of(with, &slots)?;
        let is_tied = asked.asks_a_person();
        let work = async move {
            let opening = asked.opening(inner.place.gate());
            inner.core.switch(&opening).await?;
            Ok(())
        };
        match is_tied {
            true => runtime::tied(work).await?,
            false => runtime::detached(work).await?,
        }
        self.person()
    }
}

fn members(guard: &Guard) -> Result<Vec<MemberInfo>, PocketchartError> {
    let people = guard.people()?.into_iter();
    let member = |person: pocketchart_core::access::PersonSummary| MemberInfo {
        id: person.person.id().to_owned(),
        role: person.role.name().to_owned(),
        slots: u64::try_from(person.slots).unwrap_or(u64::MAX),
        fingerprint: fingerprint(&person.public_key),
        is_certified: !person.certificate.is_empty(),
    };
    Ok(people.map(member).collect())
}
