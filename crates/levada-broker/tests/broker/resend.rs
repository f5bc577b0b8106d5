//! A producer that outlives its broker: it sends what was not answered again, to whoever comes back, and goes on.
//!
//! Reading what a crash left is half of the promise. The other half is that nothing of a transaction is lost that its
//! producer goes on with, and then ends.

use super::*;
use levada_log::disk::sim::{Call, Rule};
use levada_store::AppendError;

/// One request of the producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Add,
    Produce(usize),
    Offsets,
    End(Outcome),
}

/// Why a step was not taken.
#[derive(Debug)]
enum Trouble {
    /// Ask again, perhaps another broker.
    Again,
    /// The transaction is lost.
    Refused(String),
}

fn transact(error: &TransactError) -> Trouble {
    match error {
        TransactError::Coordinator(_) | TransactError::Transaction(TransactionError::Concurrent) => Trouble::Again,
        error => Trouble::Refused(error.to_string()),
    }
}

/// A client of one generation in the middle of its transactions.
struct Client {
    generation: Generation,
    producer: Producer,
    /// Its transactions, from 1 on, and how they went.
    told: Vec<Told>,
    /// What is to be done in the transaction of this moment.
    steps: Vec<Step>,
    sequence: i32,
    /// Each time the broker refused to go on with a transaction.
    refusals: Vec<String>,
}

const OUTCOMES: [Outcome; 4] = [Outcome::Commit, Outcome::Abort, Outcome::Commit, Outcome::Commit];

impl Client {
    async fn new(rig: &Rig, generation: Generation) -> Self {
        let (producer, told) = (init(rig).await, Vec::new());
        Self { generation, producer, told, steps: Vec::new(), sequence: 0, refusals: Vec::new() }
    }

    /// Goes on until it is done, `true`, or the broker does not answer any more.
    async fn go_on(&mut self, rig: &Rig) -> bool {
        loop {
            if self.steps.is_empty() {
                let Some(&outcome) = OUTCOMES.get(self.told.len()) else { return true };
                self.begin(outcome);
            }
            let step = *self.steps.last().unwrap();
            match self.take(rig, step).await {
                Ok(()) => drop(self.steps.pop()),
                Err(Trouble::Again) if rig.disk.is_dead() => return false,
                Err(Trouble::Again) => tokio::task::yield_now().await,
                Err(Trouble::Refused(why)) => {
                    self.refusals.push(format!("{step:?} of {}: {why}", self.told.len()));
                    self.steps.clear();
                    let Ok(producer) = rig.broker.init_transactional_producer(&id(rig), TIMEOUT_MS, None).await else {
                        return false;
                    };
                    (self.producer, self.sequence) = (producer, 0);
                }
            }
        }
    }

    fn begin(&mut self, outcome: Outcome) {
        let places = (0..PLACES.len()).map(Step::Produce);
        // The last is taken first.
        let mut steps = vec![Step::End(outcome), Step::Offsets];
        steps.extend(places.rev());
        if self.generation == Generation::First {
            steps.push(Step::Add);
        }
        (self.steps, self.sequence) = (steps, if self.generation == Generation::First { self.sequence } else { 0 });
        self.told.push(Told::Nothing);
    }

    async fn take(&mut self, rig: &Rig, step: Step) -> Result<(), Trouble> {
        let (number, producer) = (i64::try_from(self.told.len()).unwrap(), self.producer);
        match step {
            Step::Add => {
                add(rig, producer, "orders", &[0, 1]).await.map_err(|error| transact(&error))?;
                add(rig, producer, "fast", &[0]).await.map_err(|error| transact(&error))?;
                let added = rig.broker.add_offsets(&id(rig), &rig.grant("readers"), producer).await;
                added.map_err(|error| transact(&error))
            }
            Step::Produce(place) => {
                let value = format!("t{number}");
                let sent = produce(rig, self.generation, producer, PLACES[place], (self.sequence, &value)).await;
                sent.map(drop).map_err(|error| match error {
                    ProduceError::Transact(error) => transact(&error),
                    ProduceError::Append(AppendError::Poisoned(_) | AppendError::Closed) => Trouble::Again,
                    error => Trouble::Refused(error.to_string()),
                })
            }
            Step::Offsets => {
                let commit = offsets(rig, producer, self.generation, number);
                let committed = rig.broker.commit_transaction_offsets(&id(rig), &rig.grant("readers"), commit).await;
                committed.into_iter().flatten().try_for_each(|outcome| outcome).map_err(|error| match error {
                    TransactionOffsetsError::Transact(error) => transact(&error),
                    TransactionOffsetsError::Commit(OffsetCommitError::Group(HeartbeatError::Coordinator(_))) => {
                        Trouble::Again
                    }
                    error @ TransactionOffsetsError::Commit(_) => Trouble::Refused(error.to_string()),
                })
            }
            Step::End(outcome) => {
                self.producer = end(rig, producer, outcome, self.generation).await.map_err(|error| transact(&error))?;
                *self.told.last_mut().unwrap() = Told::Ended(outcome);
                self.sequence += 1;
                Ok(())
            }
        }
    }
}

