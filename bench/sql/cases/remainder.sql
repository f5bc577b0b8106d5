SELECT id, MOD(reserve, 7), MOD(-reserve, 7), reserve % 5 FROM auction
