-- c, of_it, most
SELECT c, COUNT(*) AS of_it, MAX(s) AS most FROM (SELECT k, COUNT(*) AS c, SUM(n) AS s FROM input GROUP BY k) AS t GROUP BY c
