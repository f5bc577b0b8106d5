SELECT id, NULLIF(state, 'WA') IS NULL, NULLIF(state, 'WA') = 'OR', NULLIF(state, 'WA') IS DISTINCT FROM 'OR',
  NULLIF(state, 'WA') || 'x', NULLIF(id, 1003) + 1
FROM person
