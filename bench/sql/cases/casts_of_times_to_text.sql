SELECT id, CAST(`dateTime` AS STRING) AS a, CAST(expires AS VARCHAR) AS b FROM auction
