SELECT id, CAST(id AS INT) AS a, CAST(id AS DECIMAL(20, 2)) AS b, CAST(category AS DOUBLE) AS c, CAST(category AS FLOAT) AS d,
  CAST(category AS SMALLINT) AS e, CAST(category AS TINYINT) AS f, CAST(id AS STRING) AS g
FROM auction
