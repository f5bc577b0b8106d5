SELECT * FROM (
  SELECT window_start, auction, price, bidder, ROW_NUMBER() OVER (PARTITION BY window_start, window_end ORDER BY price DESC, bidder, auction) AS nth
  FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND))
) WHERE nth <= 2
