SELECT id, POWER(CAST(category AS DOUBLE), 2), FLOOR(CAST(category AS DOUBLE) / 3), ROUND(0.125 * id, 2), SIGN(id - 1003),
  CONCAT(itemName, '-', CAST(id AS STRING)), POSITION('a' IN itemName), REVERSE(itemName), LPAD(CAST(id AS STRING), 7, '0')
FROM auction
