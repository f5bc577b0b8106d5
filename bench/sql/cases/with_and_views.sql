WITH rich AS (SELECT auction, MAX(price) AS best FROM bid GROUP BY auction)
SELECT A.id, R.best, A.reserve FROM auction A JOIN rich R ON A.id = R.auction WHERE R.best > A.reserve
