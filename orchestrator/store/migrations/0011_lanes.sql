-- The lanes that steps have of their own. Until now every step had one.

CREATE TABLE lanes (
    name TEXT PRIMARY KEY
) STRICT, WITHOUT ROWID;

INSERT INTO lanes
SELECT DISTINCT json_extract(step.value, '$.lane')
FROM flow_versions, json_each(flow_versions.doc, '$.steps') AS step
WHERE json_extract(step.value, '$.lane') IS NOT NULL
  AND json_extract(step.value, '$.role') IN ('action', 'polling');
