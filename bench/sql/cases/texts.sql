SELECT id, UPPER(name), LOWER(city), CHAR_LENGTH(emailAddress), TRIM(name), SUBSTRING(name FROM 3), SUBSTRING(name, 2, 3),
  REPLACE(emailAddress, '@', ' at '), name || ', ' || city, LTRIM(extra), RTRIM(extra), BTRIM(extra)
FROM person
