-- k, s, c
SELECT i.k, i.s, o.c FROM (SELECT k, SUM(n) AS s FROM input GROUP BY k) AS i
LEFT JOIN (SELECT k, COUNT(*) AS c FROM other GROUP BY k) AS o ON i.k = o.k
