-- k, g
SELECT DISTINCT k, g FROM input
