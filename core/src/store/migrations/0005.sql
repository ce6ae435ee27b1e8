-- The hub's history by type and by time.
ALTER TABLE version ADD COLUMN type INTEGER NOT NULL DEFAULT 0;

UPDATE version SET type = (SELECT rkey.type FROM rkey WHERE rkey.rid = version.rid);

-- Stamps only grow, so new entries of both stand at an end of theirs.
CREATE INDEX version_by_time ON version (updated_ms, rid, n);

CREATE INDEX version_by_type ON version (type, updated_ms, rid, n);
