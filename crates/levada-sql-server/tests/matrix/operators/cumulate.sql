-- window_start, window_end, c, s
SELECT window_start, window_end, COUNT(*) AS c, SUM(n) AS s
FROM TABLE(CUMULATE(TABLE input, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) WHERE id < 900
GROUP BY window_start, window_end
