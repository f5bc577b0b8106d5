SELECT category, SUM(CAST(category AS DOUBLE)), AVG(CAST(category AS DOUBLE)), MIN(CAST(initialBid AS DOUBLE)), MAX(CAST(reserve AS FLOAT))
FROM auction GROUP BY category
