-- Sessions of browsers, without their tokens. They last an hour at most, and go when the next one is made.

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY NOT NULL,
    doc        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX sessions_by_end ON sessions (expires_at);
