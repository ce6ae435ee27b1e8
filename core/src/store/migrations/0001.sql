CREATE TABLE setting (
    -- revision: of the newest change. stamp_ms: newest lastUpdated given out (hub). index_generation: see index.rs.
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO setting (name, value) VALUES ('revision', 0), ('stamp_ms', 0);

CREATE TABLE peer (
    -- A FHIR server this vault syncs with. Peer 1 always exists: records made here belong to it before it has a URL.
    peer INTEGER PRIMARY KEY,
    -- Base URL without a slash at the end; NULL until the first sync.
    url TEXT UNIQUE,
    -- Packed JSON (see peers.rs): certificate, token, scope. Packed because the codec's checksum guards it.
    settings BLOB NOT NULL
) STRICT;

CREATE TABLE rkey (
    -- A record's identity is (peer, type, id). A row without a body is a record that others refer to.
    rid INTEGER PRIMARY KEY,
    -- Number in fhir/types.rs.
    type INTEGER NOT NULL,
    id TEXT NOT NULL,
    peer INTEGER NOT NULL REFERENCES peer,
    UNIQUE (type, id, peer)
) STRICT;

CREATE TABLE body (
    -- What a reader sees.
    rid INTEGER PRIMARY KEY REFERENCES rkey,
    -- Dictionary the bytes were packed with; 0: none.
    dict INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    -- meta.versionId the server gave; NULL for a record that was never there.
    version TEXT,
    -- meta.lastUpdated of the server, or the time of the local change: ms since 1970.
    updated_ms INTEGER NOT NULL,
    -- 0: the server's bytes. 1: ours, not yet answered.
    origin INTEGER NOT NULL,
    -- Local revision that stored this.
    revision INTEGER NOT NULL
) STRICT;

CREATE TABLE ix (
    -- The one index. p: type and parameter (index.rs). v: value. o: order within the value.
    p INTEGER NOT NULL,
    v ANY NOT NULL,
    o ANY NOT NULL,
    rid INTEGER NOT NULL,
    PRIMARY KEY (p, v, o, rid)
) STRICT, WITHOUT ROWID;

CREATE TABLE edit (
    -- A locally changed record. What the person wrote ("mine") is in body; the other versions stand here.
    rid INTEGER PRIMARY KEY REFERENCES rkey,
    -- 0: waits to be sent. 1: conflict, waits for a person. 2: refused by the server.
    state INTEGER NOT NULL,
    -- 1: "mine" is a deletion.
    deleted INTEGER NOT NULL,
    -- The server's bytes the edit started from, packed, and their version. NULL: made here.
    base BLOB,
    base_version TEXT,
    -- While a push is under way: 1 put, 2 delete; the exact bytes, packed; the newest outbox row they hold.
    sent_kind INTEGER,
    sent BLOB,
    sent_seq INTEGER,
    -- In a conflict: the server's newer bytes, packed, and their version. Both NULL: deleted there.
    theirs BLOB,
    theirs_version TEXT,
    -- Issue codes of the server's refusal.
    refusal TEXT
) STRICT;

CREATE TABLE outbox (
    -- Local changes no server has acknowledged, in the order they were made.
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    rid INTEGER NOT NULL REFERENCES rkey,
    -- UUID of the change.
    change_id TEXT NOT NULL,
    -- Who made it.
    author TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_by_record ON outbox (rid, seq);

CREATE TABLE pull_cursor (
    -- How far a type was pulled from a peer. Written in the transaction of the page it describes.
    peer INTEGER NOT NULL REFERENCES peer,
    type INTEGER NOT NULL,
    -- Newest lastUpdated seen, ms since 1970.
    newest_ms INTEGER NOT NULL,
    -- Packed link to the next page, where a pull was cut off.
    next BLOB,
    PRIMARY KEY (peer, type)
) STRICT, WITHOUT ROWID;

CREATE TABLE version (
    -- The hub's history. The newest version of a record has no bytes here: they are its body.
    rid INTEGER NOT NULL REFERENCES rkey,
    n INTEGER NOT NULL,
    bytes BLOB,
    deleted INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    PRIMARY KEY (rid, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE secret (
    -- Texts this vault keeps for its owner's programs: the hub's identity. Packed, since the codec's checksum guards it.
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;
