-- id, version, at, rate_version, rate
SELECT i.id, i.version, i.at, r.version AS rate_version, r.n AS rate
FROM input AS i LEFT JOIN rates FOR SYSTEM_TIME AS OF i.at AS r ON i.k = r.id
WHERE i.id < 900
