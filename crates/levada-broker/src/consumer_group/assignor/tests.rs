//! Random groups against both assignors, and what must hold of whatever they assign.

use super::*;
use levada_model::{Rng, SeededRng, Uuid};

/// Topics by number, members by name with what they subscribe to and had.
#[derive(Clone, Default)]
struct Group {
    topics: BTreeMap<TopicId, PartitionIndex>,
    members: BTreeMap<Str, (BTreeSet<TopicId>, Assignment)>,
}

fn topic(number: u8) -> TopicId {
    Uuid::from_bytes([number; 16])
}

impl Group {
    fn assign(&self, name: &str) -> BTreeMap<Str, Assignment> {
        let candidates = self.members.iter().map(|(id, (topics, has))| Candidate {
            id,
            instance_id: None,
            topics: Rc::new(topics.clone()),
            has,
        });
        let spec = Spec { candidates: candidates.collect(), topics: self.subscribed() };
        self.members.keys().cloned().zip(assign(name, &spec)).collect()
    }

    /// Topics that exist and that someone subscribes to.
    fn subscribed(&self) -> BTreeMap<TopicId, PartitionIndex> {
        let is_read = |id: &TopicId| self.members.values().any(|(topics, _)| topics.contains(id));
        self.topics.iter().filter(|(id, _)| is_read(id)).map(|(id, count)| (*id, *count)).collect()
    }

    /// Every partition has one owner, who subscribes to it.
    fn check_complete(&self, targets: &BTreeMap<Str, Assignment>) {
        let mut seen = BTreeSet::new();
        for (id, target) in targets {
            for (topic, partition) in target.iter() {
                assert!(self.members[id].0.contains(&topic), "{id} does not subscribe to {topic}");
                assert!((0..self.topics[&topic]).contains(&partition), "{topic}-{partition} does not exist");
                assert!(seen.insert((topic, partition)), "{topic}-{partition} has two owners");
            }
        }
        let all: usize = self.subscribed().values().map(|&count| usize::try_from(count).unwrap()).sum();
        assert_eq!(seen.len(), all, "no partition is without an owner");
    }

    /// No partition can go from a member to another subscriber that would still have fewer.
    fn check_even(&self, targets: &BTreeMap<Str, Assignment>) {
        for (id, target) in targets {
            for (topic, _) in target.topics() {
                for (other, (topics, _)) in &self.members {
                    let (mine, theirs) = (target.len(), targets[other].len());
                    assert!(!topics.contains(&topic) || mine <= theirs + 1, "{id} has {mine}, {other} has {theirs}");
                }
            }
        }
    }

    /// Partitions that had an owner who could keep them, and have another.
    fn moved(&self, targets: &BTreeMap<Str, Assignment>) -> usize {
        let lost = |(id, (topics, has)): (&Str, &(BTreeSet<TopicId>, Assignment))| {
            let kept = |&(topic, partition): &(TopicId, PartitionIndex)| targets[id].contains(topic, partition);
            has.iter().filter(|at| self.could_keep(topics, *at)).filter(|at| !kept(at)).count()
        };
        self.members.iter().map(lost).sum()
    }

    fn could_keep(&self, topics: &BTreeSet<TopicId>, (topic, partition): (TopicId, PartitionIndex)) -> bool {
        topics.contains(&topic) && self.topics.get(&topic).is_some_and(|&count| partition < count)
    }

    /// How few partitions any even assignment could move, where all members subscribe to the same.
    fn fewest_moves(&self) -> usize {
        let total: usize = self.subscribed().values().map(|&count| usize::try_from(count).unwrap()).sum();
        let (each, extra) = (total / self.members.len(), total % self.members.len());
        let counts: Vec<usize> = self
            .members
            .values()
            .map(|(topics, has)| has.iter().filter(|at| self.could_keep(topics, *at)).count())
            .collect();
        // Those who have more than each keep one of the extra ones, as far as there are such.
        let above = counts.iter().filter(|&&count| count > each).count();
        let surplus: usize = counts.iter().map(|count| count.saturating_sub(each)).sum();
        surplus - above.min(extra)
    }

    fn take_over(&mut self, targets: BTreeMap<Str, Assignment>) {
        for (id, target) in targets {
            self.members.get_mut(&id).unwrap().1 = target;
        }
    }
}

struct World {
    rng: SeededRng,
    group: Group,
    names: u64,
}

impl World {
    fn below(&self, bound: u64) -> u64 {
        self.rng.next_u64() % bound
    }

    fn subscription(&self, same: bool) -> BTreeSet<TopicId> {
        (0..6).filter(|_| same || self.below(2) == 0).map(topic).collect()
    }

