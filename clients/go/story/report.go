package story

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
)

type teller struct {
	out    *json.Encoder
	in     *bufio.Reader
	failed bool
}

func (t *teller) say(line any) {
	if err := t.out.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "cannot report:", err)
		os.Exit(2)
	}
}

// step runs one step and reports it.
func (t *teller) step(name string, action func() (string, error)) {
	detail, err := action()
	status := "pass"
	switch {
	case errors.Is(err, ErrNotApplicable):
		status, detail = "n/a", strings.TrimPrefix(err.Error(), ErrNotApplicable.Error()+": ")
	case err != nil:
		status, detail = "fail", err.Error()
		t.failed = true
	}
	t.say(map[string]string{"step": name, "status": status, "detail": detail})
}

// restart has the broker restarted.
func (t *teller) restart() error {
	t.say(map[string]string{"ask": "restart"})
	answer, err := t.in.ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "restarted" {
		return fmt.Errorf("asked for a restart, was answered %q, %v", answer, err)
	}
	return nil
}

// version is the version of the module that this program was built with.
func version(module string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "?"
	}
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "?"
}
