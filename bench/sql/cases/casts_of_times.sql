-- refused: a TIMESTAMP has no cast to TIME here
SELECT id, CAST(`dateTime` AS DATE) AS a, CAST(expires AS DATE) AS b, CAST(expires AS TIME) AS c FROM auction
