CREATE TABLE compartment (
    -- In whose compartments a record is (fhir/compartment). patient: rid of the Patient on the same server, whether it is
    -- here or not. By record, since what is asked is "is this row one of theirs?"; it belongs to the index and is
    -- exchanged with it.
    rid INTEGER NOT NULL,
    patient INTEGER NOT NULL,
    PRIMARY KEY (rid, patient)
) STRICT, WITHOUT ROWID;

-- A rebuild that an older program began has no such table beside its own; it begins again.
DELETE FROM setting WHERE name IN ('reindexed_rid', 'reindexing_generation');
