SELECT A.id, B.bidder, B.price FROM auction A JOIN bid B
ON A.id = B.auction AND B.`dateTime` BETWEEN A.`dateTime` AND A.`dateTime` + INTERVAL '2' SECOND
