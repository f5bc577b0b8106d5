SELECT COUNT(*), SUM(price), MAX(channel), COUNT(DISTINCT auction) FROM bid
