SELECT id, initialBid + reserve, initialBid - reserve, initialBid * 3, reserve / 7, -initialBid / 7, ABS(category - reserve)
FROM auction
