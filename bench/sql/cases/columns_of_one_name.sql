-- refused: columns of one name need aliases
SELECT id, CAST(id AS INT), CAST(id AS STRING) FROM person
