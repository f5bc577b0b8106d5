SELECT window_start, window_end, AVG(price)
FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '20' MILLISECOND, INTERVAL '100' MILLISECOND))
GROUP BY window_start, window_end
