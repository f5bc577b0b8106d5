SELECT A.id, B.bidder, B.price FROM auction A LEFT JOIN bid B
ON A.id = B.auction AND B.price > 1000000 AND B.`dateTime` BETWEEN A.`dateTime` - INTERVAL '1' SECOND AND A.`dateTime` + INTERVAL '2' SECOND
