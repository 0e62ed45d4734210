-- What happened, for those who want to hear of it, and how far they were told.

CREATE TABLE events (
    id  INTEGER PRIMARY KEY AUTOINCREMENT,
    at  INTEGER NOT NULL,
    doc TEXT NOT NULL
) STRICT;

CREATE TABLE told (
    whom  TEXT NOT NULL PRIMARY KEY,
    event INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
