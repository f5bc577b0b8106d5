package story

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const groupTopic = "story-group"

// group has two members, one joining late, one leaving early, see three waves of records.
func (s *steps) group() (string, error) {
	if err := s.library.Create(groupTopic, 4, nil); err != nil {
		return "", err
	}
	producer, err := s.library.Producer("none")
	if err != nil {
		return "", err
	}
	g := &groupRun{library: s.library, producer: producer, seen: newSeen("group")}
	if err := g.run(); err != nil {
		return "", fmt.Errorf("%w; %d records seen", err, len(g.seen.count))
	}
	return fmt.Sprintf("%d repeats at rebalances", g.seen.repeats()), producer.Close()
}

type groupRun struct {
	library  Library
	producer Producer
	mutex    sync.Mutex // guards seen
	seen     *seen
	wave     int
}

func (g *groupRun) run() error {
	first, err := g.join("first")
	if err != nil {
		return err
	}
	if err := g.nextWave(first); err != nil {
		return err
	}
	second, err := g.join("second")
	if err != nil {
		return err
	}
	if err := g.held(2, first, second); err != nil {
		return err
	}
	if err := g.nextWave(first, second); err != nil {
		return err
	}
	size, err := g.library.GroupSize(groupTopic)
	if err != nil || size != 2 {
		return fmt.Errorf("the group is described with %d members, %w", size, err)
	}
	if first.latest() < waveCount || second.latest() < waveCount {
		return errors.New("one member read nothing of the second wave")
	}
	if err := first.leave(); err != nil {
		return err
	}
	if err := g.held(4, second); err != nil {
		return err
	}
	if err := g.nextWave(second); err != nil {
		return err
	}
	if err := second.leave(); err != nil {
		return err
	}
	return g.seen.checkAll(3 * waveCount)
}

// nextWave sends a wave and waits until it was seen.
func (g *groupRun) nextWave(members ...*member) error {
	from := g.wave * waveCount
	g.wave++
	if err := g.producer.Send(groupTopic, records("group", from, from+waveCount)); err != nil {
		return err
	}
	return until(fmt.Sprintf("wave %d", g.wave), func() (bool, error) {
		if err := failure(members); err != nil {
			return false, err
		}
		g.mutex.Lock()
		defer g.mutex.Unlock()
		return g.seen.complete(from + waveCount), nil
	})
}

// held waits until each member has count partitions.
func (g *groupRun) held(count int, members ...*member) error {
	return until(fmt.Sprintf("each of %d members to have %d partitions", len(members), count), func() (bool, error) {
		if err := failure(members); err != nil {
			return false, err
		}
		for _, member := range members {
			if held, err := member.in.Held(); err != nil || held != count {
				return false, err
			}
		}
		return true, nil
	})
}

func failure(members []*member) error {
	for _, member := range members {
		select {
		case err := <-member.done:
			return fmt.Errorf("a member ended: %w", err)
		default:
		}
	}
	return nil
}

type member struct {
	in     Member
	run    *groupRun
	stop   context.CancelFunc
	done   chan error
	newest int // guarded by run.mutex
}

func (g *groupRun) join(clientID string) (*member, error) {
	in, err := g.library.Member(groupTopic, groupTopic, clientID)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	member := &member{in: in, run: g, stop: stop, done: make(chan error, 1), newest: -1}
	go func() { member.done <- member.read(ctx) }()
	return member, nil
}

func (m *member) read(ctx context.Context) error {
	for {
		got, err := m.in.Read(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := m.take(got); err != nil {
			return err
		}
		// A commit may fail when the group rebalances meanwhile; the records are read again then.
		_ = m.in.Commit(got)
	}
}

func (m *member) take(got []*Record) error {
	m.run.mutex.Lock()
	defer m.run.mutex.Unlock()
	for _, record := range got {
		index, err := m.run.seen.add(record)
		if err != nil {
			return err
		}
		m.newest = max(m.newest, index)
	}
	return nil
}

func (m *member) latest() int {
	m.run.mutex.Lock()
	defer m.run.mutex.Unlock()
	return m.newest
}

func (m *member) leave() error {
	m.stop()
	select {
	case err := <-m.done:
		if err != nil {
			return err
		}
	case <-time.After(wait):
		return errors.New("a member does not stop reading")
	}
	return m.in.Close()
}
