package cache

import "context"

// Admit tells whether a fetch may begin for the caller; an error is for him alone. It is
// called for each fetch that he begins, and neither for answers that are stored in memory
// nor for fetches of others that he follows. It must be quick: the cache is locked.
type Admit func() error

// GetAdmitted is Get for a caller whose fetches are counted.
func (c *Cache) GetAdmitted(ctx context.Context, key Key, fetch Fetch, admit Admit) (Answer, error) {
	return c.get(ctx, key, asker{fetch, admit})
}

// asker is who asks: how he fetches, and whether he may.
type asker struct {
	fetch Fetch
	admit Admit // nil: always
}

func (a asker) admitted() error {
	if a.admit == nil {
		return nil
	}
	return a.admit()
}
