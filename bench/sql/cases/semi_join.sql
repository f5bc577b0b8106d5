SELECT id, name FROM person WHERE id IN (SELECT seller FROM auction WHERE category = 10)
