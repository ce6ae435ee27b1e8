//! A vault that an owner and a nurse share, and how they open it.

use crate::fake_gate::FakeGate;
use crate::hand_clock::HandClock;
use crate::{make_vault, patient, required, resource};
use pocketchart_core::access::{AccessError, Guard, Opening, Person, Role};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::vault::{Gate, NewSecret, NewSlot, RecoveryCode, Secret, With};
use std::path::Path;
use std::sync::{Arc, LazyLock};

/// The nurse's passphrase.
pub const NURSE_WORDS: &str = "ferry thimble orchard 19";
/// The nurse's PIN.
pub const PIN: &str = "739148";

/// A member of the staff.
pub fn nurse() -> Person {
    Person::new("nurse-1")
}

/// The member of the staff, to be lent.
pub static NURSE: LazyLock<Person> = LazyLock::new(nurse);

/// A slot for a passphrase.
pub fn words(text: &str) -> NewSlot {
    NewSlot {
        label: "Nurse One".into(),
        secret: NewSecret::Passphrase {
            text: SecretText::new(text.into()),
            cost: LOWEST_COST,
            evaluate: false,
        },
    }
}

/// A slot for the PIN.
pub fn new_pin() -> NewSlot {
    NewSlot {
        label: "Nurse One".into(),
        secret: NewSecret::Pin {
            pin: SecretText::new(PIN.into()),
            cost: LOWEST_COST,
        },
    }
}

/// A person who opens with what they type.
pub fn opening<'a>(
    person: &'a Person,
    secret: &'a Secret,
    gate: Option<&'a FakeGate>,
) -> Opening<'a> {
    Opening {
        person,
        with: With::Secret(secret),
        gate: gate.map(|gate| gate as &dyn Gate),
    }
}

/// A PIN as a secret.
pub fn pin(text: &str) -> Secret {
    Secret::Pin(SecretText::new(text.into()))
}

/// Opens the vault in `home`.
pub async fn open(
    home: &Path,
    of: Opening<'_>,
    clock: &Arc<HandClock>,
) -> Result<Guard, AccessError> {
    Guard::unlock_with(home, &of, clock.clone()).await
}

/// A vault of an owner and a nurse with a passphrase, locked.
pub async fn shared_vault() -> (tempfile::TempDir, RecoveryCode) {
    let home = required(tempfile::tempdir());
    let (guard, code) = make_vault(home.path());
    required(guard.put(&resource(&patient("a", "1"))));
    let nurse = nurse();
    let added = guard.add_person(&nurse, &Role::NURSE, words(NURSE_WORDS), None);
    required(added.await);
    required(guard.lock());
    (home, code)
}
