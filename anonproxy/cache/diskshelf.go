package cache

import "github.com/hashicorp/golang-lru/v2/simplelru"

// shelf is what a tool has on disk. Where there is no room for more, it is the tool with
// most that loses its oldest.
type shelf struct {
	index *simplelru.LRU[string, int64] // sizes by name
	bytes int64
}

// shelfOf returns the shelf of a file. disk.mu is held, or nobody else is there yet.
func (d *disk) shelfOf(name string) *shelf {
	tool := name[:toolLength]
	s := d.shelves[tool]
	if s == nil {
		index, _ := simplelru.NewLRU[string, int64](d.files+1, nil) // refuses sizes below 1 alone
		s = &shelf{index: index}
		d.shelves[tool] = s
	}
	return s
}

// fullest is the shelf with the most bytes, or the most files; nil if there is none.
func (d *disk) fullest(byBytes bool) (most *shelf) {
	for _, s := range d.shelves {
		if most == nil || byBytes && s.bytes > most.bytes || !byBytes && s.index.Len() > most.index.Len() {
			most = s
		}
	}
	return most
}
