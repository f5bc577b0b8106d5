-- k, g
SELECT k, g FROM input EXCEPT SELECT k, g FROM other
