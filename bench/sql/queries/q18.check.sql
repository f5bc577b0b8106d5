-- Bids of one millisecond are equal in the order: which of them is the last is left open. These columns are not.
SELECT auction, bidder, `dateTime`
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY `dateTime` DESC) AS rank_number
  FROM bid
)
WHERE rank_number <= 1
