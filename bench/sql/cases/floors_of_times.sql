SELECT id, FLOOR(expires TO MINUTE), CEIL(expires TO HOUR), FLOOR(expires TO DAY), FLOOR(expires TO MONTH), CEIL(expires TO SECOND)
FROM auction
