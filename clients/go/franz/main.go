// Command franz tells the client story with franz-go: kgo for records, kadm for administration.
package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"levada.clients/story"
)

func main() { story.Main("franz-go", "github.com/twmb/franz-go", open) }

const limit = 30 * time.Second

type library struct {
	bootstrap string
	admin     *kadm.Client
}

func open(bootstrap string) (story.Library, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(bootstrap), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		return nil, err
	}
	return &library{bootstrap, kadm.NewClient(client)}, nil
}

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

func (l *library) client(options ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append(options, kgo.SeedBrokers(l.bootstrap), kgo.MetadataMinAge(50*time.Millisecond))...)
}

func (l *library) Create(topic string, partitions int, config map[string]string) error {
	ctx, cancel := bounded()
	defer cancel()
	settings := map[string]*string{}
	for name, value := range config {
		settings[name] = kadm.StringPtr(value)
	}
	response, err := l.admin.CreateTopic(ctx, int32(partitions), 1, settings, topic)
	return errors.Join(err, response.Err)
}

func (l *library) Partitions(topic string) (int, error) {
	ctx, cancel := bounded()
	defer cancel()
	topics, err := l.admin.ListTopics(ctx, topic)
	if err != nil {
		return 0, err
	}
	detail := topics[topic]
	if errors.Is(detail.Err, kerr.UnknownTopicOrPartition) {
		return 0, nil
	}
	return len(detail.Partitions), detail.Err
}

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

type producer struct{ client *kgo.Client }

func (l *library) Producer(codec string) (story.Producer, error) {
	client, err := l.client(
		kgo.ProducerBatchCompression(codecs[codec]),
		kgo.ProducerBatchMaxBytes(2_000_000),
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
		kgo.UnknownTopicRetries(20),
	)
	return &producer{client}, err
}

func (p *producer) Send(topic string, records []*story.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	sent := make([]*kgo.Record, len(records))
	for index, record := range records {
		sent[index] = &kgo.Record{Topic: topic, Key: record.Key, Value: record.Value, Timestamp: record.Time}
		for _, header := range record.Headers {
			sent[index].Headers = append(sent[index].Headers, kgo.RecordHeader{Key: header.Name, Value: header.Value})
		}
	}
	results := p.client.ProduceSync(ctx, sent...)
	for index, record := range sent {
		records[index].Partition, records[index].Offset = int(record.Partition), record.Offset
	}
	return results.FirstErr()
}

func (p *producer) Close() error {
	p.client.Close()
	return nil
}

type reader struct{ client *kgo.Client }

func (l *library) Reader(topic string, from map[int]int64) (story.Reader, error) {
	offsets := map[int32]kgo.Offset{}
	for partition, offset := range from {
		offsets[int32(partition)] = kgo.NewOffset().At(offset)
	}
	client, err := l.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	return &reader{client}, err
}

func (r *reader) Read(ctx context.Context) ([]*story.Record, error) {
	for {
		fetches := r.client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, err
		}
		var read []*story.Record
		fetches.EachRecord(func(record *kgo.Record) {
			made := &story.Record{
				Key: record.Key, Value: record.Value, Time: record.Timestamp,
				Partition: int(record.Partition), Offset: record.Offset,
			}
			for _, header := range record.Headers {
				made.Headers = append(made.Headers, story.Header{Name: header.Key, Value: header.Value})
			}
			read = append(read, made)
		})
		if len(read) > 0 {
			return read, nil
		}
	}
}

func (r *reader) Close() error {
	r.client.Close()
	return nil
}

type member struct {
	reader
	topic string
	mutex sync.Mutex
	held  map[int32]bool
}

func (l *library) Member(group, topic, clientID string) (story.Member, error) {
	joined := &member{topic: topic, held: map[int32]bool{}}
	change := func(holds bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, topics map[string][]int32) {
			joined.mutex.Lock()
			defer joined.mutex.Unlock()
			for _, partition := range topics[topic] {
				joined.held[partition] = holds
			}
		}
	}
	client, err := l.client(
		kgo.ClientID(clientID), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.SessionTimeout(10*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)), kgo.OnPartitionsLost(change(false)),
	)
	joined.client = client
	return joined, err
}

func (m *member) Held() (int, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	count := 0
	for _, holds := range m.held {
		if holds {
			count++
		}
	}
	return count, nil
}

func (m *member) Commit(records []*story.Record) error {
	ctx, cancel := bounded()
	defer cancel()
	read := make([]*kgo.Record, len(records))
	for index, record := range records {
		read[index] = &kgo.Record{Topic: m.topic, Partition: int32(record.Partition), Offset: record.Offset, LeaderEpoch: -1}
	}
	return m.client.CommitRecords(ctx, read...)
}

func (l *library) GroupSize(group string) (int, error) {
	ctx, cancel := bounded()
	defer cancel()
	groups, err := l.admin.DescribeGroups(ctx, group)
	return len(groups[group].Members), err
}

func (l *library) Committed(group, topic string, _ int) (int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	offsets, err := l.admin.FetchOffsets(ctx, group)
	sum := int64(0)
	for _, position := range offsets[topic] {
		sum += position.At
	}
	return sum, errors.Join(err, offsets.Error())
}

func (l *library) OffsetAt(topic string, partition int, at time.Time) (int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	listed, err := l.admin.ListOffsetsAfterMilli(ctx, at.UnixMilli(), topic)
	found, ok := listed.Lookup(topic, int32(partition))
	if err == nil && !ok {
		err = fmt.Errorf("no answer for partition %d", partition)
	}
	return found.Offset, errors.Join(err, found.Err)
}

func (l *library) EndOffsets(topic string, _ int) (map[int]int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	listed, err := l.admin.ListEndOffsets(ctx, topic)
	ends := map[int]int64{}
	for partition, end := range listed[topic] {
		ends[int(partition)] = end.Offset
	}
	return ends, errors.Join(err, listed.Error())
}

func (l *library) Configs(topic string) (map[string]string, error) {
	ctx, cancel := bounded()
	defer cancel()
	described, err := l.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return nil, err
	}
	resource, err := described.On(topic, nil)
	settings := map[string]string{}
	for _, config := range resource.Configs {
		settings[config.Key] = config.MaybeValue()
	}
	return settings, errors.Join(err, resource.Err)
}

func (l *library) SetConfig(topic, name, value string) error {
	ctx, cancel := bounded()
	defer cancel()
	altered, err := l.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
	for _, response := range altered {
		err = errors.Join(err, response.Err)
	}
	return err
}

func (l *library) Delete(topic string) error {
	ctx, cancel := bounded()
	defer cancel()
	response, err := l.admin.DeleteTopic(ctx, topic)
	return errors.Join(err, response.Err)
}
