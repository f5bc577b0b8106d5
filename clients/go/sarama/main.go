// Command sarama tells the client story with IBM/sarama.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/IBM/sarama"

	"levada.clients/story"
)

func main() { story.Main("sarama", "github.com/IBM/sarama", open) }

type library struct {
	bootstrap []string
	admin     sarama.ClusterAdmin
	client    sarama.Client
}

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Metadata.AllowAutoTopicCreation = false
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Idempotent = true
	config.Net.MaxOpenRequests = 1
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 100
	config.Metadata.Retry.Max = 20
	config.Producer.MaxMessageBytes = 2_000_000
	config.Producer.Flush.Frequency = 5 * time.Millisecond
	config.Consumer.Return.Errors = true
	return config
}

func open(bootstrap string) (story.Library, error) {
	client, err := sarama.NewClient([]string{bootstrap}, settings())
	if err != nil {
		return nil, err
	}
	admin, err := sarama.NewClusterAdminFromClient(client)
	return &library{[]string{bootstrap}, admin, client}, err
}

func (l *library) Create(topic string, partitions int, config map[string]string) error {
	detail := &sarama.TopicDetail{NumPartitions: int32(partitions), ReplicationFactor: 1, ConfigEntries: map[string]*string{}}
	for name, value := range config {
		detail.ConfigEntries[name] = &value
	}
	if err := l.admin.CreateTopic(topic, detail, false); err != nil {
		return err
	}
	return l.client.RefreshMetadata(topic)
}

func (l *library) Partitions(topic string) (int, error) {
	topics, err := l.admin.DescribeTopics([]string{topic})
	if err != nil {
		return 0, err
	}
	if errors.Is(topics[0].Err, sarama.ErrUnknownTopicOrPartition) {
		return 0, nil
	}
	if topics[0].Err != sarama.ErrNoError {
		return 0, topics[0].Err
	}
	return len(topics[0].Partitions), nil
}

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

type producer struct{ sarama.SyncProducer }

func (l *library) Producer(codec string) (story.Producer, error) {
	config := settings()
	config.Producer.Compression = codecs[codec]
	sync, err := sarama.NewSyncProducer(l.bootstrap, config)
	return producer{sync}, err
}

func (p producer) Send(topic string, records []*story.Record) error {
	messages := make([]*sarama.ProducerMessage, len(records))
	for index, record := range records {
		message := &sarama.ProducerMessage{Topic: topic, Timestamp: record.Time}
		if record.Key != nil {
			message.Key = sarama.ByteEncoder(record.Key)
		}
		if record.Value != nil {
			message.Value = sarama.ByteEncoder(record.Value)
		}
		for _, header := range record.Headers {
			message.Headers = append(message.Headers, sarama.RecordHeader{Key: []byte(header.Name), Value: header.Value})
		}
		messages[index] = message
	}
	err := p.SendMessages(messages)
	for index, message := range messages {
		records[index].Partition, records[index].Offset = int(message.Partition), message.Offset
	}
	return err
}

func convert(message *sarama.ConsumerMessage) *story.Record {
	record := &story.Record{
		Key: message.Key, Value: message.Value, Time: message.Timestamp,
		Partition: int(message.Partition), Offset: message.Offset,
	}
	for _, header := range message.Headers {
		record.Headers = append(record.Headers, story.Header{Name: string(header.Key), Value: header.Value})
	}
	return record
}

type reader struct {
	consumer   sarama.Consumer
	partitions []sarama.PartitionConsumer
	messages   chan *sarama.ConsumerMessage
	failures   chan error
}

func (l *library) Reader(topic string, from map[int]int64) (story.Reader, error) {
	config := settings()
	config.Consumer.Fetch.Default = 2_000_000
	consumer, err := sarama.NewConsumer(l.bootstrap, config)
	if err != nil {
		return nil, err
	}
	made := &reader{consumer, nil, make(chan *sarama.ConsumerMessage), make(chan error, 16)}
	for partition, offset := range from {
		stream, err := consumer.ConsumePartition(topic, int32(partition), offset)
		if err != nil {
			return nil, err
		}
		made.partitions = append(made.partitions, stream)
		go func() {
			for message := range stream.Messages() {
				made.messages <- message
			}
		}()
		go func() {
			for failure := range stream.Errors() {
				made.failures <- failure
			}
		}()
	}
	return made, nil
}

