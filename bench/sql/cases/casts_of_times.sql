SELECT id, CAST(`dateTime` AS STRING), CAST(`dateTime` AS DATE), CAST(expires AS DATE), CAST(expires AS TIME)
FROM auction
