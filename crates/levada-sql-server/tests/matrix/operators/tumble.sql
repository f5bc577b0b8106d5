-- k, window_start, window_end, c, s, most, texts
SELECT k, window_start, window_end, COUNT(*) AS c, SUM(n) AS s, MAX(d) AS most, COUNT(DISTINCT g) AS texts
FROM TABLE(TUMBLE(TABLE input, DESCRIPTOR(ts), INTERVAL '10' SECOND)) WHERE id < 900 GROUP BY k, window_start, window_end
