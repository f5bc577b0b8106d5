SELECT A.id, P.name, P.city FROM auction A JOIN person P ON A.seller = P.id AND P.state <> 'OR'
