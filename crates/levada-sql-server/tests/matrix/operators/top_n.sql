-- k, id, version, n, place
SELECT k, id, version, n, place FROM (
  SELECT k, id, version, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY n DESC, id, version) AS place FROM input
) AS t WHERE place <= 2
