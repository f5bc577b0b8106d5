-- id, version, ts, other_id, other_version
SELECT i.id, i.version, i.ts, o.id AS other_id, o.version AS other_version
FROM input AS i LEFT JOIN other AS o
  ON i.k = o.k AND o.ts BETWEEN i.ts - INTERVAL '5' SECOND AND i.ts + INTERVAL '10' SECOND
WHERE i.id < 900
