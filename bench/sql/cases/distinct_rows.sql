SELECT DISTINCT auction, channel FROM bid WHERE channel NOT LIKE 'channel-%'
