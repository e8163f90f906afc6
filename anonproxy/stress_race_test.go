//go:build race

package anonproxy

// raceDetector makes all some ten times slower and larger.
const raceDetector = true
