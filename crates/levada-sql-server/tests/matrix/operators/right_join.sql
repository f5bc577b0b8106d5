-- id, version, n, other_id, other_version, other_n
SELECT i.id, i.version, i.n, o.id AS other_id, o.version AS other_version, o.n AS other_n
FROM input AS i RIGHT JOIN other AS o ON i.k = o.k AND i.g = o.g AND i.n >= o.n
