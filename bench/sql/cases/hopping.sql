SELECT window_start, window_end, COUNT(*), COUNT(DISTINCT bidder)
FROM TABLE(HOP(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '20' MILLISECOND, INTERVAL '60' MILLISECOND))
GROUP BY window_start, window_end
