package story

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

const (
	recordCount = 20_000
	keyCount    = 97
	largeBytes  = 1_048_576
	waveCount   = 1_000
)

var padding = strings.Repeat("abcdefghij", 8)

func key(index int) []byte { return fmt.Appendf(nil, "key-%d", index%keyCount) }

func value(label string, index int) []byte {
	return fmt.Appendf(nil, "%s-%06d-%s", label, index, padding)
}

func records(label string, from, to int) []*Record {
	made := make([]*Record, 0, to-from)
	for index := from; index < to; index++ {
		made = append(made, &Record{Key: key(index), Value: value(label, index), Partition: -1})
	}
	return made
}

// seen holds the records of one run as they were read.
type seen struct {
	label    string
	count    map[int]int
	last     map[string]int
	disorder error
}

func newSeen(label string) *seen {
	return &seen{label: label, count: map[int]int{}, last: map[string]int{}}
}

// add takes one record in, answers its index, and fails on one that was never sent.
func (s *seen) add(record *Record) (int, error) {
	begin := len(s.label) + 1
	if len(record.Value) < begin+6 {
		return 0, fmt.Errorf("a value of %d bytes was never sent", len(record.Value))
	}
	index, err := strconv.Atoi(string(record.Value[begin : begin+6]))
	if err != nil || !bytes.Equal(record.Value, value(s.label, index)) || !bytes.Equal(record.Key, key(index)) {
		return 0, fmt.Errorf("the record %q %q was never sent", record.Key, record.Value)
	}
	if last, known := s.last[string(record.Key)]; known && index <= last && s.disorder == nil {
		s.disorder = fmt.Errorf("record %d of %s came after %d", index, record.Key, last)
	}
	s.last[string(record.Key)] = index
	s.count[index]++
	return index, nil
}

func (s *seen) complete(count int) bool { return len(s.count) >= count }

// repeats is how many records were seen beyond the first time.
func (s *seen) repeats() int {
	total := 0
	for _, count := range s.count {
		total += count
	}
	return total - len(s.count)
}

// checkAll fails unless each of count records was seen.
func (s *seen) checkAll(count int) error {
	for index := range count {
		if s.count[index] == 0 {
			return fmt.Errorf("%d of %d records were not seen, the first is %d", count-len(s.count), count, index)
		}
	}
	return nil
}

// checkExactlyOnce fails unless each record was seen once and every key's records came in order.
func (s *seen) checkExactlyOnce(count int) error {
	if err := s.checkAll(count); err != nil {
		return err
	}
	if s.repeats() > 0 {
		return fmt.Errorf("%d records were seen more than once", s.repeats())
	}
	return s.disorder
}
