SELECT id, CAST(reserve AS DECIMAL(14, 2)) / CAST(initialBid AS DECIMAL(12, 2)) FROM auction
