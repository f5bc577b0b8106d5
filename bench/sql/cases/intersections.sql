SELECT id FROM person INTERSECT SELECT seller FROM auction
