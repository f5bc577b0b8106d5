// Package story is the client story for Go libraries: the steps, written once against a small surface
// that each library's program fills. What the steps prove is in clients/README.md.
package story

import (
	"context"
	"errors"
	"time"
)

// Header is one record header.
type Header struct {
	Name  string
	Value []byte
}

// Record is a record to send, or one that was read. A nil Key or Value is null.
type Record struct {
	Key, Value []byte
	Headers    []Header
	Time       time.Time // zero: the library's own
	Partition  int
	Offset     int64
}

// ErrNotApplicable says that the library has no way to do what was asked.
var ErrNotApplicable = errors.New("the library cannot do this")

// Library is what a program fills for its library.
type Library interface {
	Create(topic string, partitions int, config map[string]string) error
	// Partitions counts a topic's partitions; 0 when metadata does not list the topic.
	Partitions(topic string) (int, error)
	// Producer waits for all replicas, keeps each key's order, and takes values up to 2 MB.
	Producer(codec string) (Producer, error)
	// Reader reads the partitions named by from, each from its offset, outside any group.
	Reader(topic string, from map[int]int64) (Reader, error)
	// Member joins a group; without committed offsets it begins at the beginning.
	Member(group, topic, clientID string) (Member, error)
	// GroupSize counts a group's members as an administrator sees them.
	GroupSize(group string) (int, error)
	// Committed sums the offsets that a group has committed.
	Committed(group, topic string, partitions int) (int64, error)
	OffsetAt(topic string, partition int, at time.Time) (int64, error)
	EndOffsets(topic string, partitions int) (map[int]int64, error)
	Configs(topic string) (map[string]string, error)
	SetConfig(topic, name, value string) error
	Delete(topic string) error
}

// Producer sends records.
type Producer interface {
	// Send returns when every record is acknowledged and sets their Partition and Offset.
	Send(topic string, records []*Record) error
	Close() error
}

// Reader reads records until it is closed.
type Reader interface {
	// Read returns the next records, at least one, or the error of ctx.
	Read(ctx context.Context) ([]*Record, error)
	Close() error
}

// Member is a Reader in a group.
type Member interface {
	Reader // Close leaves the group
	// Commit commits the position behind these records.
	Commit(records []*Record) error
	// Held counts the partitions assigned to this member.
	Held() (int, error)
}
