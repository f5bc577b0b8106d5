//! Cycles of a directed graph, as its strongly connected components. What the nodes are is the caller's.

/// Each strongly connected component of two or more nodes, sorted.
///
/// Source: Tarjan, *Depth-first search and linear graph algorithms*, 1972; written without recursion.
pub(super) fn cycles(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search::new(edges.len());
    for root in 0..edges.len() {
        if search.numbers[root].is_none() {
            search.explore(root, edges);
        }
    }
    search.found.sort_unstable();
    search.found
}

struct Search {
    numbers: Vec<Option<usize>>,
    lowest: Vec<usize>,
    open: Vec<usize>,
    is_open: Vec<bool>,
    next_number: usize,
    found: Vec<Vec<usize>>,
}

impl Search {
    fn new(count: usize) -> Self {
        Self {
            numbers: vec![None; count],
            lowest: vec![0; count],
            open: Vec::new(),
            is_open: vec![false; count],
            next_number: 0,
            found: Vec::new(),
        }
    }

    fn explore(&mut self, root: usize, edges: &[Vec<usize>]) {
        let mut path = vec![(root, 0)];
        self.enter(root);
        while let Some((node, followed)) = path.last_mut() {
            let node = *node;
            if let Some(&next) = edges[node].get(*followed) {
                *followed += 1;
                match self.numbers[next] {
                    None => {
                        self.enter(next);
                        path.push((next, 0));
                    }
                    Some(number) if self.is_open[next] => self.lowest[node] = self.lowest[node].min(number),
                    Some(_) => {}
                }
                continue;
            }
            path.pop();
            if let Some(&(parent, _)) = path.last() {
                self.lowest[parent] = self.lowest[parent].min(self.lowest[node]);
            }
            if self.numbers[node] == Some(self.lowest[node]) {
                self.close(node);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.numbers[node] = Some(self.next_number);
        self.lowest[node] = self.next_number;
        self.next_number += 1;
        self.open.push(node);
        self.is_open[node] = true;
    }

    fn close(&mut self, node: usize) {
        let mut component = Vec::new();
        while let Some(member) = self.open.pop() {
            self.is_open[member] = false;
            component.push(member);
            if member == node {
                break;
            }
        }
        if component.len() > 1 {
            component.sort_unstable();
            self.found.push(component);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::cycles;

    #[test]
    fn finds_each_cycle_and_nothing_else() {
        let edges = vec![vec![1], vec![2, 3], vec![1], vec![4], vec![], vec![6], vec![5, 0]];
        assert_eq!(cycles(&edges), [vec![1, 2], vec![5, 6]]);
        assert!(cycles(&[vec![1, 2], vec![2], vec![]]).is_empty());
    }
}
