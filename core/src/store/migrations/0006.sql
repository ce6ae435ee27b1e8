-- What a sync learned about this server, packed JSON (peer_state.rs); NULL: nothing yet. Unlike the settings nobody sets it.
ALTER TABLE peer ADD COLUMN state BLOB;

-- In state 0 with theirs: what others changed since was merged into the body. Then this is what the author wrote, packed,
-- for that is what the author signed. NULL: the body is.
ALTER TABLE edit ADD COLUMN mine BLOB;

-- The last change of one author, when another changed the record before it was sent: the exact bytes at that time
-- (packed; NULL with ends = 2: deleted), to be sent as that author's before the rest. ends: 0 no, 1 yes, 2 as a deletion.
ALTER TABLE outbox ADD COLUMN ends INTEGER NOT NULL DEFAULT 0;
ALTER TABLE outbox ADD COLUMN text BLOB;
-- And what the next author saw, where that is another text (it had been merged). Packed.
ALTER TABLE outbox ADD COLUMN shown BLOB;

-- Changes that are one for the server too, such as an Appointment and its Slot: change_id of the first of them.
ALTER TABLE outbox ADD COLUMN together TEXT;

CREATE TABLE accepted (
    -- The newest change of a record that a server took, and which server that was.
    rid INTEGER PRIMARY KEY REFERENCES rkey,
    change_id TEXT NOT NULL,
    author TEXT NOT NULL,
    -- May be another one than the record's own: a clinic's hub that hands on.
    peer INTEGER NOT NULL REFERENCES peer,
    version TEXT,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE wish (
    -- A visit that somebody asked for here, and what became of it (care/booking). Packed JSON.
    id TEXT PRIMARY KEY,
    -- 0: it goes on by itself (wished, requested, held). 1: waits for a person (alternatives offered, refused). 2: over.
    state INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
