-- k, c, s, average, least, most, large
SELECT k, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS average, MIN(n) AS least, MAX(d) AS most, SUM(d) FILTER (WHERE n > 5) AS large
FROM input GROUP BY k HAVING COUNT(*) > 1
