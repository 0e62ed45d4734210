-- The tenant that a token is limited to; none when it may see everything. Whose instances, templates and flows are is part
-- of their names.
ALTER TABLE tokens ADD COLUMN tenant TEXT;
