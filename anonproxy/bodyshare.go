package anonproxy

import "sync"

// bodyShare is the part of the memory for bodies that one client's may hold.
const bodyShare = 4

// bodyShares counts what each client's bodies hold, so that nobody who sends slowly keeps
// all others from sending at all.
type bodyShares struct {
	mu      sync.Mutex
	clients map[string]int64 // bytes
}

// take counts more, if the client may have so much. A client of no name is bounded by the
// total alone.
func (s *bodyShares) take(client string, more, most int64) bool {
	if s == nil || client == "" {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client]+more > most {
		return false
	}
	if s.clients == nil {
		s.clients = make(map[string]int64)
	}
	s.clients[client] += more
	return true
}

func (s *bodyShares) giveBack(client string, n int64) {
	if s == nil || client == "" || n == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clients[client] -= n; s.clients[client] == 0 {
		delete(s.clients, client)
	}
}
