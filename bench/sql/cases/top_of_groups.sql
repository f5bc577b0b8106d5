SELECT * FROM (
  SELECT category, id, reserve, ROW_NUMBER() OVER (PARTITION BY category ORDER BY reserve DESC, id) AS nth FROM auction
) WHERE nth <= 3
