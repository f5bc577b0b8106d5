SELECT id FROM person EXCEPT SELECT seller FROM auction
