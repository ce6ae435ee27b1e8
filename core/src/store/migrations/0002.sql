CREATE TABLE parameter (
    -- p of the index: a search parameter of a type. Interned by name, so that a later program, whose own numbers are
    -- others, still reads the rows of an older index.
    p INTEGER PRIMARY KEY,
    type INTEGER NOT NULL,
    code TEXT NOT NULL,
    UNIQUE (type, code)
) STRICT;

CREATE TABLE term (
    -- Codes, identifiers, phone numbers, units, each once. '' stands for "no system".
    id INTEGER PRIMARY KEY,
    system TEXT NOT NULL,
    code TEXT NOT NULL,
    UNIQUE (code, system)
) STRICT;

CREATE INDEX term_by_system ON term (system, id);

CREATE TABLE clinical (
    -- Where a record stands in time (its type's clinical date, see fhir/params): o of its token and reference rows.
    -- Apart from body, since it belongs to the index and is exchanged with it.
    rid INTEGER PRIMARY KEY REFERENCES rkey,
    ms INTEGER NOT NULL
) STRICT;

-- Dictionary that a superseded version was packed with; 0: none.
ALTER TABLE version ADD COLUMN dict INTEGER NOT NULL DEFAULT 0;

-- The rows of the first step mean something else. The index is made anew at the next opening (index.rs).
DELETE FROM ix;

CREATE TABLE dictionary (
    -- What bodies of a type are packed with (dictionary.rs). Made of records, so it is as confidential as they are.
    dict INTEGER PRIMARY KEY,
    type INTEGER NOT NULL UNIQUE,
    -- Packed: the codec's checksum guards it.
    content BLOB NOT NULL,
    -- Bodies up to this rid were stored before it was made, and are packed anew; up to which that is done.
    upto_rid INTEGER NOT NULL,
    repacked_rid INTEGER NOT NULL
) STRICT;
