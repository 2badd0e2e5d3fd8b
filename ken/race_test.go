//go:build race

package ken

// raceEnabled cuts down tests of single-goroutine code, which the race
// detector only slows down.
const raceEnabled = true
