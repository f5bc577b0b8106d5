SELECT id, CAST(reserve AS DECIMAL(14, 2)) / CAST(initialBid AS DECIMAL(12, 2)) AS a, 10.00 / initialBid AS b,
  initialBid / 0.07 AS c, CAST(reserve AS DECIMAL(38, 2)) / CAST(initialBid AS DECIMAL(38, 7)) AS d,
  CAST(initialBid AS DECIMAL(20, 10)) / CAST(reserve + 1 AS INT) AS e, -reserve * 1.0 / 3 AS f,
  CAST(reserve AS DECIMAL(38, 0)) / CAST(0.000001 AS DECIMAL(38, 6)) AS g
FROM auction
