-- Machines that claim no more. SQLite has the same file with the same names.

-- Why, whether it gives back what it is rendering, and since when.
CREATE TABLE drains (
    host    TEXT    NOT NULL PRIMARY KEY,
    reason  TEXT    NOT NULL CHECK (reason IN ('stop', 'spot')),
    at_once BIGINT  NOT NULL CHECK (at_once IN (0, 1)),
    since   BIGINT  NOT NULL CHECK (since >= 0),
    CHECK (reason <> 'spot' OR at_once = 1)
);
