SELECT bidder, window_start, window_end, COUNT(*)
FROM TABLE(SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND))
GROUP BY bidder, window_start, window_end
