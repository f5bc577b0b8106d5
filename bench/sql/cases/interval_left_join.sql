SELECT A.id, B.bidder, B.price FROM auction A LEFT JOIN bid B
ON A.id = B.auction AND B.price > 1000000 AND B.`dateTime` BETWEEN A.`dateTime` - INTERVAL '5' MILLISECOND AND A.`dateTime` + INTERVAL '30' MILLISECOND
