//go:build !race

package anonproxy

const raceDetector = false