/// A start takes time.
fn next_life(rig: &Rig) -> Rig {
    rig.clock.advance(Duration::from_millis(1));
    rig.copy_after_kill()
}

async fn begin(generation: Generation) -> (Rig, Client) {
    let rig = Rig::new();
    rig.create("orders", 2, &[]).await.unwrap();
    rig.create("fast", 1, &[("durability", "os")]).await.unwrap();
    let client = Client::new(&rig, generation).await;
    (rig, client)
}

#[tokio::test]
async fn a_producer_that_goes_on_after_a_death_of_the_broker_loses_nothing_of_what_it_commits() {
    let expected = OUTCOMES.map(Told::Ended);
    for generation in [Generation::First, Generation::Second] {
        let (rig, mut client) = begin(generation).await;
        let before = rig.disk.calls();
        assert!(client.go_on(&rig).await);
        assert_eq!(client.told, expected);
        let calls = rig.disk.calls() - before;
        assert!(calls > 30, "{calls}");
        for call in 1..=calls {
            // The second life ends soon, too, or not at all.
            let again = call * 5 % 9;
            let (rig, mut client) = begin(generation).await;
            rig.disk.fail_at(rig.disk.calls() + call, Fault::Kill);
            if client.go_on(&rig).await {
                continue;
            }
            let mut rig = next_life(&rig);
            if again > 0 {
                rig.disk.fail_at(rig.disk.calls() + again, Fault::Kill);
            }
            while !client.go_on(&rig).await {
                rig = next_life(&rig);
            }
            let what = format!("{generation:?}, deaths at call {call} of {calls} and {again} of the next life");
            assert_eq!(client.refusals, Vec::<String>::new(), "{what}");
            assert_eq!(client.told, expected, "{what}");
            judge(&next_life(&rig), &client.told, &PLACES, &what).await;
        }
    }
}

#[tokio::test]
async fn a_commit_is_not_over_before_a_log_without_a_journal_has_its_marker() {
    for generation in [Generation::First, Generation::Second] {
        let (rig, client) = begin(generation).await;
        let producer = client.producer;
        if generation == Generation::First {
            add(&rig, producer, "orders", &[0, 1]).await.unwrap();
            add(&rig, producer, "fast", &[0]).await.unwrap();
        }
        for to in PLACES {
            produce(&rig, generation, producer, to, (0, "t1")).await.unwrap();
        }
        commit_offsets(&rig, producer, generation, 1).await;
        let error = std::io::ErrorKind::StorageFull;
        rig.disk.add_rule(Rule { call: Call::Write, path_contains: "fast-0".to_owned(), after: 0, error });
        let ended = end(&rig, producer, Outcome::Commit, generation).await;
        assert!(matches!(ended, Err(TransactError::Coordinator(_))), "{ended:?}");
        rig.disk.clear_rules();
        let told = [Told::Ended(Outcome::Commit)];
        judge(&rig.copy_after_kill(), &told, &PLACES, "after a kill").await;
        rig.pass(Duration::from_secs(30)).await;
        judge(&rig, &told, &PLACES, "when there is space again").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_told_of_a_commit_finds_its_offsets_whether_or_not_a_log_has_a_journal() {
    let (rig, client) = begin(Generation::Second).await;
    let mut producer = client.producer;
    for number in 1..=300 {
        produce(&rig, Generation::Second, producer, PLACES[2], (0, "t")).await.unwrap();
        commit_offsets(&rig, producer, Generation::Second, number).await;
        producer = end(&rig, producer, Outcome::Commit, Generation::Second).await.unwrap();
        assert_eq!(position(&rig), (Some(number), false));
    }
}

#[tokio::test]
async fn partitions_are_added_durably_although_the_first_time_of_asking_failed() {
    let (rig, client) = begin(Generation::First).await;
    let producer = client.producer;
    add(&rig, producer, "orders", &[0]).await.unwrap();
    produce(&rig, Generation::First, producer, PLACES[0], (0, "t1")).await.unwrap();
    end(&rig, producer, Outcome::Commit, Generation::First).await.unwrap();
    let error = std::io::ErrorKind::StorageFull;
    rig.disk.add_rule(Rule { call: Call::Write, path_contains: "journal".to_owned(), after: 0, error });
    assert!(add(&rig, producer, "orders", &[0]).await.is_err());
    rig.disk.clear_rules();
    add(&rig, producer, "orders", &[0]).await.unwrap();
    produce(&rig, Generation::First, producer, PLACES[0], (1, "t2")).await.unwrap();
    let rig = rig.copy_after_kill();
    add(&rig, producer, "orders", &[1]).await.unwrap();
    produce(&rig, Generation::First, producer, PLACES[1], (0, "t2")).await.unwrap();
    end(&rig, producer, Outcome::Commit, Generation::First).await.unwrap();
    assert_eq!(committed(&rig, "orders", 0), ["t1", "t2"]);
    assert_eq!(committed(&rig, "orders", 1), ["t2"]);
}
