SELECT id, TIMESTAMPADD(DAY, 40, expires), TIMESTAMPADD(MONTH, 1, expires), TIMESTAMPDIFF(SECOND, `dateTime`, expires),
  expires + INTERVAL '90' MINUTE, expires - INTERVAL '1' DAY, DATE_FORMAT(expires, 'yyyy-MM-dd HH:mm:ss')
FROM auction
