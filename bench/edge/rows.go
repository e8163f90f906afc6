package main

import "context"

// row is one line of the list of what is measured.
type row struct {
	name, title string
	run         func(ctx context.Context, b *bench) (part, error)
}

func must(b bound) *bound { return &b }

// info has a figure shown that no bound is for.
var info = new(bound)

var rows = []row{
	{"page-10k-64", "pages of 10 KiB, 64 connections, with logs", contest{
		connections: 64, start: pages{size: 10 << 10, logged: true, others: true}.start,
		claims: []claim{
			{of: edge, against: headers, rate: must(atLeast(1)), cpu: must(atMost(1))},
			{of: edge, against: bare, rate: must(atLeast(1.15)), cpu: info},
			{of: edge, against: "HAProxy", rate: info, cpu: info},
			{of: edge, against: "nginx", rate: info, cpu: info},
		},
	}.run},
	{"page-10k-64-no-log", "pages of 10 KiB, 64 connections, without logs", contest{
		connections: 64, start: pages{size: 10 << 10}.start,
		claims: []claim{{of: edge, against: keepalive, rate: must(atLeast(0.97)), cpu: must(atMost(1.04))}},
	}.run},
	{"page-200-64", "pages of 200 B, 64 connections, with logs", contest{
		connections: 64, start: pages{size: 200, logged: true}.start,
		claims: []claim{{of: edge, against: headers, rate: must(atLeast(0.97)), cpu: info}},
	}.run},
	{"page-200-8", "pages of 200 B, 8 connections, with logs", contest{
		connections: 8, start: pages{size: 200, logged: true}.start,
		claims: []claim{{of: edge, against: headers, rate: must(atLeast(0.97)), cpu: info}},
	}.run},
	{"page-10k-tls", "pages of 10 KiB, 64 connections, HTTP/2 over TLS, with logs", contest{
		connections: 64, start: pages{size: 10 << 10, logged: true, tls: true}.start,
		claims: []claim{{of: edge, against: headers, rate: must(atLeast(1)), cpu: info}},
	}.run},
	{"tool-64", "a tool's image of 10 KiB, 64 connections, with logs", contest{
		connections: 64, start: startTools, claims: toolClaims(1.5, 3.5),
	}.run},
	{"tool-8", "a tool's image of 10 KiB, 8 connections, with logs", contest{
		connections: 8, start: startTools, claims: toolClaims(1.1, 2.5),
	}.run},
	{"mask-command", "`wikiveil mask`, 2 million addresses", maskCommand},
	{"edit-1", "a new client's edit, 1 connection", contest{
		connections: 1, start: startEdits,
		claims: []claim{{of: recorded, against: unrecorded, rate: must(atLeast(0.7)), cpu: info, p99: must(atMost(1.5))}},
	}.run},
	{"edit-64", "a new client's edit, 64 connections", contest{
		connections: 64, start: startEdits,
		claims: []claim{{of: recorded, against: unrecorded, rate: must(atLeast(0.85)), cpu: info, p99: must(atMost(1.5))}},
	}.run},
	{"log-line", "a masked line of an access log", goBenchmarks{"./masking/masklog", []goFigure{
		{"BenchmarkLine/masked", "", 2.5},
		{"BenchmarkEncoder/access/masked", "BenchmarkEncoder/access/raw", 4},
	}}.run},
	{"client-mask", "`client_mask` alone, ten fields of a browser", goBenchmarks{"./caddymodule/mask", []goFigure{
		{"BenchmarkClientMask/cached/single", "BenchmarkClientMask/request_alone/single", 0.45},
		{"BenchmarkClientMask/3_HMACs/single", "BenchmarkClientMask/request_alone/single", 1.2},
	}}.run},
	{"clients", "pages of 200 B for so many clients, 64 connections", contest{connections: 64, start: startClients}.run},
	{"sizes", "what an edge takes to start", measureSizes},
}

// toolClaims are the same but for what is claimed beside go-camo.
func toolClaims(uncachedRate, cachedRate float64) []claim {
	return []claim{
		{of: uncached, against: standIn, rate: must(atLeast(uncachedRate)), cpu: info},
		{of: uncached, against: reverseProxy, rate: must(atLeast(1)), cpu: info},
		{of: cached, against: standIn, rate: must(atLeast(cachedRate)), cpu: info},
		{of: cached, against: respond, rate: must(atLeast(0.85)), cpu: info},
	}
}
