-- window_start, window_end, k, id, version, n, place
SELECT window_start, window_end, k, id, version, n, place FROM (
  SELECT window_start, window_end, k, id, version, n,
    ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY n DESC, id, version) AS place
  FROM TABLE(TUMBLE(TABLE input, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE id < 900
) AS t WHERE place <= 2
