-- Tokens of instances, sealed, and attempts to get them.

CREATE TABLE authorizations (
    instance    TEXT NOT NULL PRIMARY KEY REFERENCES instances (name) ON DELETE CASCADE,
    version     INTEGER NOT NULL,
    state       TEXT NOT NULL,
    detail      TEXT,
    access_key  TEXT,
    access      BLOB,
    refresh_key TEXT,
    refresh     BLOB,
    expires_at  INTEGER,
    scopes      TEXT NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE authorization_attempts (
    state        BLOB NOT NULL PRIMARY KEY,
    browser      BLOB,
    instance     TEXT NOT NULL REFERENCES instances (name) ON DELETE CASCADE,
    verifier_key TEXT,
    verifier     BLOB,
    redirect_uri TEXT NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
