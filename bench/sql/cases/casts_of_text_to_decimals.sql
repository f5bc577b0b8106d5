SELECT id, CAST(SUBSTRING(creditCard, 6, 4) AS DECIMAL(6, 2)) AS a FROM person
