-- g, c, s, kinds
SELECT g, COUNT(DISTINCT n) AS c, SUM(DISTINCT n) AS s, COUNT(DISTINCT k) FILTER (WHERE n > 2) AS kinds
FROM input GROUP BY g