func (r *reader) Read(ctx context.Context) ([]*story.Record, error) {
	select {
	case message := <-r.messages:
		return drain(message, r.messages), nil
	case err := <-r.failures:
		return nil, err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// drain takes what comes without a pause after first.
func drain(first *sarama.ConsumerMessage, messages <-chan *sarama.ConsumerMessage) []*story.Record {
	records := []*story.Record{convert(first)}
	for len(records) < 500 {
		select {
		case message := <-messages:
			records = append(records, convert(message))
		case <-time.After(2 * time.Millisecond):
			return records
		}
	}
	return records
}

func (r *reader) Close() error {
	go func() {
		for range r.messages { // whatever was fetched beyond what the story wanted
		}
	}()
	for _, partition := range r.partitions {
		if err := partition.Close(); err != nil {
			return err
		}
	}
	return r.consumer.Close()
}

// member is one member of a group. Sarama calls it back; the story asks it.
type member struct {
	group    sarama.ConsumerGroup
	topic    string
	messages chan *sarama.ConsumerMessage
	stop     context.CancelFunc
	stopped  chan struct{}
	mutex    sync.Mutex
	session  sarama.ConsumerGroupSession // nil outside a generation; guarded by mutex
}

func (l *library) Member(group, topic, clientID string) (story.Member, error) {
	config := settings()
	config.ClientID = clientID
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Return.Errors = false
	joined, err := sarama.NewConsumerGroup(l.bootstrap, group, config)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	made := &member{group: joined, topic: topic, stop: stop}
	made.messages, made.stopped = make(chan *sarama.ConsumerMessage), make(chan struct{})
	go made.run(ctx)
	return made, nil
}

func (m *member) run(ctx context.Context) {
	defer close(m.stopped)
	for ctx.Err() == nil {
		if err := m.group.Consume(ctx, []string{m.topic}, m); err != nil {
			fmt.Fprintln(os.Stderr, "sarama:", err)
			return
		}
	}
}

// Setup is called when a generation begins.
func (m *member) Setup(session sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = session
	return nil
}

// Cleanup is called when a generation ends.
func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.session = nil
	return nil
}

// ConsumeClaim is called once for each partition of a generation.
func (m *member) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case m.messages <- message:
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func (m *member) Read(ctx context.Context) ([]*story.Record, error) {
	select {
	case message := <-m.messages:
		return drain(message, m.messages), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (m *member) Commit(records []*story.Record) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session == nil {
		return errors.New("the group is rebalancing")
	}
	for _, record := range records {
		m.session.MarkOffset(m.topic, int32(record.Partition), record.Offset+1, "")
	}
	m.session.Commit()
	return nil
}

func (m *member) Held() (int, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.session == nil {
		return 0, nil
	}
	return len(m.session.Claims()[m.topic]), nil
}

func (m *member) Close() error {
	m.stop()
	<-m.stopped
	return m.group.Close()
}

func (l *library) GroupSize(group string) (int, error) {
	groups, err := l.admin.DescribeConsumerGroups([]string{group})
	if err != nil {
		return 0, err
	}
	return len(groups[0].Members), nil
}

func (l *library) Committed(group, topic string, partitions int) (int64, error) {
	asked := map[string][]int32{}
	for partition := range partitions {
		asked[topic] = append(asked[topic], int32(partition))
	}
	response, err := l.admin.ListConsumerGroupOffsets(group, asked)
	if err != nil {
		return 0, err
	}
	sum := int64(0)
	for _, block := range response.Blocks[topic] {
		if block.Err != sarama.ErrNoError {
			return 0, block.Err
		}
		sum += max(block.Offset, 0)
	}
	return sum, nil
}

func (l *library) OffsetAt(topic string, partition int, at time.Time) (int64, error) {
	return l.client.GetOffset(topic, int32(partition), at.UnixMilli())
}

func (l *library) EndOffsets(topic string, partitions int) (map[int]int64, error) {
	ends := map[int]int64{}
	for partition := range partitions {
		end, err := l.client.GetOffset(topic, int32(partition), sarama.OffsetNewest)
		if err != nil {
			return nil, err
		}
		ends[partition] = end
	}
	return ends, nil
}

func (l *library) Configs(topic string) (map[string]string, error) {
	entries, err := l.admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic})
	described := map[string]string{}
	for _, entry := range entries {
		described[entry.Name] = entry.Value
	}
	return described, err
}

func (l *library) SetConfig(topic, name, value string) error {
	change := map[string]sarama.IncrementalAlterConfigsEntry{
		name: {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value},
	}
	return l.admin.IncrementalAlterConfig(sarama.TopicResource, topic, change, false)
}

func (l *library) Delete(topic string) error { return l.admin.DeleteTopic(topic) }
