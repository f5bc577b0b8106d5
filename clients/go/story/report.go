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

// Tell reports the steps that tell takes, and ends the program.
func Tell(client, module string, tell func(*Teller)) {
	t := &Teller{out: json.NewEncoder(os.Stdout), in: bufio.NewReader(os.Stdin)}
	t.say(map[string]string{"client": client, "version": version(module)})
	tell(t)
	if t.failed {
		os.Exit(1)
	}
	os.Exit(0)
}

// Teller reports to whoever started the program.
type Teller struct {
	out    *json.Encoder
	in     *bufio.Reader
	failed bool
}

func (t *Teller) say(line any) {
	if err := t.out.Encode(line); err != nil {
		fmt.Fprintln(os.Stderr, "cannot report:", err)
		os.Exit(2)
	}
}

// step runs one step and reports it.
func (t *Teller) step(name string, action func() (string, error)) {
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

// Step runs one step and reports it.
func (t *Teller) Step(name string, action func() error) {
	t.step(name, func() (string, error) { return "", action() })
}

// Restart has the broker restarted.
func (t *Teller) Restart() error {
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
