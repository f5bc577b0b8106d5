// Command segmentio tells the client story with segmentio/kafka-go.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"levada.clients/story"
)

func main() { story.Main("kafka-go", "github.com/segmentio/kafka-go", open) }

const limit = 30 * time.Second

type library struct {
	bootstrap string
	client    *kafka.Client
	transport *kafka.Transport
}

func open(bootstrap string) (story.Library, error) {
	transport := &kafka.Transport{MetadataTTL: 200 * time.Millisecond}
	client := &kafka.Client{Addr: kafka.TCP(bootstrap), Transport: transport, Timeout: limit}
	return &library{bootstrap, client, transport}, nil
}

func bounded() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), limit)
}

// again repeats what failed in passing: after a restart of the broker the library's pooled connections are
// dead, and each reports that once instead of being replaced.
func again(do func() error) error {
	for end := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		err := do()
		var code kafka.Error
		passing := errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &code) && code.Temporary()
		if !passing || time.Now().After(end) {
			return err
		}
	}
}

func (l *library) Create(topic string, partitions int, config map[string]string) error {
	ctx, cancel := bounded()
	defer cancel()
	wanted := kafka.TopicConfig{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}
	for name, value := range config {
		wanted.ConfigEntries = append(wanted.ConfigEntries, kafka.ConfigEntry{ConfigName: name, ConfigValue: value})
	}
	var response *kafka.CreateTopicsResponse
	err := again(func() (err error) {
		response, err = l.client.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: []kafka.TopicConfig{wanted}})
		return err
	})
	if err != nil {
		return err
	}
	if err := response.Errors[topic]; err != nil {
		return err
	}
	// The library keeps metadata for a while and does not ask again for a topic it does not find.
	for {
		if count, err := l.Partitions(topic); count == partitions || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (l *library) Partitions(topic string) (int, error) {
	ctx, cancel := bounded()
	defer cancel()
	var metadata *kafka.MetadataResponse
	err := again(func() (err error) {
		metadata, err = l.client.Metadata(ctx, &kafka.MetadataRequest{})
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, found := range metadata.Topics {
		if found.Name == topic {
			return len(found.Partitions), found.Error
		}
	}
	return 0, nil
}

var codecs = map[string]kafka.Compression{
	"none":   0,
	"gzip":   kafka.Gzip,
	"snappy": kafka.Snappy,
	"lz4":    kafka.Lz4,
	"zstd":   kafka.Zstd,
}

type producer struct {
	writer *kafka.Writer
	mutex  sync.Mutex
	last   kafka.Message // the newest message that was acknowledged; guarded by mutex
}

func (l *library) Producer(codec string) (story.Producer, error) {
	made := &producer{}
	made.writer = &kafka.Writer{
		Addr: kafka.TCP(l.bootstrap), Transport: l.transport, Balancer: &kafka.Hash{}, RequiredAcks: kafka.RequireAll,
		Compression: codecs[codec], BatchSize: 1_000, BatchBytes: 2_000_000, BatchTimeout: 10 * time.Millisecond,
		Completion: func(messages []kafka.Message, err error) {
			if err == nil && len(messages) > 0 {
				made.mutex.Lock()
				defer made.mutex.Unlock()
				made.last = messages[len(messages)-1]
			}
		},
	}
	return made, nil
}

func (p *producer) Send(topic string, records []*story.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*limit)
	defer cancel()
	messages := make([]kafka.Message, len(records))
	for index, record := range records {
		messages[index] = kafka.Message{Topic: topic, Key: record.Key, Value: record.Value, Time: record.Time}
		for _, header := range record.Headers {
			messages[index].Headers = append(messages[index].Headers, kafka.Header{Key: header.Name, Value: header.Value})
		}
	}
	if err := p.write(ctx, messages); err != nil {
		return err
	}
	if len(records) == 1 { // only Completion tells where a record went, and it tells of batches
		p.mutex.Lock()
		defer p.mutex.Unlock()
		records[0].Partition, records[0].Offset = p.last.Partition, p.last.Offset
	}
	return nil
}

// write sends messages, and those that fail again until ctx ends.
func (p *producer) write(ctx context.Context, messages []kafka.Message) error {
	for {
		err := p.writer.WriteMessages(ctx, messages...)
		var each kafka.WriteErrors
		if !errors.As(err, &each) {
			return err
		}
		var failed []kafka.Message
		for index, err := range each {
			if err != nil {
				failed = append(failed, messages[index])
			}
		}
		messages = failed
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *producer) Close() error { return p.writer.Close() }

func convert(message kafka.Message) *story.Record {
	record := &story.Record{
		Key: message.Key, Value: message.Value, Time: message.Time,
		Partition: message.Partition, Offset: message.Offset,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, story.Header{Name: header.Key, Value: header.Value})
	}
	return record
}

type result struct {
	message kafka.Message
	err     error
}

// reader has one of the library's readers a partition: outside groups they read no more than one.
type reader struct {
	readers []*kafka.Reader
	results chan result
	stop    context.CancelFunc
}

func (l *library) Reader(topic string, from map[int]int64) (story.Reader, error) {
	if len(from) == 1 {
		for partition, offset := range from {
			return &fetcher{l.client, topic, partition, offset}, nil
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	made := &reader{results: make(chan result, 1_000), stop: stop}
	for partition, offset := range from {
		one := kafka.NewReader(kafka.ReaderConfig{
			Brokers: []string{l.bootstrap}, Topic: topic, Partition: partition,
			MaxBytes: 10_000_000, MaxWait: 200 * time.Millisecond,
		})
		if err := one.SetOffset(offset); err != nil {
			stop()
			return nil, err
		}
		made.readers = append(made.readers, one)
		go func() {
			for ctx.Err() == nil {
				message, err := one.ReadMessage(ctx)
				select {
				case made.results <- result{message, err}:
				case <-ctx.Done():
				}
			}
		}()
	}
	return made, nil
}

func (r *reader) Read(ctx context.Context) ([]*story.Record, error) {
	select {
	case got := <-r.results:
		return []*story.Record{convert(got.message)}, got.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *reader) Close() error {
	r.stop()
	for _, one := range r.readers {
		if err := one.Close(); err != nil {
			return err
		}
	}
	return nil
}

// fetcher reads one partition by the library's own Fetch, which tells null from empty; its readers do not.
type fetcher struct {
	client    *kafka.Client
	topic     string
	partition int
	offset    int64
}

func (f *fetcher) Read(ctx context.Context) ([]*story.Record, error) {
	for {
		records, err := f.fetch(ctx)
		if len(records) > 0 || err != nil {
			return records, err
		}
	}
}

func (f *fetcher) fetch(ctx context.Context) (records []*story.Record, err error) {
	var response *kafka.FetchResponse
	err = again(func() error {
		response, err = f.client.Fetch(ctx, &kafka.FetchRequest{
			Topic: f.topic, Partition: f.partition, Offset: f.offset,
			MinBytes: 1, MaxBytes: 10_000_000, MaxWait: 200 * time.Millisecond,
		})
		return err
	})
	if err != nil || response.Error != nil {
		return nil, errors.Join(err, response.Error)
	}
	for {
		read, err := response.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, err
		}
		if read.Offset < f.offset { // an earlier record of the batch
			continue
		}
		record := &story.Record{Time: read.Time, Partition: f.partition, Offset: read.Offset}
		if record.Key, err = kafka.ReadAll(read.Key); err != nil {
			return nil, err
		}
		if record.Value, err = kafka.ReadAll(read.Value); err != nil {
			return nil, err
		}
		for _, header := range read.Headers {
			record.Headers = append(record.Headers, story.Header{Name: header.Key, Value: header.Value})
		}
		records = append(records, record)
		f.offset = read.Offset + 1
	}
}

func (f *fetcher) Close() error { return nil }

type member struct {
	reader   *kafka.Reader
	library  *library
	group    string
	topic    string
	clientID string
}

func (l *library) Member(group, topic, clientID string) (story.Member, error) {
	joined := kafka.NewReader(kafka.ReaderConfig{
		Brokers: []string{l.bootstrap}, GroupID: group, Topic: topic, StartOffset: kafka.FirstOffset,
		Dialer: &kafka.Dialer{ClientID: clientID, Timeout: 10 * time.Second}, MaxWait: 200 * time.Millisecond,
		MaxBytes: 10_000_000, HeartbeatInterval: 500 * time.Millisecond, SessionTimeout: 10 * time.Second,
		JoinGroupBackoff: 200 * time.Millisecond,
	})
	return &member{joined, l, group, topic, clientID}, nil
}

func (m *member) Read(ctx context.Context) ([]*story.Record, error) {
	var message kafka.Message
	err := again(func() (err error) {
		message, err = m.reader.FetchMessage(ctx)
		return err
	})
	return []*story.Record{convert(message)}, err
}

func (m *member) Commit(records []*story.Record) error {
	ctx, cancel := bounded()
	defer cancel()
	messages := make([]kafka.Message, len(records))
	for index, record := range records {
		messages[index] = kafka.Message{Topic: m.topic, Partition: record.Partition, Offset: record.Offset}
	}
	return m.reader.CommitMessages(ctx, messages...)
}

// Held asks the broker: the library's reader does not tell what it was assigned.
func (m *member) Held() (int, error) {
	members, err := m.library.members(m.group)
	if err != nil {
		return 0, err
	}
	held := 0
	for _, one := range members {
		if one.ClientID == m.clientID {
			for _, topic := range one.MemberAssignments.Topics {
				held += len(topic.Partitions)
			}
		}
	}
	return held, nil
}

func (m *member) Close() error { return m.reader.Close() }

func (l *library) members(group string) ([]kafka.DescribeGroupsResponseMember, error) {
	ctx, cancel := bounded()
	defer cancel()
	var response *kafka.DescribeGroupsResponse
	err := again(func() (err error) {
		response, err = l.client.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		return err
	})
	if err != nil {
		return nil, err
	}
	return response.Groups[0].Members, response.Groups[0].Error
}

func (l *library) GroupSize(group string) (int, error) {
	members, err := l.members(group)
	return len(members), err
}

func (l *library) Committed(group, topic string, partitions int) (int64, error) {
	ctx, cancel := bounded()
	defer cancel()
	asked := map[string][]int{}
	for partition := range partitions {
		asked[topic] = append(asked[topic], partition)
	}
	var response *kafka.OffsetFetchResponse
	err := again(func() (err error) {
		response, err = l.client.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: asked})
		return err
	})
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, partition := range response.Topics[topic] {
		err = errors.Join(err, partition.Error)
		sum += max(partition.CommittedOffset, 0)
	}
	return sum, errors.Join(err, response.Error)
}

// offsets asks for the offset of each partition at a timestamp, which may be one of the library's marks.
func (l *library) offsets(topic string, asked []kafka.OffsetRequest) ([]kafka.PartitionOffsets, error) {
	ctx, cancel := bounded()
	defer cancel()
	request := &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{topic: asked}}
	var response *kafka.ListOffsetsResponse
	err := again(func() (err error) {
		response, err = l.client.ListOffsets(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, partition := range response.Topics[topic] {
		err = errors.Join(err, partition.Error)
	}
	return response.Topics[topic], err
}

func (l *library) OffsetAt(topic string, partition int, at time.Time) (int64, error) {
	found, err := l.offsets(topic, []kafka.OffsetRequest{kafka.TimeOffsetOf(partition, at)})
	if err != nil {
		return 0, err
	}
	for offset := range found[0].Offsets {
		return offset, nil
	}
	return 0, fmt.Errorf("no offset at %v: %v", at, found)
}

func (l *library) EndOffsets(topic string, partitions int) (map[int]int64, error) {
	var asked []kafka.OffsetRequest
	for partition := range partitions {
		asked = append(asked, kafka.LastOffsetOf(partition))
	}
	found, err := l.offsets(topic, asked)
	ends := map[int]int64{}
	for _, partition := range found {
		ends[partition.Partition] = partition.LastOffset
	}
	return ends, err
}

func (l *library) Configs(topic string) (map[string]string, error) {
	ctx, cancel := bounded()
	defer cancel()
	asked := kafka.DescribeConfigRequestResource{ResourceType: kafka.ResourceTypeTopic, ResourceName: topic}
	request := &kafka.DescribeConfigsRequest{Resources: []kafka.DescribeConfigRequestResource{asked}}
	var response *kafka.DescribeConfigsResponse
	err := again(func() (err error) {
		response, err = l.client.DescribeConfigs(ctx, request)
		return err
	})
	if err != nil {
		return nil, err
	}
	described := map[string]string{}
	for _, entry := range response.Resources[0].ConfigEntries {
		described[entry.ConfigName] = entry.ConfigValue
	}
	return described, response.Resources[0].Error
}

func (l *library) SetConfig(topic, name, value string) error {
	ctx, cancel := bounded()
	defer cancel()
	change := kafka.IncrementalAlterConfigsRequestConfig{Name: name, Value: value, ConfigOperation: kafka.ConfigOperationSet}
	resource := kafka.IncrementalAlterConfigsRequestResource{
		ResourceType: kafka.ResourceTypeTopic, ResourceName: topic,
		Configs: []kafka.IncrementalAlterConfigsRequestConfig{change},
	}
	request := &kafka.IncrementalAlterConfigsRequest{Resources: []kafka.IncrementalAlterConfigsRequestResource{resource}}
	var response *kafka.IncrementalAlterConfigsResponse
	err := again(func() (err error) {
		response, err = l.client.IncrementalAlterConfigs(ctx, request)
		return err
	})
	if err != nil {
		return err
	}
	return response.Resources[0].Error
}

func (l *library) Delete(topic string) error {
	ctx, cancel := bounded()
	defer cancel()
	var response *kafka.DeleteTopicsResponse
	err := again(func() (err error) {
		response, err = l.client.DeleteTopics(ctx, &kafka.DeleteTopicsRequest{Topics: []string{topic}})
		return err
	})
	if err != nil {
		return err
	}
	return response.Errors[topic]
}
