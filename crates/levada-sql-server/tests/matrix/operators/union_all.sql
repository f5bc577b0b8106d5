-- id, k, g
SELECT id, k, g FROM input UNION ALL SELECT id, k, g FROM other
