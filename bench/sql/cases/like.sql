SELECT id, name, name LIKE 'P%', name LIKE '_e%r%', name NOT LIKE '%z', city LIKE '%o%o%'
FROM person
