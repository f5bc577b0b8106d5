SELECT id, name FROM person P WHERE NOT EXISTS (SELECT * FROM auction A WHERE A.seller = P.id)
