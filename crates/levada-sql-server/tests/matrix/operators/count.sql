-- c, numbers, s, least, greatest
SELECT COUNT(*) AS c, COUNT(n) AS numbers, SUM(n) AS s, MIN(d) AS least, MAX(g) AS greatest FROM input
