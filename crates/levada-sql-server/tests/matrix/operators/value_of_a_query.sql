-- id, version, n
SELECT id, version, n FROM input WHERE n > (SELECT AVG(n) FROM other)
