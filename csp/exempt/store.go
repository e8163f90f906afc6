package exempt

import "context"

// Owner is a keyed hash of a browser at a client. It tells nothing of either.
type Owner [32]byte

// Store keeps grants at the server, for browsers whose cookies a script can write.
// It is safe for concurrent use. An error that is no [Refusal] becomes [ErrStore].
type Store interface {
	// Load returns the owner's grants, none for one that is not known. Grants that all
	// have expired are none.
	Load(ctx context.Context, owner Owner) (Grants, error)
	// Update replaces the owner's grants by what change makes of them, with no other
	// Update between, and returns change's error if it has one; then nothing changes.
	// It is [ErrFull] if there is no room. When it returns nil, the change is durable.
	Update(ctx context.Context, owner Owner, change func(Grants) (Grants, error)) error
}
