// Copies records from one topic to another, exactly once, until it is killed: arguments are in the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func work(id string) error {
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(os.Getenv("BOOTSTRAP")),
		kgo.DefaultProduceTopic("out"),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(10*time.Second),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumerGroup(os.Getenv("GROUP")),
		kgo.ConsumeTopics("in"),
		kgo.RequireStableFetchOffsets(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second),
		kgo.RecordDeliveryTimeout(15*time.Second),
	)
	if err != nil {
		return err
	}
	defer session.Close()
	for round := 1; ; round++ {
		fetches := session.PollRecords(context.Background(), 400)
		if fetches.NumRecords() == 0 {
			continue
		}
		if err := session.Begin(); err != nil {
			return err
		}
		promise := kgo.AbortingFirstErrPromise(session.Client())
		fetches.EachRecord(func(record *kgo.Record) {
			copied := &kgo.Record{Key: record.Key, Value: record.Value}
			session.Produce(context.Background(), copied, promise.Promise())
		})
		failed := promise.Err()
		commit := kgo.TransactionEndTry(failed == nil && round%7 != 0)
		limit, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		_, err := session.End(limit, commit)
		cancel()
		if err != nil {
			return err
		}
		if failed != nil && !errors.Is(failed, context.Canceled) {
			return failed
		}
	}
}

func main() {
	id := os.Getenv("TRANSACTIONAL_ID")
	for {
		err := work(id)
		// Whatever it was: what was not committed is read again by whoever comes next.
		fmt.Fprintln(os.Stderr, id, "begins again after:", err)
		time.Sleep(500 * time.Millisecond)
	}
}
