-- id, version, k, n
SELECT id, version, k, n FROM input WHERE k IN (SELECT k FROM other WHERE n > 4)
