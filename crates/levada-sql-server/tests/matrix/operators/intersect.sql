-- k, g
SELECT k, g FROM input INTERSECT SELECT k, g FROM other
