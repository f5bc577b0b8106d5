-- differs: Flink takes texts that are no numbers for decimals of up to 18 digits, and some that are numbers not
SELECT x, TRY_CAST(x AS DECIMAL(6, 2)) AS a, TRY_CAST(x AS DECIMAL(18, 9)) AS b
FROM (SELECT CASE MOD(auction, 6)
    WHEN 0 THEN '1e' WHEN 1 THEN 't' WHEN 2 THEN '2F' WHEN 3 THEN '00012' WHEN 4 THEN '1e-400' ELSE '9999.995'
  END AS x FROM bid)
