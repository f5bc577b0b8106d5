-- k, g
SELECT k, g FROM input UNION SELECT k, g FROM other
