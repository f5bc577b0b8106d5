SELECT id, YEAR(expires), QUARTER(expires), MONTH(expires), WEEK(expires), DAYOFMONTH(expires), DAYOFWEEK(expires),
  DAYOFYEAR(expires), HOUR(expires), MINUTE(expires), SECOND(expires), EXTRACT(MILLISECOND FROM expires)
FROM auction
