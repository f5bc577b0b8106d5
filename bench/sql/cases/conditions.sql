SELECT id, CASE WHEN state = 'OR' THEN 1 WHEN state IN ('CA', 'ID') THEN 2 ELSE 3 END, COALESCE(NULLIF(state, 'WA'), 'none'),
  CASE state WHEN 'AZ' THEN 'a' END, state BETWEEN 'CA' AND 'OR', NOT (id > 1005 AND state <> 'WY')
FROM person
