//! What a device holds, for the simulation in `sync`.

use super::{AccessError, Guard};
pub(crate) use crate::store::Inspected;

impl Guard {
    /// Local changes with every version that is kept, and the number of outbox rows that belong to none.
    pub(crate) fn inspect(&self) -> Result<(Vec<Inspected>, u64), AccessError> {
        self.read_for_device(|reader| reader.inspect())
    }
}
