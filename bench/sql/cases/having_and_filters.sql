SELECT bidder, COUNT(*) FILTER (WHERE price > 1000000), SUM(DISTINCT auction), AVG(price)
FROM bid GROUP BY bidder HAVING COUNT(*) > 2
