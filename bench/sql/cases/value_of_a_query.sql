SELECT id, reserve FROM auction WHERE reserve > (SELECT AVG(reserve) FROM auction)
