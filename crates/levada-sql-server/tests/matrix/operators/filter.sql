-- id, version, u, twice, more
SELECT id, version, UPPER(g) AS u, n * 2 AS twice, d + 1 AS more FROM input WHERE n > 3 OR g IS NULL
