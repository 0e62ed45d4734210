-- Data keys, each sealed by a master key of the key file.

CREATE TABLE data_keys (
    seq    INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    tenant TEXT NOT NULL,
    key_id TEXT NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
