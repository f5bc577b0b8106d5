SELECT id, CAST(id AS INT), CAST(id AS DECIMAL(20, 2)), CAST(category AS DOUBLE), CAST(category AS FLOAT),
  CAST(category AS SMALLINT), CAST(category AS TINYINT), CAST(id AS STRING)
FROM auction
