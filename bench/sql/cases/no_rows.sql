-- differs: a stream of Flink has no row before the first one comes; the answer of its batch is ours
SELECT COUNT(*), SUM(price), MAX(channel), AVG(price) FROM bid WHERE price < 0
