SELECT id, name FROM person UNION ALL SELECT seller, itemName FROM auction
