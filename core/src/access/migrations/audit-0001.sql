CREATE TABLE entry (
    -- 1, 2, 3, ... without a gap.
    seq INTEGER PRIMARY KEY,
    -- JSON (audit.rs). Guarded by the MAC, also against a page whose own MAC failed silently.
    body TEXT NOT NULL,
    -- HMAC-SHA256 under this entry's key over the MAC before it, seq and body.
    mac BLOB NOT NULL
) STRICT;

CREATE TABLE chain (
    -- One row: where the chain goes on.
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    -- Key of the next entry. Each key is derived from the one before, which is then overwritten.
    next_key BLOB NOT NULL,
    mac BLOB NOT NULL,
    -- Newest store revision an entry names, and when.
    revision INTEGER NOT NULL,
    revision_at_ms INTEGER NOT NULL,
    -- Changes found missing from the store that nobody has taken note of yet, when the newest of them was
    -- acknowledged, and the revision that showed it.
    lost_changes INTEGER NOT NULL,
    lost_newest_ms INTEGER NOT NULL,
    lost_revision INTEGER NOT NULL
) STRICT;
