SELECT window_start, window_end, COUNT(*), COUNT(DISTINCT bidder)
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '3' SECOND))
GROUP BY window_start, window_end
