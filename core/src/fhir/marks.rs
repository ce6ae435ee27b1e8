//! Marks that two Pocketcharts recognise in each other's FHIR.

/// URL of the extension of a CapabilityStatement that says: `lastUpdated` is given out at commit, by one writer, always
/// later than before. Whoever reads in its order misses nothing and needs no overlap between two reads.
pub const STAMPED_AT_COMMIT: &str = "urn:pocketchart:last-updated-at-commit";

/// URL of the extension of a Bundle's entry that holds the signed change record of its write (`valueString`).
pub const CHANGE_RECORD: &str = "urn:pocketchart:change-record";

/// The header that holds the signed change record of a single write.
pub const CHANGE_HEADER: &str = "x-pocketchart-change";
