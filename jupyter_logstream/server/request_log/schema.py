"""Tables and statements of the request log's database. Server; text only.

`request` has a row per call. `created_seq` and `changed_seq` are the numbers of its first and last change; `history`
is JSON of the changed fields, `{field: [seq of its last change, value at creation]}`. `detail` has the headers, the
query and the bodies of a call as JSON; in a table of its own, so that scans of `request` do not read them.
"""

from __future__ import annotations

from .row import FIELDS, OPEN

SCHEMA_VERSION = 2

_MUTABLE = FIELDS[1:]  # all but the id
_COLUMNS = ", ".join(FIELDS)

# The fields have no declared type: SQLite then returns an int as an int and a float as a float.
SCHEMA = f"""
CREATE TABLE request (
    created_seq INTEGER PRIMARY KEY, changed_seq INTEGER NOT NULL, key TEXT, history TEXT NOT NULL,
    id TEXT NOT NULL UNIQUE, {", ".join(_MUTABLE)}
);
CREATE UNIQUE INDEX request_key ON request (key) WHERE key IS NOT NULL;
CREATE INDEX request_changed ON request (changed_seq);
CREATE TABLE detail (created_seq INTEGER PRIMARY KEY, value TEXT NOT NULL);
"""

MIGRATIONS = {
    1: "".join(
        f"ALTER TABLE request ADD COLUMN {name};"
        for name in ("finish_reason", "cache_creation_tokens", "reasoning_tokens")
    ),
}
"""Version of a file -> the statements that make it the next version."""

IS_OPEN = "status IN ({})".format(", ".join(f"'{status}'" for status in sorted(OPEN)))

# Only names of columns are inserted into these texts, never values.
SELECT = f"SELECT created_seq, changed_seq, history, {_COLUMNS} FROM request"  # noqa: S608 - see above
INSERT = (
    f"INSERT OR IGNORE INTO request (created_seq, changed_seq, key, history, {_COLUMNS}) "  # noqa: S608 - see above
    f"VALUES (?, ?, ?, ?, {', '.join('?' for _ in FIELDS)})"
)
UPDATE = (
    f"UPDATE request SET changed_seq = ?, history = ?, {', '.join(f'{name} = ?' for name in _MUTABLE)} "  # noqa: S608
    "WHERE created_seq = ?"
)
