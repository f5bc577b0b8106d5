-- k, c, s, average, least, most, over_five
SELECT k, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS average, MIN(n) AS least, MAX(d) AS most, SUM(d) FILTER (WHERE n > 5) AS over_five
FROM input GROUP BY k HAVING COUNT(*) > 1
