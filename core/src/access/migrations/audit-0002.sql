-- Which entries are about whom: made from the entries' bodies, which the MACs cover, and compared with them by a
-- check. It follows behind (chain.indexed_to), so that writing an entry costs no more than before.
CREATE TABLE about (
    -- 0: id is a patient's. 1: id is the person's who acted, or who handed a change on.
    kind INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (kind, id, seq)
) STRICT, WITHOUT ROWID;

-- All entries up to here are in it.
ALTER TABLE chain ADD COLUMN indexed_to INTEGER NOT NULL DEFAULT 0;
-- Newest entry that an anchor outside of this file was made for; 0: there never was one.
ALTER TABLE chain ADD COLUMN anchored INTEGER NOT NULL DEFAULT 0;
