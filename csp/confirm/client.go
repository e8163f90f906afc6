package confirm

import "net/http"

// Group stands for a client, or for a network around it: a keyed hash, which tells nobody its address.
type Group [16]byte

// groups returns those of r's sender, the client first, under a set of keys.
func (f *Flow) groups(r *http.Request, set *keySet) ([]Group, error) {
	var groups []Group
	for _, name := range f.clients(r) {
		// Each purpose has bounds of its own, so that consents can't stop reveals.
		groups = append(groups, Group(set.mac(useClient, []byte(f.purpose), []byte(name))))
	}
	if len(groups) == 0 {
		return nil, errNoClient
	}
	return groups, nil
}

// current returns the groups of r's sender under the keys in use, where they are to be burnt for.
func (f *Flow) current(r *http.Request) ([]Group, error) { return f.groups(r, &f.keys.sets[0]) }

// sameClient compares with what was signed under a set of keys, and returns the current groups.
func (f *Flow) sameClient(r *http.Request, set *keySet, client Group) ([]Group, error) {
	groups, err := f.groups(r, set)
	if err != nil {
		return nil, err
	}
	if !same(groups[0][:], client[:]) {
		return nil, errOtherClient
	}
	return f.current(r)
}
