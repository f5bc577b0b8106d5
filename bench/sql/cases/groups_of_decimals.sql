SELECT category, SUM(CAST(initialBid AS DECIMAL(12, 2))), AVG(CAST(initialBid AS DECIMAL(12, 2))), MAX(0.5 * reserve)
FROM auction GROUP BY category