    /// Members come and go, topics grow, go and come back.
    fn change(&mut self, same: bool) {
        for _ in 0..=self.below(3) {
            match self.below(8) {
                0..=3 => {
                    self.names += 1;
                    let subscription = self.subscription(same);
                    let name = Str::from(format!("m{:x}", self.names.wrapping_mul(0x9e37_79b9) % 1_000));
                    self.group.members.insert(name, (subscription, Assignment::default()));
                }
                4 | 5 if self.group.members.len() > 1 => {
                    let gone = usize::try_from(self.below(self.group.members.len() as u64)).unwrap();
                    let gone = self.group.members.keys().nth(gone).unwrap().clone();
                    self.group.members.remove(&gone);
                }
                6 => {
                    let number = u8::try_from(self.below(6)).unwrap();
                    self.group.topics.remove(&topic(number));
                }
                _ => {
                    let number = u8::try_from(self.below(6)).unwrap();
                    let more = PartitionIndex::try_from(self.below(20)).unwrap() + 1;
                    *self.group.topics.entry(topic(number)).or_insert(0) += more;
                }
            }
        }
        if !same && let Some((topics, _)) = self.group.members.values_mut().next() {
            *topics = (0..6).filter(|_| self.rng.next_u64().is_multiple_of(2)).map(topic).collect();
        }
    }

    fn run(seed: u64, same: bool, check: impl Fn(&Group, &BTreeMap<Str, Assignment>), name: &str) {
        let mut world = Self { rng: SeededRng::new(seed), group: Group::default(), names: seed };
        for _ in 0..40 {
            world.change(same);
            if world.group.members.is_empty() {
                continue;
            }
            let targets = world.group.assign(name);
            world.group.check_complete(&targets);
            check(&world.group, &targets);
            world.group.take_over(targets.clone());
            if name == UNIFORM {
                assert_eq!(world.group.assign(name), targets, "what is even stays as it is");
            }
        }
    }
}

#[test]
fn uniform_gives_everyone_as_many_and_moves_no_more_than_it_must() {
    for seed in 0..200 {
        let check = |group: &Group, targets: &BTreeMap<Str, Assignment>| {
            let counts: Vec<usize> = targets.values().map(Assignment::len).collect();
            assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
            assert_eq!(group.moved(targets), group.fewest_moves());
        };
        World::run(seed, true, check, UNIFORM);
    }
}

#[test]
fn uniform_evens_out_what_different_subscriptions_allow() {
    for seed in 0..200 {
        World::run(seed, false, |group, targets| group.check_even(targets), UNIFORM);
    }
}

#[test]
fn uniform_moves_nothing_for_a_member_that_subscribes_to_what_nobody_else_does() {
    let mut group = Group { topics: [(topic(1), 8), (topic(2), 4)].into(), ..Group::default() };
    for name in ["a", "b"] {
        group.members.insert(name.into(), ([topic(1)].into(), Assignment::default()));
    }
    group.take_over(group.assign(UNIFORM));
    group.members.insert("c".into(), ([topic(2)].into(), Assignment::default()));
    let targets = group.assign(UNIFORM);
    assert_eq!((group.moved(&targets), targets["c"].len()), (0, 4));
}

#[test]
fn range_cuts_each_topic_into_pieces_in_order() {
    for seed in 0..100 {
        for same in [true, false] {
            World::run(seed, same, check_ranges, RANGE);
        }
    }
}

fn check_ranges(group: &Group, targets: &BTreeMap<Str, Assignment>) {
    for &topic in group.subscribed().keys() {
        let mut next = 0;
        let mut sizes = Vec::new();
        for (id, target) in targets {
            if !group.members[id].0.contains(&topic) {
                continue;
            }
            let piece: Vec<_> = target.of_topic(topic).collect();
            for (index, partition) in piece.iter().enumerate() {
                assert_eq!(*partition, next + PartitionIndex::try_from(index).unwrap());
            }
            next += PartitionIndex::try_from(piece.len()).unwrap();
            sizes.push(piece.len());
        }
        assert!(sizes.is_sorted_by(|left, right| left >= right), "the first have one more: {sizes:?}");
        assert!(sizes.first().unwrap() - sizes.last().unwrap() <= 1, "{sizes:?}");
    }
}

#[test]
fn range_gives_static_members_the_same_whatever_their_id() {
    let (topics, none) = (Rc::new(BTreeSet::from([topic(1)])), Assignment::default());
    let (one, two, first, second): (Str, Str, Str, Str) = ("z".into(), "a".into(), "i-1".into(), "i-2".into());
    let of = |id, instance_id| Candidate { id, instance_id, topics: Rc::clone(&topics), has: &none };
    let ranges = |candidates| assign(RANGE, &Spec { candidates, topics: [(topic(1), 3)].into() });
    let before = ranges(vec![of(&two, Some(&second)), of(&one, Some(&first))]);
    let after = ranges(vec![of(&one, Some(&second)), of(&two, Some(&first))]);
    assert_eq!(before, after);
    assert_eq!(before[1].len(), 2, "the first by name has one more");
}

#[test]
fn a_hundred_members_over_a_thousand_partitions_are_assigned_one_by_one() {
    let mut group = Group { topics: [(topic(1), 1_000)].into(), ..Group::default() };
    for number in 0..100 {
        group.members.insert(format!("m-{number:03}").into(), ([topic(1)].into(), Assignment::default()));
        let targets = group.assign(UNIFORM);
        let before = number;
        // A newcomer gets its share, and nothing else moves.
        let share = 1_000 / (before + 1);
        assert!(group.moved(&targets) <= share + 1, "{} moved for {share}", group.moved(&targets));
        group.take_over(targets);
    }
    assert!(group.members.values().all(|(_, has)| has.len() == 10));
}
