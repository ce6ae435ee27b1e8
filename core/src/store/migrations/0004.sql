-- The signed record of the change (access/change.rs), packed; NULL: its author has no key.
ALTER TABLE outbox ADD COLUMN record BLOB;

CREATE TABLE change_made (
    -- The hub: which signed change made which version. A change is taken once, and a later one may build on it.
    change_id TEXT PRIMARY KEY,
    rid INTEGER NOT NULL REFERENCES rkey,
    n INTEGER NOT NULL,
    device TEXT NOT NULL,
    author TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE registry (
    -- The hub: devices, tokens, enrolment codes and members, each by its id as packed JSON (access/registry.rs). Some
    -- tens of rows, read by their key alone. Packed because the codec's checksum guards it.
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;
