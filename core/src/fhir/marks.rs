//! Marks that two Pocketcharts recognise in each other's FHIR.

/// URL of the extension of a CapabilityStatement that says: `lastUpdated` is given out at commit, by one writer, always
/// later than before. Whoever reads in its order misses nothing and needs no overlap between two reads.
pub const STAMPED_AT_COMMIT: &str = "urn:pocketchart:last-updated-at-commit";

/// URL of the extension of a CapabilityStatement that says: changes may carry the signed records of their authors. In a
/// Bundle it is the url of the extension of an entry whose `valueString` is the records.
pub const CHANGE_RECORD: &str = "urn:pocketchart:change-record";

/// URL of the extension of a CapabilityStatement that says: a signed change may come merged with what others changed
/// since. In a Bundle it is the url of the extension of an entry whose `valueString` is the text that the author signed.
pub const SIGNED_CONTENT: &str = "urn:pocketchart:signed-content";

/// System of the tag by which a record is found again that a server gave an id of its own. The code is the id of the change
/// that made it.
pub const MADE_BY: &str = "urn:pocketchart:made-by";

/// Header that carries the same beside a single write.
pub const CHANGE_HEADER: &str = "x-pocketchart-change";

/// System of the code in an OperationOutcome that says why a signed change was not taken.
pub const REFUSAL: &str = "urn:pocketchart:refusal";

/// Code of [`REFUSAL`]: nobody has approved its author yet. It may be taken later, so it waits.
pub const NOT_APPROVED: &str = "author-not-approved";
