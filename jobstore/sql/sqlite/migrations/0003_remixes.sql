-- A remix asks for what another job asked for, with a prompt of its own. SQLite and PostgreSQL have
-- this file with the same names.

ALTER TABLE jobs ADD COLUMN remix_of TEXT;
