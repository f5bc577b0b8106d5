-- refused: the scale of a quotient would be another than in Flink
SELECT id, CAST(reserve AS DECIMAL(14, 2)) / CAST(initialBid AS DECIMAL(12, 2)) FROM auction
