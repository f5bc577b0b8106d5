-- k, window_start, window_end, c, s
SELECT k, window_start, window_end, COUNT(*) AS c, SUM(n) AS s
FROM TABLE(SESSION(TABLE input PARTITION BY k, DESCRIPTOR(ts), INTERVAL '6' SECOND)) WHERE id < 900
GROUP BY k, window_start, window_end
