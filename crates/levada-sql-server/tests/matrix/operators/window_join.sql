-- window_start, window_end, id, version, other_id, other_version
SELECT i.window_start, i.window_end, i.id, i.version, o.id AS other_id, o.version AS other_version FROM (
  SELECT * FROM TABLE(TUMBLE(TABLE input, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE id < 900
) AS i LEFT JOIN (
  SELECT * FROM TABLE(TUMBLE(TABLE other, DESCRIPTOR(ts), INTERVAL '20' SECOND)) WHERE id < 900
) AS o ON i.k = o.k AND i.window_start = o.window_start AND i.window_end = o.window_end
