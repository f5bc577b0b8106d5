SELECT A.id, P.id, P.name FROM auction A FULL JOIN person P ON A.seller = P.id
