-- id, version, k, g
SELECT id, version, k, g FROM input AS i WHERE NOT EXISTS (SELECT 1 FROM other AS o WHERE o.k = i.k AND o.g = i.g)
