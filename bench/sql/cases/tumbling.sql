SELECT window_start, window_end, channel, COUNT(*), MAX(price)
FROM TABLE(TUMBLE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '50' MILLISECOND))
GROUP BY window_start, window_end, channel
