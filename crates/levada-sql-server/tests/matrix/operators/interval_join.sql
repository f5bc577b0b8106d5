-- id, version, ts, other_id, other_version, other_ts
SELECT i.id, i.version, i.ts, o.id AS other_id, o.version AS other_version, o.ts AS other_ts
FROM input AS i LEFT JOIN other AS o
  ON i.k = o.k AND o.ts BETWEEN i.ts - INTERVAL '5' SECOND AND i.ts + INTERVAL '10' SECOND
WHERE i.id < 900
