//go:build race

package tokenizer

// raceEnabled disables measurements of memory: with the race detector, sync.Pool drops values at random.
const raceEnabled = true
