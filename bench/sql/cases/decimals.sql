SELECT id, 0.908 * initialBid, CAST(initialBid AS DECIMAL(12, 2)) + 0.005, CAST(initialBid AS DECIMAL(12, 2)) * 1.10,
  CAST(reserve AS DECIMAL(14, 3)) - CAST(initialBid AS DECIMAL(12, 2))
FROM auction
