-- g, window_start, window_end, c, s
SELECT g, window_start, window_end, COUNT(*) AS c, SUM(n) AS s
FROM TABLE(HOP(TABLE input, DESCRIPTOR(ts), INTERVAL '10' SECOND, INTERVAL '20' SECOND)) WHERE id < 900
GROUP BY g, window_start, window_end
