SELECT COUNT(*), SUM(price), MAX(channel), AVG(price) FROM bid WHERE price < 0
