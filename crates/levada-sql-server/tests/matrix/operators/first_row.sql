-- k, id, version, n
SELECT k, id, version, n FROM (
  SELECT k, id, version, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts, id, version) AS place FROM input
) AS t WHERE place = 1
