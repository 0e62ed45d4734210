-- When somebody authorised an instance, which refreshes of its tokens do not change. What is stored already counts as
-- authorised when it was stored.

ALTER TABLE authorizations ADD COLUMN authorized_at INTEGER;
UPDATE authorizations SET authorized_at = updated_at;
