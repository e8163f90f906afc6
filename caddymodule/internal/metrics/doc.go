// Package metrics has the counters of all sites, which go on over reloads, and what makes metrics that are read when they are asked for.
package metrics
