SELECT A.id, A.seller, P.name FROM auction A LEFT JOIN person P ON A.seller = P.id AND P.state = 'OR'
