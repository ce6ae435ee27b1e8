//! Values that must not be printed, copied by accident, or left behind in memory.
//!
//! What is *not* shown here: registers and stack slots the compiler spills to are not wiped, and whoever holds a
//! debugger on the process reads everything.

use crate::rng::{self, NoRandomness};
use std::fmt;
use zeroize::Zeroizing;

/// Length of every symmetric key in the house.
pub const KEY_BYTES: usize = 32;

/// A 32-byte key, on the heap and zeroed when dropped. `Debug` shows nothing of it.
pub struct Key(Box<Zeroizing<[u8; KEY_BYTES]>>);

impl Key {
    /// A zero key to be filled in place, so that no copy of the bytes is left on a stack.
    pub fn filled_by<E>(
        fill: impl FnOnce(&mut [u8; KEY_BYTES]) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut key = Self(Box::new(Zeroizing::new([0; KEY_BYTES])));
        fill(&mut key.0)?;
        Ok(key)
    }

    /// A random key.
    ///
    /// # Errors
    /// [`NoRandomness`].
    pub fn make_random() -> Result<Self, NoRandomness> {
        Self::filled_by(|bytes| rng::fill(bytes))
    }

    /// The bytes, for the primitive that needs them.
    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// A passphrase or a recovery code as typed. Zeroed when dropped, `Debug` shows nothing.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes the text over.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let key = Key::make_random().unwrap();
        assert_eq!(format!("{key:?}"), "Key(..)");
        assert_eq!(
            format!("{:?}", SecretText::new("horse".into())),
            "SecretText(..)"
        );
    }
}
