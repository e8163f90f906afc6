// Package mask has what rewrites clients' addresses: the handler client_mask, which puts masks in their place, the matchers that
// still see addresses, the log encoders, and the edge's own blocks with their page, admin routes and command.
package mask
