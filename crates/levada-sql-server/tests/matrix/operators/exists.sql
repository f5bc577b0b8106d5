-- id, version, k, n
SELECT id, version, k, n FROM input AS i WHERE EXISTS (SELECT 1 FROM other AS o WHERE o.k = i.k AND o.g = i.g)
