//! The only way to an alias: records of one type, together with what may be seen of it.
//!
//! Whatever a search walks over, it walks over as a [`Records`], and the condition of the view is in the statement before
//! anything else can be. A chain or `_has` takes a `Records` of the type it comes to, so that it cannot be forgotten there.

use super::super::view::Seen;
use super::statement::Statement;
use super::{Reader, StoreError};
use crate::fhir::ResourceType;

/// Records of a type under an alias, as far as they may be seen.
#[derive(Debug, Clone)]
pub(super) struct Records {
    alias: &'static str,
    rid: String,
    seen: Seen,
}

impl Records {
    pub(super) fn of(
        reader: &Reader<'_>,
        kind: ResourceType,
        alias: &'static str,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            alias,
            rid: format!("{alias}.rid"),
            seen: reader.seen(kind)?,
        })
    }

    /// ` FROM <rows> <alias>`, joined with key and body, `WHERE` they may be seen. `rows` has a column `rid`.
    pub(super) fn push_from(&self, statement: &mut Statement, rows: &Statement) {
        let Self { alias, rid, .. } = self;
        statement.push(" FROM ").append(rows);
        statement.push(&format!(
            " {alias} CROSS JOIN rkey ON rkey.rid = {rid} CROSS JOIN body ON body.rid = {rid} WHERE "
        ));
        self.seen.push_condition(statement, rid);
    }

    pub(super) fn alias(&self) -> &'static str {
        self.alias
    }

    /// `<alias>.rid`.
    pub(super) fn rid(&self) -> &str {
        &self.rid
    }

    /// The clinical time of the record at hand, where its row does not carry it.
    pub(super) fn looked_up_time(&self) -> String {
        format!(
            "(SELECT ms FROM clinical WHERE clinical.rid = {})",
            self.rid
        )
    }

    /// Nothing of it may be seen, so that nothing needs to be read.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.seen, Seen::Nothing)
    }
}
