-- id, version, at, other_id, other_version, other_at
SELECT i.id, i.version, i.at, o.id AS other_id, o.version AS other_version, o.at AS other_at
FROM input AS i LEFT JOIN other AS o
  ON i.k = o.k AND o.at BETWEEN i.at - INTERVAL '5' SECOND AND i.at + INTERVAL '10' SECOND
WHERE i.id < 900
