//! Which types of records a transaction changed: what screens are told, so that they look again.

use super::{StoreError, Tx};
use crate::fhir::ResourceType;

const WORDS: usize = 3;

/// A set of resource types.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Touched([u64; WORDS]);

/// What a transaction came to.
pub(crate) struct Written<R> {
    /// What its body answered.
    pub(crate) answer: R,
    /// The revision that was stored.
    pub(crate) revision: i64,
    /// Types of the records that changed: their texts, or where their changes stand.
    pub(crate) touched: Touched,
}

impl Touched {
    pub(crate) fn add(&mut self, kind: ResourceType) {
        let at = usize::try_from(kind.number()).unwrap_or_default();
        if let Some(word) = self.0.get_mut(at / 64) {
            *word |= 1 << (at % 64);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0 == [0; WORDS]
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = ResourceType> {
        let words = self.0;
        ResourceType::all().filter(move |kind| {
            let at = usize::try_from(kind.number()).unwrap_or_default();
            words
                .get(at / 64)
                .is_some_and(|word| word >> (at % 64) & 1 == 1)
        })
    }
}

impl Tx<'_> {
    /// A record of this type changed, or where its change stands.
    pub(super) fn touch(&self, kind: ResourceType) {
        self.touched.borrow_mut().add(kind);
    }

    /// As [`Tx::touch`], by the record's row.
    pub(super) fn touch_row(&self, rid: i64) -> Result<(), StoreError> {
        self.touch_rows("SELECT type FROM rkey WHERE rid = ?1", rid)
    }

    /// As [`Tx::touch`], for all records that `sql` finds the types of, with one value.
    pub(super) fn touch_rows(
        &self,
        sql: &str,
        value: impl rusqlite::ToSql,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query([value])?;
        while let Some(row) = rows.next()? {
            if let Some(kind) = ResourceType::numbered(row.get(0)?) {
                self.touch(kind);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_has_a_place_of_its_own() {
        for kind in ResourceType::all() {
            let mut touched = Touched::default();
            assert!(touched.is_empty());
            touched.add(kind);
            assert_eq!(touched.kinds().collect::<Vec<_>>(), [kind]);
        }
    }
}
