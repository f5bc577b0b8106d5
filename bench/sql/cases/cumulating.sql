SELECT window_start, window_end, AVG(price)
FROM TABLE(CUMULATE(TABLE bid, DESCRIPTOR(`dateTime`), INTERVAL '1' SECOND, INTERVAL '2' SECOND))
GROUP BY window_start, window_end
