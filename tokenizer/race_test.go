//go:build race

package tokenizer

// raceEnabled: the race detector makes sync.Pool forget things at random, so memory is not measured.
const raceEnabled = true
