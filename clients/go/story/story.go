package story

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"time"
)

const wait = 60 * time.Second

var topicConfig = map[string]string{"max.message.bytes": "2097152", "retention.ms": "86400000"}

// Main tells the story of the library that open connects, and ends the program.
func Main(client, module string, open func(bootstrap string) (Library, error)) {
	Tell(client, module, func(t *Teller) {
		library, err := open(os.Getenv("BOOTSTRAP"))
		if err != nil {
			fmt.Fprintln(os.Stderr, "cannot connect:", err)
			os.Exit(1)
		}
		s := &steps{library}
		t.step("create_topic", s.createTopic)
		for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
			t.step("codec_"+codec, func() (string, error) { return "", s.codec(codec) })
		}
		t.step("headers", s.headers)
		t.step("null_key", s.nullKey)
		t.step("null_value", s.nullValue)
		t.step("empty_value", s.emptyValue)
		t.step("large_record", s.largeRecord)
		t.step("group", s.group)
		t.step("resume", func() (string, error) { return "", s.resume(t.Restart) })
		t.step("timestamp", s.timestamp)
		t.step("end_offsets", s.endOffsets)
		t.step("describe_configs", s.describeConfigs)
		t.step("alter_configs", s.alterConfigs)
		t.step("delete_topic", s.deleteTopic)
	})
}

type steps struct{ library Library }

func (s *steps) createTopic() (string, error) {
	if err := s.library.Create("story", 3, topicConfig); err != nil {
		return "", err
	}
	return "", until("3 partitions in the metadata", func() (bool, error) {
		count, err := s.library.Partitions("story")
		return count == 3, err
	})
}

// until calls done until it holds, for a minute at most.
func until(what string, done func() (bool, error)) error {
	for end := time.Now().Add(wait); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok, err := done(); ok || err != nil {
			return err
		}
	}
	return fmt.Errorf("waited %v for %s", wait, what)
}

func (s *steps) codec(codec string) error {
	topic := "story-" + codec
	producer, err := s.library.Producer(codec)
	if err != nil {
		return err
	}
	if err := s.library.Create(topic, 3, nil); err != nil {
		return err
	}
	if err := producer.Send(topic, records(codec, 0, recordCount)); err != nil {
		return err
	}
	if err := producer.Close(); err != nil {
		return err
	}
	reader, err := s.library.Reader(topic, map[int]int64{0: 0, 1: 0, 2: 0})
	if err != nil {
		return err
	}
	seen := newSeen(codec)
	if _, err := readUntil(reader, seen, recordCount); err != nil {
		return err
	}
	if err := reader.Close(); err != nil {
		return err
	}
	return seen.checkExactlyOnce(recordCount)
}

// readUntil reads until seen has count records, and returns what it read.
func readUntil(reader Reader, seen *seen, count int) ([]*Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	var all []*Record
	for !seen.complete(count) {
		got, err := reader.Read(ctx)
		if err != nil {
			return nil, fmt.Errorf("%d of %d records came, then: %w", len(seen.count), count, err)
		}
		for _, record := range got {
			if _, err := seen.add(record); err != nil {
				return nil, err
			}
		}
		all = append(all, got...)
	}
	return all, nil
}

// readOne reads the record at an offset.
func (s *steps) readOne(topic string, partition int, offset int64) (*Record, error) {
	reader, err := s.library.Reader(topic, map[int]int64{partition: offset})
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	got, err := reader.Read(ctx)
	if err != nil {
		return nil, err
	}
	if got[0].Offset != offset {
		return nil, fmt.Errorf("offset %d instead of %d", got[0].Offset, offset)
	}
	return got[0], reader.Close()
}

// one sends a record and reads it back.
func (s *steps) one(sent Record) (*Record, error) {
	producer, err := s.library.Producer("none")
	if err != nil {
		return nil, err
	}
	sent.Partition = -1
	if err := producer.Send("story", []*Record{&sent}); err != nil {
		return nil, err
	}
	if err := producer.Close(); err != nil {
		return nil, err
	}
	return s.readOne("story", sent.Partition, sent.Offset)
}

func (s *steps) headers() (string, error) {
	sent := []Header{{"a", []byte("1")}, {"b", []byte{}}, {"a", []byte("2")}}
	got, err := s.one(Record{Key: []byte("k"), Value: []byte("v"), Headers: sent})
	if err != nil {
		return "", err
	}
	same := func(a, b Header) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }
	if !slices.EqualFunc(got.Headers, sent, same) {
		return "", fmt.Errorf("came back as %v", got.Headers)
	}
	return "", nil
}

func (s *steps) nullKey() (string, error) {
	got, err := s.one(Record{Value: []byte("v")})
	if err == nil && got.Key != nil {
		err = fmt.Errorf("the key came back as %q", got.Key)
	}
	return "", err
}

func (s *steps) nullValue() (string, error) {
	got, err := s.one(Record{Key: []byte("k")})
	if err == nil && got.Value != nil {
		err = fmt.Errorf("the value came back as %q", got.Value)
	}
	return "", err
}

