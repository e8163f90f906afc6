package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"

	"github.com/wikiveil/wikiveil/caddymodule/edge"
	"github.com/wikiveil/wikiveil/internal/shareddoc"
)

// published are the ids of the epochs whose masks stand in what was scrubbed, with when that was first.
type published map[string]time.Time

// publishedDoc is where a storage keeps them.
func publishedDoc(storage certmagic.Storage) *shareddoc.Doc[published] {
	return shareddoc.New(storage, "wikiveil/published.json", shareddoc.JSON(func(p published) error {
		for id := range p {
			if id == "" {
				return errors.New("an epoch has no id")
			}
		}
		return nil
	}))
}

// markPublished notes which epoch the command's flags give masks of, before any are written. A secret from a file is of no
// ring.
func markPublished(cmd *cobra.Command) error {
	flags := cmd.Flags()
	if file, _ := flags.GetString("secret-file"); file != "" {
		return nil
	}
	config, _ := flags.GetString("config")
	adapter, _ := flags.GetString("adapter")
	id, _ := flags.GetString("epoch")
	app, storage, err := edge.ReadConfig(cmd.Context(), config, adapter)
	if err != nil {
		return err
	}
	if id == "" {
		_, current, err := edge.CommandRing(cmd.Context(), app, storage)
		if err != nil {
			return err
		}
		id = current.ID()
	}
	err = publishedDoc(storage).Update(cmd.Context(), func(was published) (published, error) {
		if _, known := was[id]; known {
			return was, nil
		}
		now := maps.Clone(was)
		if now == nil {
			now = published{}
		}
		now[id] = time.Now().UTC().Truncate(time.Second)
		return now, nil
	})
	if err != nil {
		return fmt.Errorf("noting in the storage that masks of epoch %s get published: %w", id, err)
	}
	return nil
}

// readPublished returns the epochs that are noted; none where nothing was scrubbed.
func readPublished(ctx context.Context, storage certmagic.Storage) (published, error) {
	doc := publishedDoc(storage)
	if err := doc.Read(ctx); err != nil {
		return nil, err
	}
	return doc.Get(), nil
}
