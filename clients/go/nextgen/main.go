// Command nextgen is a member of a group under KIP-848 in franz-go; consumer_protocol.py says what it does.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	var err error
	switch os.Args[1] {
	case "version":
		fmt.Println(version())
	case "member":
		err = member(os.Args[2], os.Args[3])
	case "describe":
		err = describe(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/twmb/franz-go" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "?"
}

// assignment counts what the member has, as its callbacks tell.
type assignment struct {
	lock sync.Mutex
	held map[string]map[int32]bool
	out  *json.Encoder
}

func (a *assignment) change(partitions map[string][]int32, has bool) {
	a.lock.Lock()
	defer a.lock.Unlock()
	count := 0
	for topic, indexes := range partitions {
		if a.held[topic] == nil {
			a.held[topic] = map[int32]bool{}
		}
		for _, index := range indexes {
			if has {
				a.held[topic][index] = true
			} else {
				delete(a.held[topic], index)
			}
		}
	}
	for _, indexes := range a.held {
		count += len(indexes)
	}
	_ = a.out.Encode(map[string]int{"assigned": count})
}

func (a *assignment) read(records []int) {
	a.lock.Lock()
	defer a.lock.Unlock()
	_ = a.out.Encode(map[string][]int{"read": records})
}

func member(group, topic string) error {
	ctx, leave := context.WithCancel(context.Background())
	go func() {
		_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
		leave()
	}()
	a := &assignment{held: map[string]map[int32]bool{}, out: json.NewEncoder(os.Stdout)}
	gain := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { a.change(partitions, true) }
	lose := func(_ context.Context, _ *kgo.Client, partitions map[string][]int32) { a.change(partitions, false) }
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Getenv("BOOTSTRAP")), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ServerSideBalancer(), kgo.Balancers(kgo.StickyBalancer()), kgo.DisableAutoCommit(),
		kgo.OnPartitionsAssigned(gain), kgo.OnPartitionsRevoked(lose), kgo.OnPartitionsLost(lose),
	)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		records := fetches.Records()
		if len(records) == 0 {
			continue
		}
		bounded, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		err := client.CommitRecords(bounded, records...)
		cancel()
		if err != nil {
			// Whoever has the partitions now reads the records again.
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		read := make([]int, len(records))
		for place, record := range records {
			read[place], _ = strconv.Atoi(string(record.Value[4:10]))
		}
		a.read(read)
	}
	client.Close()
	return nil
}

func describe(group string) error {
	client, err := kgo.NewClient(kgo.SeedBrokers(os.Getenv("BOOTSTRAP")))
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	admin := kadm.NewClient(client)
	listed, err := admin.ListGroupsByType(ctx, []string{"consumer"})
	if err != nil {
		return err
	}
	kind := "classic"
	if _, ok := listed[group]; ok {
		kind = "consumer"
	}
	described, err := admin.DescribeConsumerGroups(ctx, group)
	if err != nil {
		return err
	}
	found := described[group]
	if found.Err != nil {
		return found.Err
	}
	partitions := 0
	for _, member := range found.Members {
		for _, indexes := range member.Assignment {
			partitions += len(indexes)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"type": kind, "state": strings.ToLower(found.State), "members": len(found.Members), "partitions": partitions,
	})
}
