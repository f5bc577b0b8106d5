SELECT state, COUNT(*), MIN(id), MAX(id), SUM(id), AVG(id), COUNT(DISTINCT city), MIN(name), MAX(city)
FROM person GROUP BY state
