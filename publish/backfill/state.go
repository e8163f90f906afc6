package backfill

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/wikiveil/wikiveil/internal/durable"
)

// state is how far a job is. Losing it costs the time to read rows again, and nothing else.
type state struct {
	// Job tells which job it is of: database, kind and masks.
	Job string `json:"job"`
	// After are the numbers of the last rows that are done, by place. Places whose rows have no such number begin anew.
	After map[string]int64 `json:"after"`

	file  string
	saved time.Time
}

// openState reads the state, and reports whether the job had begun. It writes it too, so that a file that can't be written
// is found before anything is changed.
func (j *Job) openState() (*state, bool, error) {
	// What no client has tells the masks apart, and neither names the key nor helps to find it.
	probe, err := j.Masker.Network("wikiveil backfill")
	if err != nil {
		return nil, false, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%t\x00%s", j.Database.name, j.Database.prefix, j.Rename, probe))
	s := &state{Job: hex.EncodeToString(sum[:]), After: map[string]int64{}}
	if !j.Apply || j.State == "" {
		return s, false, nil
	}
	s.file = j.State
	data, err := os.ReadFile(j.State)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, s.write()
	}
	var was state
	if err == nil {
		err = json.Unmarshal(data, &was)
	}
	switch {
	case err != nil:
		return nil, false, fmt.Errorf("reading the state of the job: %w (delete the file to begin anew; that does no harm)", err)
	case was.Job != s.Job:
		return nil, false, fmt.Errorf("%s is of another job: another database, other masks or another kind; delete it, or give another file with --state", j.State)
	}
	if was.After != nil {
		s.After = was.After
	}
	return s, true, s.write()
}

// after is the key that a place's walk goes on behind; nil: it begins.
func (s *state) after(place string) []any {
	if n, ok := s.After[place]; ok {
		return []any{n}
	}
	return nil
}

// saveEvery is how often the file is written.
const saveEvery = time.Second

// save notes how far a place is. Its changes are in the database by now, so that the state is never ahead of it.
func (s *state) save(place string, key []any) error {
	n, ok := number64(key[0])
	if !ok || len(key) > 1 {
		return nil
	}
	s.After[place] = n
	if s.file == "" || time.Since(s.saved) < saveEvery {
		return nil
	}
	return s.write()
}

func (s *state) write() error {
	s.saved = time.Now()
	data, err := json.Marshal(s)
	if err == nil {
		err = durable.Replace(s.file, data)
	}
	if err != nil {
		return fmt.Errorf("writing the state of the job: %w", err)
	}
	return nil
}

// remove removes the file of a job that is done.
func (s *state) remove() error {
	if s.file == "" {
		return nil
	}
	return os.Remove(s.file)
}