func (s *steps) emptyValue() (string, error) {
	got, err := s.one(Record{Key: []byte("k"), Value: []byte{}})
	if err == nil && (got.Value == nil || len(got.Value) != 0) {
		err = fmt.Errorf("the value came back as %v", got.Value)
	}
	return "", err
}

func (s *steps) largeRecord() (string, error) {
	sent := make([]byte, largeBytes)
	for index := range sent {
		sent[index] = byte(index * 31 / 7)
	}
	got, err := s.one(Record{Key: []byte("k"), Value: sent})
	if err == nil && !bytes.Equal(got.Value, sent) {
		err = fmt.Errorf("it came back changed, with %d bytes", len(got.Value))
	}
	return "", err
}

func (s *steps) resume(restart func() error) error {
	const topic, first, total = "story-resume", 3_000, 3_500
	if err := s.library.Create(topic, 3, nil); err != nil {
		return err
	}
	producer, err := s.library.Producer("none")
	if err != nil {
		return err
	}
	if err := producer.Send(topic, records("resume", 0, first)); err != nil {
		return err
	}
	seen := newSeen("resume")
	if err := s.readAndCommit(topic, seen, first/2); err != nil {
		return fmt.Errorf("before the restart: %w", err)
	}
	if err := restart(); err != nil {
		return err
	}
	if err := producer.Send(topic, records("resume", first, total)); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	var committed int64
	var failed error
	// An idle connection from before the restart is dead, and some libraries report that instead of reconnecting.
	err = until("the committed offsets", func() (bool, error) {
		committed, failed = s.library.Committed(topic, topic, 3)
		return failed == nil, nil
	})
	if err != nil {
		return fmt.Errorf("%w: %w", err, failed)
	}
	if committed != int64(len(seen.count)) {
		return fmt.Errorf("%d records were committed, the broker knows %d", len(seen.count), committed)
	}
	if err := s.readAndCommit(topic, seen, total); err != nil {
		return fmt.Errorf("after the restart: %w", err)
	}
	return seen.checkExactlyOnce(total)
}

// readAndCommit has a new member read until seen has count records, commit them and leave.
func (s *steps) readAndCommit(topic string, seen *seen, count int) error {
	member, err := s.library.Member(topic, topic, "resume")
	if err != nil {
		return err
	}
	read, err := readUntil(member, seen, count)
	if err != nil {
		return err
	}
	if err := member.Commit(read); err != nil {
		return err
	}
	return member.Close()
}

func (s *steps) timestamp() (string, error) {
	const topic = "story-time"
	if err := s.library.Create(topic, 1, nil); err != nil {
		return "", err
	}
	producer, err := s.library.Producer("none")
	if err != nil {
		return "", err
	}
	base := time.Now().Add(-200 * time.Second).Truncate(time.Millisecond)
	sent := records("time", 0, 100)
	for index, record := range sent {
		record.Time = base.Add(time.Duration(index) * time.Second)
	}
	if err := producer.Send(topic, sent); err != nil {
		return "", err
	}
	offset, err := s.library.OffsetAt(topic, 0, base.Add(49_500*time.Millisecond))
	if err != nil {
		return "", err
	}
	if offset != 50 {
		return "", fmt.Errorf("offset %d for the time between the 50th and the 51st", offset)
	}
	got, err := s.readOne(topic, 0, offset)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(got.Value, value("time", 50)) || !got.Time.Equal(base.Add(50*time.Second)) {
		return "", fmt.Errorf("read %q of %v there", got.Value, got.Time)
	}
	return "", producer.Close()
}

func (s *steps) endOffsets() (string, error) {
	ends, err := s.library.EndOffsets("story-none", 3)
	if err != nil {
		return "", err
	}
	if ends[0]+ends[1]+ends[2] != recordCount {
		return "", fmt.Errorf("the end offsets are %v", ends)
	}
	_, err = s.readOne("story-none", 0, ends[0]-1)
	return "", err
}

func (s *steps) describeConfigs() (string, error) {
	got, err := s.library.Configs("story")
	if err != nil {
		return "", err
	}
	for name, expected := range topicConfig {
		if got[name] != expected {
			return "", fmt.Errorf("%s is %q", name, got[name])
		}
	}
	return "", nil
}

func (s *steps) alterConfigs() (string, error) {
	if err := s.library.SetConfig("story", "retention.ms", "3600000"); err != nil {
		return "", err
	}
	return "", until("the new setting", func() (bool, error) {
		got, err := s.library.Configs("story")
		if err == nil && got["max.message.bytes"] != "2097152" {
			err = fmt.Errorf("max.message.bytes became %s", got["max.message.bytes"])
		}
		return got["retention.ms"] == "3600000", err
	})
}

func (s *steps) deleteTopic() (string, error) {
	if err := s.library.Delete("story"); err != nil {
		return "", err
	}
	return "", until("the topic to be gone", func() (bool, error) {
		count, err := s.library.Partitions("story")
		return count == 0, err
	})
}
