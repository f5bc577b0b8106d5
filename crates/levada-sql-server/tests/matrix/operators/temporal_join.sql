-- id, version, ts, rate_version, rate
SELECT i.id, i.version, i.ts, r.version AS rate_version, r.n AS rate
FROM input AS i LEFT JOIN rates FOR SYSTEM_TIME AS OF i.ts AS r ON i.k = r.id
WHERE i.id < 900
